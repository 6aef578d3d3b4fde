"""What OpenVINO answers is what the backend that trains answers, for networks exported in a process of their own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from headstart.engine.device import forward
from headstart.errors import EngineRefusal
from headstart.specs import EngineExport, EngineRequest

pytest.importorskip("openvino")
from headstart_plugins.engines._openvino import build
from headstart_plugins.engines._openvino_export import export

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

PROGRAM = Path(__file__).with_name("small_networks.py")
SPEC = importlib.util.spec_from_file_location("small_networks", PROGRAM)
small = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(small)
NAMES = (*(body.__name__ for body in small.BODIES), "cut", "head")
IMAGES = np.random.default_rng(0).integers(0, 256, (5, small.SIDE, small.SIDE, 3)).astype("uint8")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    environment = {**os.environ, "KERAS_BACKEND": "openvino", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", str(PROGRAM), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def networks():
    return small.networks()


def opened(exported, name, *, precision="float32", threads=1):
    return build(EngineRequest(None, 0, exported / name, 5, precision, threads))


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_answers_as_the_backend_does(exported, networks, name):
    network, stop = networks[name]
    expected = forward(network, 0, stop)({"image": IMAGES})
    given = opened(exported, name)({"image": IMAGES})
    assert given.keys() == expected.keys()
    for label, reference in expected.items():
        assert given[label].dtype == np.float32
        assert given[label].shape == reference.shape
        assert reference.std() > 0.01
        assert np.abs(given[label] - reference).max() <= 1e-4 * max(1, reference.std())


def test_masks_and_whole_numbers_at_a_cut_keep_their_types_and_values(exported, networks):
    network, stop = networks["masked"]
    batch = small.masked_batch(7)
    expected = forward(network, 0, stop)(batch)
    assert {array.dtype.name for array in expected.values()} == {"bool", "int32", "float32"}
    for threads in (1, 2):
        small.assert_same_types_and_values(opened(exported, "masked", threads=threads)(batch), expected)


def test_any_number_of_samples_on_several_threads_comes_in_order(exported, answers_in_order):
    answers_in_order(opened(exported, "plain"), opened(exported, "plain", threads=2), small.SIDE)


def test_no_samples_have_no_answers(exported):
    assert opened(exported, "plain")({"image": IMAGES[:0]})["@out"].shape[0] == 0


def test_answers_are_new_arrays_and_inputs_stay(exported, answers_anew):
    answers_anew(opened(exported, "plain"), IMAGES)


def test_inputs_may_be_read_only_or_strided_but_not_of_another_kind(exported):
    engine = opened(exported, "plain")
    expected = engine({"image": IMAGES})["@out"]
    fixed = IMAGES.copy()
    fixed.flags.writeable = False
    np.testing.assert_array_equal(engine({"image": fixed})["@out"], expected)
    strided = np.repeat(IMAGES, 2, axis=2)[:, :, ::2]
    np.testing.assert_array_equal(engine({"image": strided})["@out"], expected)
    with pytest.raises(TypeError):
        engine({"image": IMAGES / 255})


def test_bfloat16_is_rougher_where_the_processor_has_it_and_refused_where_not(exported):
    exact = opened(exported, "plain")({"image": IMAGES})["@out"]
    try:
        rough = opened(exported, "plain", precision="bfloat16")({"image": IMAGES})["@out"]
    except EngineRefusal as exc:
        assert "bfloat16" in exc.message  # noqa: PT017
        return
    assert 1e-5 < np.abs(rough - exact).max() < 0.1 * exact.std()


def test_a_failing_request_is_heard_of_and_the_engine_lives_on(exported):
    engine = opened(exported, "plain", threads=2)
    expected = engine({"image": IMAGES})["@out"]
    with pytest.raises(RuntimeError, match="shape"):
        engine({"image": IMAGES[:, :-1]})
    np.testing.assert_array_equal(engine({"image": IMAGES})["@out"], expected)


def test_the_settings_are_those_asked_for(exported):
    compiled = opened(exported, "plain", threads=2).compiled
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 2


def test_batches_under_way_together_come_to_what_each_comes_to_and_in_order(exported):
    engine, taken = opened(exported, "plain", threads=2), []
    batches = [{"image": np.roll(IMAGES, shift, axis=1)[:count]} for shift, count in enumerate((5, 5, 0, 1, 3, 5))]
    singly = [engine(batch)["@out"] for batch in batches]

    def given():
        for batch in batches:
            taken.append(batch)
            yield batch

    found = engine.stream(given())
    first = next(found)["@out"]
    assert len(taken) == 2
    beside = [each["@out"] for each in engine.stream(batches)]  # while the other one's are under way
    streamed = [first, *(each["@out"] for each in found)]
    for each in (streamed, beside):
        for one, reference in zip(each, singly, strict=True):
            np.testing.assert_array_equal(one, reference)


def test_a_stream_that_is_left_or_fails_leaves_the_engine_as_it_was(exported):
    engine = opened(exported, "plain", threads=2)
    expected = engine({"image": IMAGES})["@out"]

    def broken():
        yield {"image": IMAGES}
        raise OSError("cannot be read")

    with pytest.raises(OSError, match="cannot be read"):
        list(engine.stream(broken()))
    with pytest.raises(RuntimeError, match="shape"):
        list(engine.stream([{"image": IMAGES}, {"image": IMAGES[:, :-1]}]))
    left = engine.stream([{"image": IMAGES}] * 4)
    next(left)
    left.close()
    assert len(engine.spare) == 4
    np.testing.assert_array_equal(engine({"image": IMAGES})["@out"], expected)


def test_an_operation_without_a_form_is_named(exported):
    refusal = json.loads((exported / "refusal.json").read_text())
    assert "SVD" in refusal["message"]
    assert "not supported" in refusal["message"]
    assert "--engine native" in refusal["hint"]


def test_a_size_that_is_left_open_is_refused():
    image = keras.Input((None, None, 3), name="image", dtype="uint8")
    stages = (small.Stage("input", keras.Model({"image": image}, {"image": small.layers.Rescaling(2.0)(image)})),)
    with pytest.raises(EngineRefusal, match="'image'"):
        export(EngineExport(small.Network(stages, ()), 1, Path()))


def test_a_graph_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "graph.json").write_text('{"inputs": ["image"], "outputs": ["@out"]}')
    (tmp_path / "graph.xml").write_text("<net/>")
    with pytest.raises(EngineRefusal, match="cannot compile"):
        build(EngineRequest(None, 0, tmp_path, 5, "float32", 1))


def test_no_graph_is_refused():
    with pytest.raises(EngineRefusal, match="none was given"):
        build(EngineRequest(None, 0, None, 5, "float32", 1))
