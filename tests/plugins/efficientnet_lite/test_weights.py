"""Published files become arrays under our names; another file is refused with what differs."""

import numpy as np
import pytest

from headstart.errors import WrongWeightsError
from headstart.specs import BackboneRequest, TensorSpec
from headstart_plugins.efficientnet_lite import register_backbones

pytestmark = pytest.mark.backend

SPECS = {spec.short_name: spec for spec in register_backbones()}


def build(spec, **options):
    from headstart_plugins.efficientnet_lite import _build

    request = BackboneRequest(spec.options(**options), {"image": TensorSpec((64, 64, 3), "float32")})
    return getattr(_build, spec.build.partition(":")[2])(request)


def test_every_weight_gets_an_array_of_its_shape(spec, weights_file):
    from headstart.engine.network.stages import name_variables
    from headstart_plugins.efficientnet_lite._weights import load

    backbone = build(spec)
    arrays = load(weights_file, backbone)

    assert {name: array.shape for name, array in arrays.items()} == {
        name: tuple(variable.shape) for name, variable in name_variables(backbone.stages).items()
    }
    assert len(arrays) == {"lite0": 245, "lite1": 320, "lite2": 320}[spec.short_name]
    assert all(array.dtype == np.float32 for array in arrays.values())


def test_a_variant_refuses_the_file_of_another_and_lists_what_differs(weights_file, spec):
    from headstart_plugins.efficientnet_lite._weights import load

    other = SPECS["lite2" if spec.short_name != "lite2" else "lite0"]

    with pytest.raises(WrongWeightsError) as caught:
        load(weights_file, build(other))
    assert "_blocks." in caught.value.message
    assert "more" in caught.value.message
    assert str(weights_file) in caught.value.message


def test_a_scaled_network_refuses_the_published_file(spec, weights_file):
    from headstart_plugins.efficientnet_lite._weights import load

    with pytest.raises(WrongWeightsError, match="has shape"):
        load(weights_file, build(spec, width=0.5))


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n" + b"\0" * 2000, b"not weights"])
def test_a_file_of_another_kind_is_refused(content, spec, tmp_path):
    from headstart_plugins.efficientnet_lite._weights import load

    path = tmp_path / "vgg16.h5"
    path.write_bytes(content)

    with pytest.raises(WrongWeightsError, match="cannot be read as a torch weights file"):
        load(path, build(spec, **spec.tiny))
