"""The plugin with pictures of shapes, on this process' path."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def shapes_registry():
    """Every offer of the built-ins and of the plugin with shapes."""
    from headstart.registry import load_registry

    sys.path.insert(0, str(FOLDER / "shapes"))
    yield load_registry()
    sys.path.remove(str(FOLDER / "shapes"))
