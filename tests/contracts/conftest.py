"""A garden for each test."""

import pytest

from .planting import Garden


@pytest.fixture
def garden(tmp_path, monkeypatch):
    made = Garden(tmp_path, monkeypatch)
    yield made
    made.clear()
