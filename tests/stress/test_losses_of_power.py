"""R2: what a disk holds after the power failed is the last state that was saved, on each kind of disk."""

import pytest
from rig.calls import Call
from rig.losses import FILE_PARTS, PARTS, after_every_call, files_after_every_call
from rig.power import disk_after, names_first, only_what_must, write_survivors


@pytest.mark.slow
def test_no_loss_of_power_loses_what_was_saved(tmp_path):
    figure = after_every_call(tmp_path)
    assert figure.failures == ()
    assert figure.count > 200


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_each_fsync_that_is_left_out_is_missed(tmp_path, part):
    figure = after_every_call(tmp_path, left_out=part, dice=0)
    assert figure.failures


def test_no_loss_of_power_loses_or_tears_a_file(tmp_path):
    figure = files_after_every_call(tmp_path)
    assert figure.failures == ()
    assert figure.count > 50


@pytest.mark.parametrize("part", FILE_PARTS)
def test_each_fsync_of_a_file_that_is_left_out_is_missed(tmp_path, part):
    assert files_after_every_call(tmp_path, left_out=part, dice=0).failures


WRITTEN = [Call("create", "a"), Call("write", "a", data=b"1234")]
SYNCED = [*WRITTEN, Call("fsync", "a")]
NAMED = [*SYNCED, Call("fsync", ".")]
MOVED = [*NAMED, Call("rename", "a", to="b")]


@pytest.mark.parametrize(
    ("calls", "survives", "left"),
    [
        (WRITTEN, only_what_must, {}),
        (WRITTEN, names_first, {"a": b""}),
        (SYNCED, only_what_must, {}),
        (SYNCED, names_first, {"a": b"1234"}),
        (NAMED, only_what_must, {"a": b"1234"}),
        (MOVED, only_what_must, {"a": b"1234"}),
        (MOVED, names_first, {"b": b"1234"}),
        ([*NAMED, Call("write", "a", data=b"56", offset=4)], only_what_must, {"a": b"1234"}),
        ([*NAMED, Call("unlink", "a")], only_what_must, {"a": b"1234"}),
        ([*NAMED, Call("unlink", "a")], names_first, {}),
        ([*NAMED, Call("mkdir", "c"), Call("fsync", "c")], only_what_must, {"a": b"1234"}),
    ],
)
def test_the_simulated_disks_keep_what_posix_promises(tmp_path, calls, survives, left):
    write_survivors(disk_after(calls).root, survives, tmp_path / "left")
    assert {path.name: path.read_bytes() for path in (tmp_path / "left").iterdir()} == left
