"""The datasets, drawn from their seeds, and the one augmentation."""

import hashlib
from pathlib import Path

import numpy as np

from headstart.errors import DataError, UsageError
from headstart.specs import Change, Drawn, Record, Records

SYMBOLS = 12
"""Symbols are 1 to 11; 0 is padding."""
KINDS = ("bright", "dim")
GREY = {"bright": 220, "dim": 120}


def marks(request):
    """Symbols 3 to 11 with 1 and 2 among them: the class is which of these comes more often. Most are short."""
    random = np.random.default_rng(request.options.seed)
    items = []
    for number in range(request.options.count):
        length = int(min(120, 3 + random.geometric(0.08)))
        winner = number % 2
        symbols = random.integers(3, SYMBOLS, length)
        places = random.permutation(length)[: 1 + length // 3]
        symbols[places] = 1 + winner
        symbols[places[: len(places) // 4]] = 2 - winner
        items.append(Record(f"m{number:04d}", symbols.astype(np.int32), "ab"[winner]))
    return Records("marks", tuple(items))


def scenes(request):
    """Pictures of 28 to 40 pixels a side; the first has 40 boxes, every seventh none."""
    random = np.random.default_rng(request.options.seed)
    items = []
    for number in range(request.options.count):
        count = 40 if number == 0 else 0 if number % 7 == 0 else int(random.integers(1, 4))
        picture, boxes = draw_scene(random, count)
        items.append(Record(f"s{number:04d}", picture, boxes))
    return Records("scene", tuple(items), frozenset({"horizontal_flip"}), targets="foreign/boxes")


def draw_scene(random, count):
    """(height, width) uint8, and (kind, left, top, right, bottom) a box in pixels."""
    height, width = (int(side) for side in random.integers(28, 41, 2))
    picture = random.integers(0, 40, (height, width)).astype(np.uint8)
    boxes = []
    for _ in range(count):
        tall, wide = (int(side) for side in random.integers(7, 12, 2))
        top, left = int(random.integers(0, height - tall)), int(random.integers(0, width - wide))
        kind = KINDS[int(random.integers(2))]
        picture[top : top + tall, left : left + wide] = GREY[kind]
        boxes.append((kind, left, top, left + wide, top + tall))
    return picture, tuple(boxes)


def regions(request):
    """Raises UsageError for no folder, DataError for a picture without its mask."""
    folder = Path(request.reference or "")
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    items = []
    for picture in sorted(folder.glob("*.npy")):
        if picture.name.endswith(".mask.npy"):
            continue
        mask = picture.with_name(picture.stem + ".mask.npy")
        if not mask.exists():
            raise DataError(f"{picture}: {mask.name} is not beside it", hint="write its mask, or leave it out")
        items.append(Record(picture.stem, picture, mask))
    return Records("scene", tuple(items), frozenset({"horizontal_flip"}), targets="foreign/mask")


def phrases(request):
    """Two to nine symbols, answered by the same backwards, as letters."""
    random = np.random.default_rng(request.options.seed)
    items = []
    for number in range(request.options.count):
        symbols = random.integers(1, SYMBOLS, int(random.integers(2, 10)))
        text = " ".join(letter_of(symbol) for symbol in symbols[::-1])
        items.append(Record(f"p{number:04d}", symbols.astype(np.int32), text))
    return Records("marks", tuple(items), targets="foreign/phrase")


def letter_of(symbol):
    """A letter for each symbol from 1 on."""
    return chr(ord("a") + int(symbol) - 1)


def waves(request):
    """40 to 400 samples with noise; slow ones have a period of 24, fast ones of 7."""
    random = np.random.default_rng(request.options.seed)
    items = []
    for number in range(request.options.count):
        kind = ("slow", "fast")[number % 2]
        time = np.arange(int(random.integers(40, 401)))
        wave = np.sin(2 * np.pi * time / (24 if kind == "slow" else 7) + random.uniform(0, 6.28))
        items.append(Record(f"w{number:04d}", (wave + random.normal(0, 0.3, len(time))).astype(np.float32), kind))
    return Records("wave", tuple(items))


def mirror(request):
    """Draws the change for half of all keys."""
    return Mirror("horizontal_flip" in request.symmetries)


class Mirror:
    def __init__(self, is_allowed):
        self._is_allowed = is_allowed

    def draw(self, seed, epoch, key):
        drawn = hashlib.sha256(f"{seed}/{epoch}/{key}".encode()).digest()[0]
        return Drawn((Change("mirror"),)) if self._is_allowed and drawn % 2 else Drawn()
