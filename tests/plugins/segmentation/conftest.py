"""The plugin with pictures of discs and squares and their masks, on this process' path."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def figures_registry():
    """Every offer of the built-ins and of the plugin with figures."""
    from headstart.registry import load_registry

    sys.path.insert(0, str(FOLDER / "figures"))
    yield load_registry()
    sys.path.remove(str(FOLDER / "figures"))
