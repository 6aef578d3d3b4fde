"""Scenes that are composed of stamps: their alpha is the truth of boxes and masks."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from headstart.specs import MakeRequest
from headstart_plugins._draws import between, log_between, numbers
from headstart_plugins._made_sets.backgrounds import background
from headstart_plugins._made_sets.coco_files import Box, Picture, write_side
from headstart_plugins._made_sets.options import SceneOptions
from headstart_plugins._made_sets.stamps import FOLDERS, PACKAGE, SOLID, Stamp, find_stamps, sides_of

LABELS = tuple(FOLDERS)
SIZES = (((0.07, 0.12), 0.3), ((0.14, 0.3), 0.4), ((0.4, 0.7), 0.3))
"""Longest side as a share of the picture's, small, medium and large, and how often each is drawn. On 320 pixels their
areas are on both sides of COCO's limits, 32**2 and 96**2."""
TURN = 20.0
"""Degrees to either side."""
TRIES = 8
"""Places that are tried for a stamp."""
FEWEST_PIXELS = 12
SHARES = {"test": 0.2, "val": 0.16}
QUALITY = 92


@dataclass(frozen=True)
class Scene:
    """A scene: the picture (size, size) RGB, its boxes in the order in which they were put down, and the class of each
    pixel (size, size) uint8: 0 for the background, else the place in `LABELS` from 1 on."""

    picture: Image.Image
    boxes: tuple[Box, ...]
    mask: np.ndarray


def make(request: MakeRequest) -> None:
    """Write scenes as JPEG, their boxes, and masks as PNG with palette. Raises UsageError where there are no stamps."""
    options: SceneOptions = request.options
    stamps = sides_of(find_stamps(request.source))
    counts = {side: max(1, round(share * options.scenes)) for side, share in SHARES.items()}
    counts = {"train": options.scenes - sum(counts.values()), **counts}
    for side, count in counts.items():
        write_scenes(request.folder, side, stamps[side], count=count, options=options)
    (request.folder / "masks" / "classes.txt").write_text("\n".join(("background", *LABELS)) + "\n", encoding="utf-8")


def write_scenes(
    folder: Path, side: str, stamps: Mapping[str, Sequence[Stamp]], *, count: int, options: SceneOptions
) -> None:
    """Write `count` scenes of a side: SIDE/NAME.jpg, masks/SIDE/NAME.png, and the annotations."""
    (folder / side).mkdir()
    (folder / "masks" / side).mkdir(parents=True)
    pictures = []
    for number in range(1, count + 1):
        name = f"scene-{number:05d}"
        scene = compose(stamps, options, numbers("stamp_scenes", options.seed, number, side))
        scene.picture.save(folder / side / f"{name}.jpg", quality=QUALITY)
        mask = Image.fromarray(scene.mask)
        mask.putpalette(PALETTE)
        mask.save(folder / "masks" / side / f"{name}.png")
        pictures.append(Picture(f"{name}.jpg", options.size, options.size, scene.boxes))
    used = sorted(each.path for own in stamps.values() for each in own)
    write_side(folder, side, pictures, {"classes": LABELS, "from": PACKAGE, **asdict(options), "stamps": used})


def compose(stamps: Mapping[str, Sequence[Stamp]], options: SceneOptions, drawn: Iterator[float]) -> Scene:
    """A scene of up to `options.most` stamps, each class as likely as the other, from numbers in [0, 1).

    A box is that of what is visible of its stamp, and its area the number of those pixels: solid (alpha of at least a
    half), inside of the picture, and not behind another one. Of each stamp the share `options.kept` of its solid pixels
    is visible at least.
    """
    size = options.size
    picture = background(size, drawn)
    owners = np.zeros((size, size), np.int64)  # 0 is the background, then stamps from 1 on
    labels: list[str] = []
    least = [0.0]
    for _ in range(1 + int(next(drawn) * options.most)):
        label = LABELS[int(next(drawn) * len(LABELS))]
        stamp = stamps[label][int(next(drawn) * len(stamps[label]))]
        put_down = _varied(stamp, size, drawn)
        solid = np.asarray(put_down)[..., 3] >= SOLID
        wanted = max(options.kept * solid.sum(), FEWEST_PIXELS)
        for _ in range(TRIES):
            left, top = (int(next(drawn) * size) - side // 2 for side in put_down.size)
            tried = owners.copy()
            frame, part = _overlap(left, solid.shape[1], size), _overlap(top, solid.shape[0], size)
            tried[part[0], frame[0]][solid[part[1], frame[1]]] = len(labels) + 1
            visible = np.bincount(tried.ravel(), minlength=len(labels) + 2)
            if (visible >= [*least, wanted]).all():
                picture.paste(put_down, (left, top), put_down)
                owners = tried
                labels.append(label)
                least.append(wanted)
                break
    boxes = tuple(_box(owners == number, label) for number, label in enumerate(labels, start=1))
    places = np.array([0, *(LABELS.index(label) + 1 for label in labels)], np.uint8)
    return Scene(picture, boxes, places[owners])


def _varied(stamp: Stamp, size: int, drawn: Iterator[float]) -> Image.Image:
    """The stamp at the size that it has on a picture of `size`, mirrored or not, turned a little: RGBA, cut to what is
    solid."""
    pick = next(drawn)
    low, high = next((ends for ends, share in _CUMULATED if pick < share), SIZES[-1][0])
    longest = log_between(low, high, next(drawn)) * size
    flipped, turn = next(drawn) < 0.5, between(-TURN, TURN, next(drawn))
    picture = Image.fromarray(stamp.pixels).convert("RGBa")
    if flipped:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = longest / max(picture.size)
    sides = [max(1, round(side * scale)) for side in picture.size]
    turned = picture.resize((sides[0], sides[1]), Image.Resampling.LANCZOS).rotate(
        turn, Image.Resampling.BICUBIC, expand=True
    )
    made = turned.convert("RGBA")
    cut = made.getchannel("A").point([0] * SOLID + [255] * (256 - SOLID)).getbbox()
    return made if cut is None else made.crop(cut)


def _overlap(start: int, length: int, size: int) -> tuple[slice, slice]:
    """Of something `length` long that begins at `start` what lies within 0..size: as places there, and in itself."""
    low, high = max(start, 0), min(start + length, size)
    high = max(low, high)
    return slice(low, high), slice(low - start, high - start)


def _box(visible: np.ndarray, label: str) -> Box:
    (rows,), (columns,) = np.nonzero(visible.any(axis=1)), np.nonzero(visible.any(axis=0))
    corners = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return Box(label, corners, int(visible.sum()))


_CUMULATED = tuple((ends, sum(share for _, share in SIZES[: place + 1])) for place, (ends, _) in enumerate(SIZES))
PALETTE = [0, 0, 0] + [
    round(255 * value) for place in range(len(LABELS)) for value in colorsys.hsv_to_rgb(place / len(LABELS), 0.75, 0.95)
]
"""Black for the background, then a hue for each class."""
