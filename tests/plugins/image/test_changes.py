"""What can be drawn for pictures is parsed and fused, and refused by name where it is odd."""

import numpy as np
import pytest

from headstart.data.views import Composed
from headstart.errors import PluginError
from headstart.specs import Change, Drawn, InputRequest, JudgesChanges, Mix
from headstart_plugins._affine import STILL
from headstart_plugins.image import CHANGES, ImageOptions
from headstart_plugins.image._build import build
from headstart_plugins.image._changes import fused

KIND = build(InputRequest({"size": [16, 16]}, ImageOptions()))
PIXELS = {"image": np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)}
SHIFT = ((1.0, 0.0, 0.25), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
FLIP = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
BOX = (-0.5, -0.5, 0.0, 0.0)


class Fixed:
    def __init__(self, *changes):
        self.changes = changes

    def draw(self, seed, epoch, key):
        return Drawn(self.changes)


def test_matrices_are_one_product_with_the_first_applied_first():
    drawn = Composed((Fixed(Change("matrix", SHIFT)), Fixed(Change("matrix", FLIP)))).draw(0, 0, "k")
    np.testing.assert_allclose(fused(drawn.changes).matrix, np.array(SHIFT) @ np.array(FLIP))
    assert fused((Change("matrix", FLIP), Change("matrix", FLIP))).matrix == STILL


def test_colours_and_erased_parts_keep_their_order():
    def painting(name, seed):
        return Fixed(Change(name), Change("erase", (BOX, "noise", seed)))

    whole = fused(Composed((painting("invert", 6), painting("equalize", 8))).draw(0, 0, "k").changes)
    assert [each.name for each in whole.colours] == ["invert", "equalize"]
    assert [each.seed for each in whole.erased] == [6, 8]


GOOD = {
    "matrix": SHIFT,
    "erase": (BOX, "mean", 0),
    **dict.fromkeys(("brightness", "contrast", "saturation", "sharpness"), 0.5),
    "hue": -0.5,
    "posterize": 3,
    "solarize": 128.0,
    "autocontrast": None,
    "equalize": None,
    "invert": None,
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_that_is_listed_can_be_applied(name):
    after = KIND.transform(PIXELS, [Change(name, GOOD[name])])["image"]
    assert (after.shape, after.dtype) == ((16, 16, 3), np.uint8)
    assert (after != PIXELS["image"]).any()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sepia", 0.5, "there is no such change of pictures; expected matrix, brightness, contrast"),
        ("hue", 0.7, "the strength of hue is 0.7; expected a number from -0.5 to 0.5"),
        ("contrast", None, "the strength of contrast is None; expected a number from 0 to inf"),
        ("posterize", float("nan"), "the strength of posterize is nan; expected a number from 1 to 8"),
        ("invert", 0.5, "its value is 0.5; expected none"),
        ("matrix", (SHIFT[0], SHIFT[1]), r"the matrix is not \(3, 3\)"),
        ("matrix", 1.0, r"the matrix is not \(3, 3\)"),
        ("matrix", (SHIFT[0], SHIFT[1], (0.1, 0.0, 1.0)), r"the last row is not \(0, 0, 1\)"),
        ("matrix", (SHIFT[0], SHIFT[0], SHIFT[2]), "it flattens the sample"),
        ("matrix", (SHIFT[0], (0.0, float("inf"), 0.0), SHIFT[2]), "not all of its values are finite"),
        ("erase", BOX, r"its value is .*; expected \(box, fill, seed\)"),
        ("erase", ((0.1, 0.0, -0.1, 0.2), "mean", 0), "expected left <= right and top <= bottom"),
        ("erase", (BOX, "black", 0), "it erases with 'black'; expected mean or noise"),
        ("erase", (BOX, "noise", 0.5), "the seed of noise is 0.5; expected a whole number"),
    ],
)
def test_an_odd_change_is_refused_by_name(name, value, said):
    with pytest.raises(PluginError, match=f"change '{name}': .*{said}"):
        KIND.transform(PIXELS, [Change(name, value)])


def test_an_odd_region_of_a_mix_is_refused():
    for region in ("left", (0.1, 0.0, -0.1, 0.2)):
        with pytest.raises(PluginError, match="change 'mix': the box is"):
            KIND.mix(PIXELS, PIXELS, Mix(0.5, 0.5, region))


def test_the_kind_says_what_labels_must_survive():
    assert isinstance(KIND, JudgesChanges)
    upside_down = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
    for changes, symmetries in {
        (Change("matrix", SHIFT), Change("contrast", 2.0)): [],
        (Change("matrix", FLIP),): ["horizontal_flip"],
        (Change("matrix", FLIP), Change("matrix", FLIP)): [],
        (Change("matrix", upside_down), Change("invert")): ["rotation", "colour_inversion"],
        (Change("solarize", 200.0),): ["colour_inversion"],
    }.items():
        assert list(KIND.symmetries(changes)) == symmetries
    assert KIND.only_moves([Change("matrix", FLIP)])
    assert not KIND.only_moves([Change("matrix", FLIP), Change("invert")])
    assert not KIND.only_moves([Change("erase", GOOD["erase"])])


def test_a_preview_shows_the_sample_as_it_is_varied():
    sample = KIND.read(np.repeat(PIXELS["image"], 10, axis=0).repeat(10, axis=1), "x")
    plain, flipped = KIND.preview(sample), KIND.preview(sample, [Change("matrix", FLIP)])
    assert plain.media_type == flipped.media_type == "image/png"
    as_varied = KIND.transform(KIND.prepare(sample).tensors, [Change("matrix", FLIP)])["image"]
    assert flipped.data == KIND.preview(KIND.read(as_varied, "x")).data
    assert plain.data != flipped.data
