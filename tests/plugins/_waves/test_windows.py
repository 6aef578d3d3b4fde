"""Where windows lie: all of a sound is in one of them, unless it has more than are heard."""

import itertools

import numpy as np
import pytest

from headstart_plugins._waves.windows import starts


def test_windows_follow_each_other_and_the_last_ends_with_the_sound():
    assert starts(100, 100, 100, 16) == [0]
    assert starts(40, 100, 100, 16) == [0]
    assert starts(250, 100, 100, 16) == [0, 100, 150]
    assert starts(300, 100, 100, 16) == [0, 100, 200]
    assert starts(250, 100, 50, 16) == [0, 50, 100, 150]


def test_of_more_than_are_heard_they_lie_evenly():
    assert starts(1000, 100, 100, 4) == [0, 300, 600, 900]
    assert starts(1000, 100, 100, 1) == [450]


@pytest.mark.parametrize(("window", "hop"), [(100, 100), (100, 30), (64, 64), (7, 3)])
def test_every_sample_is_in_a_window(window, hop):
    for count in range(1, 400, 13):
        seen = np.zeros(max(count, window), bool)
        places = starts(count, window, hop, 1000)
        for place in places:
            seen[place : place + window] = True
        assert seen[:count].all()
        assert places == sorted(set(places))
        assert all(later - place <= hop for place, later in itertools.pairwise(places))
