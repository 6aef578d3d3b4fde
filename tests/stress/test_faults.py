"""R3: what the system refuses is said with path and reason, and the state from before loads."""

import errno
import os
import resource
import signal

import pytest
from rig.faults import at_every_call
from rig.saving import SAFE, prepared, problem_of, save

from headstart.errors import HeadstartError


@pytest.mark.slow
def test_each_call_that_fails_is_reported_and_harms_nothing(tmp_path):
    figure = at_every_call(tmp_path)
    assert figure.failures == ()
    assert figure.count == 4 * 13  # refusals, at each call that a save makes


@pytest.mark.slow
def test_a_save_that_swallows_its_errors_is_found(tmp_path):
    figure = at_every_call(tmp_path, "silently", [errno.EIO])
    assert len(figure.failures) == figure.count


def test_a_real_limit_on_the_size_of_files_is_reported(tmp_path):
    """The kernel's own refusal."""
    checkpoints = prepared(tmp_path / "checkpoints")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
        with pytest.raises(HeadstartError, match=rf"checkpoints/step\.{SAFE + 1}/.*File too large"):
            save(checkpoints, SAFE + 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not [name for name in os.listdir(tmp_path / "checkpoints") if name.startswith(".")]
    assert problem_of(tmp_path / "checkpoints", done=SAFE) is None
