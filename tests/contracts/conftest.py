"""A garden for each test."""

import pytest

from .planting import Garden

ANEW = "test_opened_twice_it_gives_the_same_records_in_the_same_order"
ANEW_QUICKLY = ("TestDigits", "TestImageFolder", "TestManifest", "TestCoco", "TestParallel", "TestAudioFolder")
"""Datasets of which the quick run asks that in a new process, which takes a second each."""
DRAWN_ANEW = "test_its_draws_repeat_in_another_process"
DRAWN_ANEW_QUICKLY = ("ImageAugmentationsRandAugment", "SoundAugmentationsSpecAugment", "TextAugmentationsTokenMasking")
"""Augmentations of which the quick run asks that in a new process: one for each input kind."""


@pytest.hookimpl(tryfirst=True)  # before what -m leaves out
def pytest_collection_modifyitems(items):
    for item in items:
        if item.name == ANEW and item.cls.__name__ not in ANEW_QUICKLY:
            item.add_marker(pytest.mark.slow)
        if item.name == DRAWN_ANEW and not any(name in item.cls.__name__ for name in DRAWN_ANEW_QUICKLY):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def garden(tmp_path, monkeypatch):
    made = Garden(tmp_path, monkeypatch)
    yield made
    made.clear()
