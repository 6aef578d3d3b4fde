"""What the html reporter shows of masks: the pictures that are answered worst, with the true and the found mask."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

COLOUR = re.compile("#[0-9a-f]{6}")


@dataclass(frozen=True)
class MaskedPicture:
    """One picture: its data URI, empty where that is not at hand, its `size` in pixels, the data URIs of its masks,
    true and found, and how wrong it is."""

    key: str
    sample: str
    size: tuple[int, int]
    masks: tuple[tuple[str, str], tuple[str, str]]
    miou: float
    wrong: float


@dataclass(frozen=True)
class MaskedPictures:
    """The worst first, and the colour of each class that is drawn."""

    shown: tuple[MaskedPicture, ...]
    colours: Mapping[str, str]


def masked_pictures(report: Mapping[str, Any], limit: int, sample: Callable[[str], str]) -> MaskedPictures | None:
    """The first `limit` that `report` has under `worst_masks`; None where there are none. `sample` gives the data URI
    of a key's picture."""
    worst = (report.get("worst_masks") or ())[:limit]
    if not worst:
        return None
    colours = {name: colour for name, colour in report["mask_colours"].items() if COLOUR.fullmatch(colour)}
    return MaskedPictures(tuple(_masked(each, sample) for each in worst), colours)


def _masked(one: Mapping[str, Any], sample: Callable[[str], str]) -> MaskedPicture:
    true, found = (f"data:image/png;base64,{one[name]}" for name in ("truth", "found"))
    width, height = one["size"]
    masks = (("true", true), ("found", found))
    return MaskedPicture(one["key"], sample(one["key"]), (width, height), masks, one["miou"], one["wrong"])
