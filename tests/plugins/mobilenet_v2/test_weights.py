"""The published file becomes arrays under our names; another file is refused with what differs."""

import numpy as np
import pytest

from headstart.errors import WrongWeightsError

from .conftest import SPEC, build

pytestmark = pytest.mark.backend


def test_every_weight_gets_an_array_of_its_shape(weights_file):
    from headstart.engine.network.stages import name_variables
    from headstart_plugins.mobilenet_v2._weights import load

    backbone = build(64, 64)
    arrays = load(weights_file, backbone)

    assert {name: array.shape for name, array in arrays.items()} == {
        name: tuple(variable.shape) for name, variable in name_variables(backbone.stages).items()
    }
    assert len(arrays) == 260  # 52 convolutions, each with the four arrays of its norm
    assert all(array.dtype == np.float32 for array in arrays.values())


def test_another_size_of_network_refuses_the_published_file(weights_file):
    from headstart_plugins.mobilenet_v2._weights import load

    with pytest.raises(WrongWeightsError, match=r"unexpected features\.") as caught:
        load(weights_file, build(32, 32, **SPEC.tiny))
    assert str(weights_file) in caught.value.message
