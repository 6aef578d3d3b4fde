"""From cells to pixels: equal to PyTorch's own interpolation, and to loops over pixels, also where a frame was
added."""

import drawn_masks as examples
import numpy as np
import pytest

from headstart_plugins._mask import VOID
from headstart_plugins.segmentation._resize import Grid, how_sure, most_likely, sampled

FACTS = {
    "enlarged, with a frame": examples.FACTS,
    "smaller than the cells": {**examples.FACTS, "height": 3, "width": 5, "scale_y": 8.0, "scale_x": 9.0},
    "cropped": {**examples.FACTS, "offset_x": -20, "offset_y": -4, "scale_x": 1.1},
    "stretched": {**examples.FACTS, "offset_x": 0, "offset_y": 0, "scale_x": 48 / 88, "scale_y": 32 / 70},
}


@pytest.mark.parametrize("cells", [(4, 6), (5, 3), (1, 7), (3, 1), (40, 50)])
@pytest.mark.parametrize("size", [(32, 48), (33, 47), (5, 1)])
def test_an_input_is_enlarged_and_shrunk_as_pytorch_does_it(cells, size):
    torch = pytest.importorskip("torch")
    values = examples.logits(np.random.default_rng(0), 1, cells)[0]
    given = torch.from_numpy(values.transpose(2, 0, 1)[None].astype(np.float64))
    wanted = torch.nn.functional.interpolate(given, size=size, mode="bilinear", align_corners=False)[0].numpy()
    found = Grid.of_input(size, cells).whole(values)
    assert np.abs(found - wanted).max() <= 1e-4 * max(1.0, wanted.std())
    by_hand = examples.on_input(values, size).transpose(2, 0, 1)
    assert np.abs(by_hand - wanted).max() < 1e-9


@pytest.mark.parametrize("case", FACTS)
def test_answers_go_straight_to_the_pixels_of_the_picture(case):
    facts, values = FACTS[case], examples.logits(np.random.default_rng(1), 1)[0]
    found = Grid.of_picture(facts, values.shape[:2]).whole(values)
    by_hand = examples.on_picture(values, facts).transpose(2, 0, 1)
    assert by_hand.std() > 0.01
    assert np.abs(found - by_hand).max() <= 1e-4 * max(1.0, by_hand.std())
    part = (3, 1, 5, 3) if case == "smaller than the cells" else (30, 11, 60, 52)
    left, top, right, bottom = part
    found = Grid.of_picture(facts, values.shape[:2], part).whole(values)
    assert np.abs(found - by_hand[:, top:bottom, left:right]).max() <= 1e-4 * max(1.0, by_hand.std())


@pytest.mark.parametrize("spread", [0.1, 3.0, 300.0])
@pytest.mark.parametrize("cells", [(4, 6), (1, 6), (4, 1), (1, 1), (16, 12)])
def test_classes_that_are_left_out_early_are_nowhere_the_most_likely(cells, spread):
    """Most of 30 classes are, where logits are smooth; whatever they are, the answer is that of all."""
    random = np.random.default_rng(2)
    values = examples.logits(random, 1, cells, classes=30, spread=1.0)[0]
    values[..., :3] += spread * random.normal(0, 1, (1, 1, 3)).astype(np.float32)
    grid = Grid.of_picture({**examples.FACTS, "height": 700}, cells)
    assert np.array_equal(most_likely(values, grid), grid.whole(values).argmax(axis=0))
    smooth = np.zeros((*cells, 30), np.float32)
    smooth[..., 4], smooth[..., 9] = 5.0, np.linspace(0, 9, cells[1], dtype=np.float32)
    assert {len(classes) for _, classes, _ in grid.strips(smooth, all_classes=False)} <= {1, 2}
    assert np.array_equal(most_likely(smooth, grid), grid.whole(smooth).argmax(axis=0))


def test_of_equally_likely_classes_the_first_counts():
    values = np.zeros((4, 6, 4), np.float32)
    values[..., 1:3] = 2.0
    assert np.unique(most_likely(values, Grid.of_input((32, 48), (4, 6)))).tolist() == [1]


def test_how_sure_an_answer_is_is_the_largest_probability():
    values = examples.logits(np.random.default_rng(3), 1)[0]
    large = examples.on_picture(values, examples.FACTS)
    wanted = np.array([[examples.probabilities(pixel / 1.7).max() for pixel in row] for row in large])
    found = how_sure(values, Grid.of_picture(examples.FACTS, (4, 6)), 1.7)
    assert np.abs(found - 255 * wanted).max() <= 0.51
    assert wanted.std() > 0.01


@pytest.mark.parametrize("case", FACTS)
def test_a_mask_is_sampled_at_the_middles_of_the_input_s_pixels(case):
    facts = FACTS[case]
    image = np.random.default_rng(4).integers(0, 200, (facts["height"], facts["width"]), dtype=np.uint8)
    wanted = np.full((32, 48), VOID, np.uint8)
    for row in range(32):
        for column in range(48):
            y = int(np.floor((row + 0.5 - facts["offset_y"]) / facts["scale_y"]))
            x = int(np.floor((column + 0.5 - facts["offset_x"]) / facts["scale_x"]))
            if 0 <= y < facts["height"] and 0 <= x < facts["width"]:
                wanted[row, column] = image[y, x]
    assert np.array_equal(sampled(image, facts, VOID), wanted)
    assert (wanted == VOID).any() or case not in ("enlarged, with a frame",), "a frame is void"
