"""ONNX Runtime answers as the backend that trains does, for networks exported in a process of their own."""

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from headstart.engine.device import forward
from headstart.errors import EngineRefusal
from headstart.specs import EngineExport, EngineRequest

if any(importlib.util.find_spec(name) is None for name in ("onnxruntime", "onnx", "torch")):
    pytest.skip("onnxruntime, onnx or torch is not installed", allow_module_level=True)
# importorskip would import onnxruntime as it comes, and so let it report to its maker
from headstart_plugins.engines._onnxruntime import build, silent_runtime

pytestmark = [pytest.mark.backend, pytest.mark.slow]
SLOW_ON_JAX = True

PROGRAM = Path(__file__).with_name("onnx_networks.py")
SPEC = importlib.util.spec_from_file_location("onnx_networks", PROGRAM)
onnx_networks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(onnx_networks)
small = onnx_networks.small
PICTURES = ("plain", "depthwise", "squeezed", "pooled", "branched", "normalised", "transformer", "cut", "head")
NAMES = (*PICTURES, "scaled", "norms")
IMAGES = np.random.default_rng(0).integers(0, 256, (5, small.SIDE, small.SIDE, 3)).astype("uint8")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", str(PROGRAM), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "said.txt").write_text(done.stdout + done.stderr)
    return folder


@pytest.fixture(scope="module")
def networks():
    return onnx_networks.networks()


def opened(exported, name, *, precision="float32", threads=1):
    return build(EngineRequest(None, 0, exported / name, 5, precision, threads))


def optimised(exported, name, tmp_path):
    """How many operations of each kind ONNX Runtime runs, before it packs them for this processor."""
    import onnx

    runtime = silent_runtime()
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.add_free_dimension_override_by_name("batch", 1)
    runtime.InferenceSession(exported / name / "graph.onnx", options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)


def assert_equal(given, expected):
    assert given.keys() == expected.keys()
    for label, reference in expected.items():
        assert given[label].dtype == np.float32
        assert given[label].shape == reference.shape
        assert reference.std() > 0.01
        assert np.abs(given[label] - reference).max() <= 1e-4 * max(1, reference.std())


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_answers_as_the_backend_does(exported, networks, name):
    network, stop = networks[name]
    assert_equal(opened(exported, name)({"image": IMAGES}), forward(network, 0, stop)({"image": IMAGES}))


def test_masks_and_whole_numbers_at_a_cut_keep_their_types_and_values(exported, networks):
    network, stop = networks["masked"]
    batch = small.masked_batch(7)
    expected = forward(network, 0, stop)(batch)
    assert {array.dtype.name for array in expected.values()} == {"bool", "int32", "float32"}
    for threads in (1, 2):
        small.assert_same_types_and_values(opened(exported, "masked", threads=threads)(batch), expected)


def test_inputs_and_outputs_keep_their_names_whatever_their_order(exported, networks):
    generator = np.random.default_rng(2)
    batch = {"zeta": generator.integers(-9, 9, (6, 4), dtype="int32"), "alpha": generator.normal(size=(6, 3))}
    batch["alpha"] = batch["alpha"].astype("float32")
    network, stop = networks["two_inputs"]
    assert_equal(opened(exported, "two_inputs")(batch), forward(network, 0, stop)(batch))


@pytest.mark.parametrize("name", NAMES)
def test_the_batch_axis_is_free(exported, networks, name):
    session = silent_runtime().InferenceSession(exported / name / "graph.onnx", providers=["CPUExecutionProvider"])
    network, stop = networks[name]
    names = [port.name for port in session.get_outputs()]
    given = dict(zip(names, session.run(None, {"image": IMAGES}), strict=True))
    assert_equal(given, forward(network, 0, stop)({"image": IMAGES}))


def test_convolutions_take_in_their_normalisation_padding_and_transposes(exported, tmp_path):
    import onnx

    written = Counter(node.op_type for node in onnx.load(exported / "plain" / "graph.onnx").graph.node)
    assert (written["Conv"], written["Pad"]) == (3, 1)
    assert written["Transpose"] > 2
    left = optimised(exported, "plain", tmp_path)
    assert left["Conv"] + left["FusedConv"] == 3
    assert left["Transpose"] <= 2  # one at either end
    assert left["BatchNormalization"] == left["Pad"] == 0


def test_scaling_by_channel_is_one_operation(exported, tmp_path):
    kinds = optimised(exported, "scaled", tmp_path)
    assert (kinds["BatchNormalization"], kinds["Mul"]) == (1, 0)


def test_an_export_leaves_the_network_as_it_was(networks):
    from headstart_plugins.engines._onnx_forms import channels_first

    network, stop = networks["norms"]
    (layer,) = [each for each in network.stages[1].model.layers if getattr(each, "axis", None) == 1]
    with channels_first(stage.model for stage in network.stages[:stop]):
        assert "call" in vars(layer)
    assert "call" not in vars(layer)


def test_weights_that_do_not_fit_a_file_are_refused(tmp_path, monkeypatch, networks, backend):
    from headstart_plugins.engines import _onnx_export

    if backend != "torch":
        pytest.skip("the exporter runs on torch")
    monkeypatch.setattr(_onnx_export, "LARGEST", 1000)
    with pytest.raises(EngineRefusal, match="do not fit"):
        _onnx_export.export(EngineExport(*networks["plain"], tmp_path))


def test_a_size_that_is_left_open_is_refused(tmp_path, backend):
    import keras

    from headstart_plugins.engines._onnx_export import export

    if backend != "torch":
        pytest.skip("the exporter runs on torch")
    image = keras.Input((None, None, 3), name="image", dtype="uint8")
    stages = (small.Stage("input", keras.Model({"image": image}, {"image": small.layers.Rescaling(2.0)(image)})),)
    with pytest.raises(EngineRefusal, match="'image'"):
        export(EngineExport(small.Network(stages, ()), 1, tmp_path))


def test_any_number_of_samples_on_several_threads_comes_in_order(exported, answers_in_order):
    answers_in_order(opened(exported, "plain"), opened(exported, "plain", threads=2), small.SIDE)


def test_answers_are_new_arrays_and_inputs_stay(exported, answers_anew):
    answers_anew(opened(exported, "plain"), IMAGES)


def test_the_exporter_says_nothing_that_nobody_can_act_on(exported):
    assert "Warning" not in (exported / "said.txt").read_text()


def test_an_operation_without_a_form_is_named(exported):
    refusal = json.loads((exported / "refusal.json").read_text())
    assert "svd" in refusal["message"]
    assert "--engine native" in refusal["hint"]


def test_another_precision_is_refused(exported):
    with pytest.raises(EngineRefusal, match="bfloat16"):
        opened(exported, "plain", precision="bfloat16")


def test_a_graph_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "graph.onnx").write_bytes(b"no graph")
    with pytest.raises(EngineRefusal, match="cannot open"):
        build(EngineRequest(None, 0, tmp_path, 5, "float32", 1))


def test_no_graph_is_refused():
    with pytest.raises(EngineRefusal, match="none was given"):
        build(EngineRequest(None, 0, None, 5, "float32", 1))


def test_reports_to_the_maker_are_off_before_the_module_loads(tmp_path, monkeypatch):
    (tmp_path / "onnxruntime.py").write_text(
        "import os\nset = os.environ.get('ORT_DISABLE_TELEMETRY')\ncalls = []\n"
        "def disable_telemetry_events():\n    calls.append('off')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    module = silent_runtime()
    monkeypatch.delitem(sys.modules, "onnxruntime")
    assert (module.set, module.calls) == ("1", ["off"])
