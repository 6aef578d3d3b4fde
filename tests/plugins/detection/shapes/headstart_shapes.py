"""A plugin for tests: pictures of coloured rectangles and ellipses on noise, with their boxes."""

from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec

CLASSES = ("ellipse", "rectangle")


@dataclass(frozen=True)
class Count:
    """How much is drawn."""

    count: int = option(60, "Pictures in all.", low=10, high=100_000)
    side: int = option(128, "Pixels a side, about.", low=32, high=1000)


@hookimpl
def register_datasets():
    return [
        DatasetSpec(
            name="shapes/shapes",
            summary="Coloured rectangles and ellipses on noise.",
            build="headstart_shapes:shapes",
            options=Count,
            medium="image",
            targets=("boxes/boxes",),
            takes_path=False,
            licence="none needed",
        )
    ]


def shapes(request):
    """Every ninth picture is empty."""
    import numpy as np

    from headstart.specs import Record, Records

    random = np.random.default_rng(0)
    items = []
    for number in range(request.options.count):
        picture, target = draw(random, 0 if number % 9 == 8 else int(random.integers(1, 5)), request.options.side)
        items.append(Record(f"s{number:03d}", picture, target))
    return Records("image", tuple(items), frozenset({"horizontal_flip"}), targets="boxes/boxes")


def draw(random, count, side):
    """(height, width, 3) uint8, wider or higher than the other, and the target that an annotation file would give."""
    import numpy as np

    height, width = (int(each) for each in random.integers(int(side * 0.8), int(side * 1.2), 2))
    picture = random.integers(60, 180, (height, width, 3)).astype(np.uint8)
    corners, classes = [], []
    y, x = np.mgrid[:height, :width] + 0.5
    for _ in range(count):
        tall, wide = (int(each) for each in random.integers(side // 6, side // 2, 2))
        top, left = int(random.integers(0, height - tall)), int(random.integers(0, width - wide))
        kind = CLASSES[int(random.integers(2))]
        inside = (abs(x - left - wide / 2) <= wide / 2) & (abs(y - top - tall / 2) <= tall / 2)
        if kind == "ellipse":
            inside = ((x - left - wide / 2) / (wide / 2)) ** 2 + ((y - top - tall / 2) / (tall / 2)) ** 2 <= 1
        colour = random.integers(0, 2, 3) * 200 + 30
        picture[inside] = colour + random.integers(0, 20, 3)
        corners.append([left, top, left + wide, top + tall])
        classes.append(kind)
    return picture, {"corners": corners, "classes": classes}
