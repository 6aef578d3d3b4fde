"""Masks over pictures on contact sheets."""

import io

import numpy as np
from PIL import Image

from headstart.specs import Drawn, Shown
from headstart_plugins._marks import Outline, Overlay
from headstart_plugins._mask import VOID
from headstart_plugins._overlay import GREY, overlaid
from headstart_plugins.image._sheet import contact_sheet

COLOURS = ((0, 0, 0), (200, 40, 0))


def test_classes_are_half_transparent_their_edges_are_not_and_void_is_striped():
    pixels = np.full((12, 12, 3), 100, np.uint8)
    mask = np.zeros((12, 12), np.uint8)
    mask[:, 6:9], mask[:, 9:] = 1, VOID
    found = overlaid(pixels, mask, COLOURS)
    assert found[0, 0].tolist() == [50, 50, 50]
    assert found[0, 7].tolist() == [150, 70, 50]
    assert found[0, 5].tolist() == [0, 0, 0]
    assert found[0, 8].tolist() == [200, 40, 0]
    void = found[:, 9:]
    assert {tuple(each) for each in void.reshape(-1, 3).tolist()} == {(100, 100, 100), (GREY, GREY, GREY)}
    assert 0 < (void == GREY).all(2).mean() < 0.5
    assert (pixels == 100).all()


def test_a_smaller_mask_is_stretched_by_the_nearest_pixel():
    mask = np.array([[0, 1], [1, 0]], np.uint8)
    found = overlaid(np.zeros((8, 6, 3), np.uint8), mask, COLOURS)
    assert found[0, 0].tolist() == [0, 0, 0]
    assert found[0, 4].tolist() == [100, 20, 0]
    assert found[6, 1].tolist() == [100, 20, 0]


def test_sheets_draw_masks_below_boxes():
    pixels = np.full((320, 320, 3), 100, np.uint8)
    mask = np.zeros((320, 320), np.uint8)
    mask[:, 160:] = 1
    marks = (Outline((0.25, 0.25, 0.75, 0.75), "box"), Overlay(mask, COLOURS))
    sheet = contact_sheet([[Shown({"image": pixels}, ("a",), Drawn(), marks=marks)]], ["as it is"])
    drawn = np.asarray(Image.open(io.BytesIO(sheet.data)).convert("RGB"))
    seen = {tuple(each) for each in drawn.reshape(-1, 3).tolist()}
    assert {(50, 50, 50), (150, 70, 50), (255, 225, 25)} <= seen
