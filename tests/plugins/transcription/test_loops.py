"""What is left out of answers that do not end."""

import pytest

from headstart_plugins.transcription._loops import before_loop


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        ([7, 8, *[5, 6] * 6], [7, 8, 5, 6]),
        ([7, 8, *[5, 6] * 6, 5], [7, 8, 5, 6]),
        ([7, *[5] * 12], [7, 5]),
        ([7, *[5] * 11], [7, *[5] * 11]),
        ([*[5, 6, 7, 8, 9] * 3], [*[5, 6, 7, 8, 9] * 3]),
        ([*[5, 6, 7, 8, 9] * 4], [5, 6, 7, 8, 9]),
        ([*[5, 6] * 9, 7], [*[5, 6] * 9, 7]),
        ([], []),
        ([5], [5]),
    ],
    ids=[
        "a pair",
        "cut in its middle",
        "a token",
        "too few tokens",
        "three times",
        "four times",
        "left",
        "none",
        "one",
    ],
)
def test_a_loop_is_said_once(ids, kept):
    assert list(before_loop(ids)) == kept
