"""Items made ahead in a thread."""

import threading
import time

import pytest

from headstart.data.ahead import THREAD, ahead


def test_items_come_in_order():
    assert list(ahead(range(100), depth=3)) == list(range(100))


def test_no_items_are_no_items():
    assert list(ahead(())) == []


def test_the_next_items_are_made_while_one_is_worked_on():
    made = []

    def items():
        for number in range(10):
            made.append(number)
            yield number

    following = ahead(items(), depth=2)
    next(following)
    deadline = time.monotonic() + 10
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert made == [0, 1, 2]  # one worked on, two ready
    following.close()


def test_what_making_raises_is_raised_at_its_place():
    def items():
        yield 1
        raise ValueError("no more")

    following = ahead(items())

    assert next(following) == 1
    with pytest.raises(ValueError, match="no more"):
        next(following)


def test_who_stops_early_leaves_no_thread():
    following = ahead(iter(int, 1))
    next(following)
    following.close()

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD)] == []
