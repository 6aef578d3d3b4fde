"""Scenes of stamps as pictures with boxes."""

from __future__ import annotations

from headstart.specs import DatasetRequest, Finding, Records
from headstart_plugins._made_sets.coco_files import read_info, read_records


def build(request: DatasetRequest) -> Records:
    """Records of scenes, with the sides that they were made for. Raises DataError naming the file that cannot be
    read."""
    assert request.made is not None  # the spec names what makes it
    items, info = read_records(request.made), read_info(request.made, "test")
    said = (
        f"scenes are composed, not photographed, those of test of {len(info['stamps'])} stamps that are neither in "
        "train nor in val: intervals over scenes say nothing about other stamps. A box is that of what is visible of a "
        f"stamp, {info['kept']:.0%} of it at least; a stamp that finds no such place is not in the picture"
    )
    symmetries = frozenset({"horizontal_flip"})
    return Records("image", items, symmetries, targets="boxes/boxes", findings=(Finding("note", said, len(items)),))
