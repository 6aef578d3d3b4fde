"""Networks of sounds, and the rule for equal numbers."""

from functools import partial

import pytest
import sound_networks


@pytest.fixture(scope="module")
def registry():
    from headstart.registry import load_registry

    return load_registry()


@pytest.fixture(scope="module")
def sound_network(registry):
    """See `sound_networks.sound_network`."""
    return partial(sound_networks.sound_network, registry)


@pytest.fixture(scope="session")
def assert_close():
    return sound_networks.assert_close
