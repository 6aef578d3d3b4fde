"""R1 in its small form: every call of one save; `make stress` kills real networks at random moments, too."""

import pytest
from rig.kills import at_every_call


def test_a_save_that_is_killed_at_any_call_harms_nothing(tmp_path):
    figure = at_every_call(tmp_path)
    assert figure.failures == ()
    assert figure.count > 15


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "words"), [("in place", "unreadable"), ("old ones first", "lost")])
def test_a_planted_bug_is_found(tmp_path, bug, words):
    figure = at_every_call(tmp_path, bug)
    assert any(words in failure for failure in figure.failures)
