"""The plugin with pictures of shapes, on this process' path."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def shapes_registry():
    """Every offer of the built-ins and of the plugin with shapes; the kind of targets as well, where none is there."""
    from headstart.registry import load_registry

    folders = [str(FOLDER / "shapes")]
    if "boxes/boxes" not in {spec.name for spec in load_registry().specs("targets")}:
        folders.append(str(FOLDER / "boxes_stand_in"))
    sys.path[:0] = folders
    yield load_registry()
    for folder in folders:
        sys.path.remove(folder)
