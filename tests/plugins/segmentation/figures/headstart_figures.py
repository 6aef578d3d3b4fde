"""A plugin for tests: pictures of coloured squares and discs on noise, with their masks."""

from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec

CLASSES = ("ground", "disc", "square")
COLOURS = ((0, 0, 0), (255, 120, 0), (0, 90, 255))


@dataclass(frozen=True)
class Count:
    """How much is drawn."""

    count: int = option(40, "Pictures in all.", low=10, high=100_000)
    side: int = option(96, "Pixels a side, about.", low=32, high=1000)


@hookimpl
def register_datasets():
    return [
        DatasetSpec(
            name="figures/figures",
            summary="Coloured squares and discs on noise.",
            build="headstart_figures:figures",
            options=Count,
            medium="image",
            targets=("masks/mask",),
            takes_path=False,
            licence="none needed",
        )
    ]


def figures(request):
    import numpy as np

    from headstart.specs import Record, Records

    random = np.random.default_rng(0)
    legend = {"names": CLASSES, "values": (0, 1, 2), "colours": COLOURS}
    items = []
    for number in range(request.options.count):
        picture, mask = draw(random, request.options.side)
        items.append(Record(f"f{number:03d}", picture, {"mask": mask, "legend": legend}))
    return Records("image", tuple(items), frozenset({"horizontal_flip"}), targets="masks/mask")


def draw(random, side):
    """(height, width, 3) uint8, wider or higher than the other, and its mask (height, width); a frame of void."""
    import numpy as np

    height, width = (int(each) for each in random.integers(int(side * 0.8), int(side * 1.2), 2))
    picture = random.integers(100, 156, (height, width, 3)).astype(np.uint8)
    mask = np.zeros((height, width), np.uint8)
    y, x = np.mgrid[:height, :width] + 0.5
    for kind in (1, 2):
        size = int(random.integers(side // 4, side // 2))
        top, left = int(random.integers(0, height - size)), int(random.integers(0, width - size))
        away = np.stack([y - top - size / 2, x - left - size / 2])
        inside = np.hypot(*away) <= size / 2 if kind == 1 else np.abs(away).max(axis=0) <= size / 2
        mask[inside] = kind
        picture[inside] = (230, 40, 40) if kind == 1 else (40, 60, 230)
        picture[inside] += random.integers(0, 20, (int(inside.sum()), 3)).astype(np.uint8)
    mask[:2] = 255
    return picture, mask
