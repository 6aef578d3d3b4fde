"""A backbone whose layers draw, as EfficientNet's skips do: runs of one seed have the same bits, and go on to them."""

import pytest

from headstart.errors import InterruptedRunError, UsageError
from headstart.registry import load_registry
from headstart.runs.fitting import fit, pretrain
from headstart.testing import write_distribution

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

DRAWING = """
import os
import signal

from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec, FeatureSpec, ReporterSpec
from headstart_small import PREPROCESS

@hookimpl
def register_backbones():
    return [
        BackboneSpec(
            name=f"drawing/{name}", summary="x.", build=f"drawing_build:{name}", takes="image",
            stages=("low", "top"), features=(FeatureSpec("pooled", "top", "pooled", ("batch", "channel"), 12),),
            preprocess=PREPROCESS, licence="Apache-2.0",
        )
        for name in ("drops", "bare")
    ]

@hookimpl
def register_reporters():
    return [ReporterSpec(name="drawing/ending", summary="x.", build="drawing:Ending")]

class Ending:
    def __init__(self, request):
        pass

    def on_event(self, event, run):
        if type(event).__name__ == "EpochDone" and os.environ.get("ENDS_AT") == str(event.epoch):
            signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
"""

BUILD = """
import keras
from keras import layers

from headstart.specs import Backbone, Stage
from headstart_small._build import _block, _draw

def drops(request):
    image = keras.Input(request.inputs["image"].shape, name="image")
    hidden = _block(image, 8, stride=2)
    hidden = layers.add([hidden, layers.Dropout(0.4, noise_shape=(None, 1, 1, 1))(_block(hidden, 8))])
    low = Stage("low", keras.Model({"image": image}, {"hidden": hidden}))
    entry = keras.Input(hidden.shape[1:], name="hidden")
    pooled = layers.GlobalAveragePooling2D()(_block(entry, 12, stride=2))
    return Backbone((low, Stage("top", keras.Model({"hidden": entry}, {"pooled": pooled}))))

def bare(request):
    def convolution(tensor, filters):
        return layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu", kernel_initializer=_draw)(tensor)

    image = keras.Input(request.inputs["image"].shape, name="image")
    hidden = convolution(image, 8)
    low = Stage("low", keras.Model({"image": image}, {"hidden": hidden}))
    entry = keras.Input(hidden.shape[1:], name="hidden")
    pooled = layers.GlobalAveragePooling2D()(convolution(entry, 12))
    return Backbone((low, Stage("top", keras.Model({"hidden": entry}, {"pooled": pooled}))))
"""


@pytest.fixture
def run(finished, settings, tmp_path, monkeypatch, small_plugin):
    """Runs of such a backbone on the pictures of the finished run, into a folder of this name."""
    write_distribution(tmp_path / "published", "drawing", DRAWING)
    (tmp_path / "published" / "drawing_build.py").write_text(BUILD)
    monkeypatch.syspath_prepend(tmp_path / "published")
    registry = load_registry()
    asked = {**settings, "data": f"image_folder:{finished.pictures}", "backbone": "drawing/drops", "strategy": "full"}
    asked |= {"epochs": 3, "reporters": ("ending",)}

    def run(name, verb=fit, **more):
        given = more if more.get("resume") else {**asked, **more}
        return verb(out=str(tmp_path / name), registry=registry, **given)

    return run


def bits(made):
    return (made.folder.artefact / "weights.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["re-estimated", "trainable"])
def test_runs_of_one_seed_have_the_same_bits_and_go_on_to_them(run, monkeypatch, policy):
    whole = run("whole", batch_norm=policy)
    assert bits(run("again", batch_norm=policy)) == bits(whole)
    assert bits(run("other", batch_norm=policy, seed=1)) != bits(whole)

    monkeypatch.setenv("ENDS_AT", "2")
    with pytest.raises(InterruptedRunError):
        run("stopped", batch_norm=policy)
    monkeypatch.delenv("ENDS_AT")
    assert bits(run("stopped", resume=True)) == bits(whole)


@pytest.mark.parametrize("policy", ["re-estimated", "trainable"])
def test_a_policy_for_statistics_that_there_are_none_of_is_refused(run, policy):
    with pytest.raises(UsageError, match=f"--batch-norm {policy} has nothing to act on: the .* no BatchNorm layer"):
        run("none", backbone="drawing/bare", batch_norm=policy)
    assert run("frozen", backbone="drawing/bare").result["phases"]


def test_pretraining_leaves_the_policy_alone_where_there_is_no_batch_norm_and_goes_on(run, monkeypatch):
    whole = run("whole", pretrain, backbone="drawing/bare")
    assert whole.recipe.batch_norm == "frozen"
    monkeypatch.setenv("ENDS_AT", "2")
    with pytest.raises(InterruptedRunError):
        run("parts", pretrain, backbone="drawing/bare")
    monkeypatch.delenv("ENDS_AT")
    assert bits(run("parts", resume=True)) == bits(whole)
