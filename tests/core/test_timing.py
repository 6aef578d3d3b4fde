"""Seconds by name, over processes."""

import time

from headstart.timing import Stopwatch


def test_a_block_that_still_runs_counts_and_goes_on_in_the_next_process():
    first = Stopwatch()
    with first.measure("phases"):
        with first.measure("features"):
            time.sleep(0.05)
        time.sleep(0.05)
        kept = first.sums()  # a checkpoint; then the process is killed
    again = Stopwatch()
    again.add(kept)
    with again.measure("phases"):
        time.sleep(0.01)
    assert 0.05 <= again.seconds("features") < 0.1
    assert again.seconds("phases") >= kept["phases"] + 0.01
    assert kept["phases"] >= kept["features"] + 0.05
    assert again.total >= again.seconds("phases")
