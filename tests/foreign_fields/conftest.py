"""The foreign plugin, published on this process' path, and runs of its fields."""

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def foreign_registry():
    """Every offer of the built-ins and of the foreign plugin."""
    from headstart.registry import load_registry

    sys.path.insert(0, str(FOLDER))
    yield load_registry()
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="session")
def region_files(tmp_path_factory, foreign_registry):
    """A folder of pictures with their masks, one void row in each."""
    from headstart_foreign._data import draw_scene
    from headstart_foreign._targets import CLASSES, VOID

    folder = tmp_path_factory.mktemp("regions")
    random = np.random.default_rng(0)
    for number in range(80):
        picture, boxes = draw_scene(random, int(random.integers(1, 4)))
        mask = np.zeros(picture.shape, np.uint8)
        for kind, left, top, right, bottom in boxes:
            mask[top:bottom, left:right] = CLASSES.index(kind)
        mask[-1] = VOID
        np.save(folder / f"r{number:03d}.npy", picture)
        np.save(folder / f"r{number:03d}.mask.npy", mask)
    return folder


@pytest.fixture(scope="session")
def fields(region_files):
    """What each field is trained with, as arguments of `fit`."""
    return {
        "marks": {"data": "foreign/marks", "epochs": 3},
        "scenes": {"data": "foreign/scenes", "epochs": 12, "learning_rate": 3e-2, "augment": ("foreign/mirror",)},
        "regions": {"data": f"foreign/regions:{region_files}", "epochs": 3, "augment": ("foreign/mirror",)},
        "phrases": {"data": "foreign/phrases", "epochs": 3},
        "waves": {"data": "foreign/waves", "epochs": 3},
    }
