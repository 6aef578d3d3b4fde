"""Scenes of stamps as pictures with masks: those that `detection_sets` has with boxes, drawn by the same code."""

from __future__ import annotations

from headstart.specs import DatasetRequest, Finding, Records
from headstart_plugins._made_sets.coco_files import read_info
from headstart_plugins.segmentation_sets._records import read_records


def build(request: DatasetRequest) -> Records:
    """Records of scenes, with the sides that they were made for. Raises DataError naming the file that cannot be
    read."""
    assert request.made is not None  # the spec names what makes it
    items, info = read_records(request.made), read_info(request.made, "test")
    said = (
        f"scenes are composed, not photographed, those of test of {len(info['stamps'])} stamps that are neither in "
        "train nor in val: intervals over scenes say nothing about other stamps. A pixel is a stamp's from an alpha of "
        "a half on, and of those behind each other the front one's; most pixels are background"
    )
    symmetries = frozenset({"horizontal_flip"})
    return Records("image", items, symmetries, targets="masks/mask", findings=(Finding("note", said, len(items)),))
