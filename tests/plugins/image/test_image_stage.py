import numpy as np
import pytest

from headstart.specs import InputRequest
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build

pytestmark = pytest.mark.backend

LITE = {"size": [24, 20], "scale": [1 / 128] * 3, "offset": [-127 / 128] * 3}
VGG = {"size": [24, 20], "channels": "bgr", "scale": [1, 1, 1], "offset": [-103.939, -116.779, -123.68]}
MEAN_STD = {"size": [24, 20], "scale": [0.017, 0.0175, 0.0174], "offset": [-2.1, -2.0, -1.8]}


@pytest.mark.parametrize("preprocess", [LITE, VGG, MEAN_STD], ids=["lite", "vgg", "mean_std"])
def test_the_stage_equals_the_formula_and_stays_in_its_range(preprocess):
    import keras

    kind = build(InputRequest(preprocess, ImageOptions()))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 24, 20, 3), np.uint8)
    pixels[0, 0, 0], pixels[0, 0, 1] = 0, 255
    stage = kind.stage()
    output = keras.ops.convert_to_numpy(stage({"image": pixels})["image"])
    ordered = pixels[..., ::-1] if preprocess.get("channels") == "bgr" else pixels
    expected = ordered.astype(np.float64) * preprocess["scale"] + preprocess["offset"]
    assert output.dtype == np.float32
    assert expected.std() > 0.01
    assert np.abs(output - expected).max() <= 1e-4 * max(1.0, expected.std())
    low, high = kind.output_ranges["image"]
    assert output.min() == pytest.approx(low, abs=1e-4)
    assert output.max() == pytest.approx(high, abs=1e-4)


def test_the_stage_has_no_weights_and_named_tensors():
    stage = build(InputRequest(LITE, ImageOptions())).stage()
    assert stage.weights == []
    assert set(stage.input) == {"image"}
    assert set(stage.output) == {"image"}


def test_the_vgg_stage_equals_keras_own_preprocessing():
    import keras

    pixels = np.random.default_rng(1).integers(0, 256, (2, 24, 20, 3), np.uint8)
    stage = build(InputRequest(VGG, ImageOptions())).stage()
    expected = keras.applications.vgg16.preprocess_input(pixels.astype(np.float32))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(stage({"image": pixels})["image"]), expected, atol=1e-4)
