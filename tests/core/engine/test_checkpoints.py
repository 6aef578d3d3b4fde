"""What is kept, what is read back, and what happens where a checkpoint is damaged."""

import errno
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

from headstart.engine.train.checkpoints import Checkpoints
from headstart.errors import DataError, HeadstartError, PluginError
from headstart.manifest import write_manifest

FLIPS = 500


def groups(number):
    return {
        "weights": {"head/0/kernel": np.full((3, 2), number, np.float32)},
        "first": {"head/0/kernel": np.full((3, 2), -number, np.float32)},
        "averages": {},
    }


def save(checkpoints, step, **more):
    return checkpoints.save(step, groups(step), facts={"epoch": step * 10}, **more)


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints")


def test_what_was_saved_is_read_back_by_another_process(checkpoints):
    path = save(checkpoints, 7)
    told = []
    loaded = Checkpoints(checkpoints.folder).load_last(told.append)

    assert path == checkpoints.folder / "step.7"
    assert (loaded.step, loaded.facts, told) == (7, {"epoch": 70}, [])
    assert set(loaded.groups) == {"weights", "first"}
    assert loaded.group("averages") == {}
    np.testing.assert_array_equal(loaded.group("first")["head/0/kernel"], np.full((3, 2), -7, np.float32))


def test_the_last_two_the_best_and_the_last_epochs_end_are_kept(checkpoints):
    """By hand: best 2, epoch's end 4, the last two 5 and 6."""
    for step in range(1, 7):
        save(checkpoints, step, best=step == 2, anchor=step == 4)

    assert checkpoints.names() == ["step.2", "step.4", "step.5", "step.6"]
    again = Checkpoints(checkpoints.folder)
    again.load_last(print)
    assert (again.best, again.anchor, again.before, again.last) == ("step.2", "step.4", "step.5", "step.6")


def test_the_last_two_at_an_epochs_end_are_kept_however_many_came_since(checkpoints):
    for step in range(1, 10):
        save(checkpoints, step, anchor=step in (1, 3, 5))
    assert checkpoints.names() == ["step.3", "step.5", "step.8", "step.9"]


def test_names_are_ordered_as_numbers(checkpoints):
    for step in (9, 10, 100):
        save(checkpoints, step)
    assert checkpoints.names()[-2:] == ["step.10", "step.100"]
    assert checkpoints.last_step == 100


def test_another_state_after_as_many_steps_has_a_name_of_its_own(checkpoints):
    save(checkpoints, 3)
    checkpoints.save(3, groups(30), facts={"epoch": 1})

    assert checkpoints.names() == ["step.3", "step.3.1"]
    assert Checkpoints(checkpoints.folder).load_last(print).group("weights")["head/0/kernel"][0, 0] == 30


def test_going_back_reads_the_last_epochs_end_and_forgets_what_came_after(checkpoints):
    for step in range(1, 6):
        save(checkpoints, step, anchor=step == 3)

    assert checkpoints.go_back(pytest.fail).step == 3
    assert checkpoints.names()[-1] == "step.3"
    assert save(checkpoints, 4, anchor=False).name == "step.4"


def damaged(checkpoints, name):
    file = checkpoints.folder / name / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_going_back_passes_over_an_epochs_end_that_is_damaged(checkpoints):
    """By hand: 2 and 4 end epochs, 5 is within the next."""
    for step in range(1, 6):
        save(checkpoints, step, best=step == 2, anchor=step in (2, 4))
    damaged(checkpoints, "step.4")
    told = []

    assert checkpoints.go_back(told.append).step == 2
    (message,) = told
    assert "renamed to damaged.step.4" in message
    assert checkpoints.names() == ["step.2"]
    assert save(checkpoints, 3, anchor=False).name == "step.3"


def test_where_no_epochs_end_is_left_or_fits_the_run_says_what_to_do(checkpoints):
    for step in (1, 2):
        save(checkpoints, step, anchor=step == 1)
    with pytest.raises(HeadstartError, match=r"no checkpoint in .* is left that training could go back to") as caught:
        checkpoints.go_back(pytest.fail, lambda loaded: False)
    assert "another folder" in caught.value.hint

    damaged(checkpoints, "step.1")
    with pytest.raises(HeadstartError, match="could go back to"):
        checkpoints.go_back(lambda message: None)


def test_an_epochs_end_that_cannot_be_read_stays_and_ends_the_run_with_the_reason(checkpoints, monkeypatch):
    path = save(checkpoints, 1)

    def broken(file):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))

    monkeypatch.setattr("headstart.weights.files._check_header", broken)
    with pytest.raises(HeadstartError, match=r"step\.1 cannot be read: .*Input/output error"):
        checkpoints.go_back(pytest.fail)
    assert path.is_dir()


def test_without_an_epochs_end_there_is_nothing_to_go_back_to(checkpoints):
    save(checkpoints, 1, anchor=False)
    with pytest.raises(ValueError, match="no checkpoint to go back to"):
        checkpoints.go_back(pytest.fail)


def test_every_flipped_bit_is_found(checkpoints):
    """Of the manifest, too: a flipped step or order of the phases would be no smaller harm."""
    path = save(checkpoints, 1)
    files = sorted(path.iterdir())
    draw = random.Random(0)
    found = 0
    for _ in range(FLIPS):
        file = draw.choice(files)
        content = file.read_bytes()
        place = draw.randrange(len(content) * 8)
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        try:
            checkpoints.load("step.1")
        except DataError:
            found += 1
        file.write_bytes(content)
    assert found == FLIPS
    assert checkpoints.load("step.1").step == 1


@pytest.mark.parametrize("name", ["weights.safetensors", "first.safetensors", "manifest.json"])
@pytest.mark.parametrize("change", ["flipped", "cut", "absent"])
def test_a_damaged_one_is_told_and_set_aside_and_the_one_before_is_read(checkpoints, name, change):
    for step in (1, 2, 3):
        save(checkpoints, step)
    file = checkpoints.folder / "step.3" / name
    content = file.read_bytes()
    middle = len(content) // 2
    if change == "absent":
        file.unlink()
    else:
        end = content[middle:] if change == "flipped" else b""
        file.write_bytes(content[: middle - 1] + bytes([content[middle - 1] ^ 1]) + end)
    told = []
    again = Checkpoints(checkpoints.folder)

    assert again.load_last(told.append).step == 2
    (message,) = told
    assert "step.3" in message
    assert "renamed to damaged.step.3" in message
    assert (checkpoints.folder / "damaged.step.3").is_dir()
    assert again.last == "step.2"
    save(again, 3)
    assert Checkpoints(checkpoints.folder).load_last(told.append).step == 3


def test_one_that_cannot_be_read_stays_and_ends_the_run_with_the_reason(checkpoints, monkeypatch):
    import headstart.manifest

    for step in (1, 2):
        save(checkpoints, step)
    real = headstart.manifest.sha256

    def broken(path):
        if path.parent.name == "step.2":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path)

    monkeypatch.setattr(headstart.manifest, "sha256", broken)
    with pytest.raises(HeadstartError, match="Input/output error") as caught:
        Checkpoints(checkpoints.folder).load_last(pytest.fail)
    monkeypatch.undo()
    assert caught.value.exit_code == 1
    assert str(checkpoints.folder / "step.2") in caught.value.message
    assert "move step.2 away" in caught.value.hint
    assert Checkpoints(checkpoints.folder).load_last(pytest.fail).step == 2


def test_a_manifest_that_may_not_be_read_is_no_damage(checkpoints, monkeypatch):
    path = save(checkpoints, 1) / "manifest.json"
    real = Path.read_bytes

    def forbidden(self):
        if self == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(HeadstartError, match=r"manifest\.json: Permission denied"):
        Checkpoints(checkpoints.folder).load_last(pytest.fail)
    assert path.is_file()


def test_one_that_cannot_be_read_a_second_time_stays_and_ends_the_run_with_the_reason(checkpoints, monkeypatch):
    """The manifest's digests are read first, the arrays then."""
    import headstart.weights.files

    path = save(checkpoints, 1)

    def broken(file):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))

    monkeypatch.setattr(headstart.weights.files, "_check_header", broken)
    with pytest.raises(HeadstartError, match=r"step\.1 cannot be read: .*Input/output error") as caught:
        Checkpoints(checkpoints.folder).load_last(pytest.fail)
    assert (caught.value.exit_code, path.is_dir()) == (1, True)


def test_a_folder_that_cannot_be_listed_ends_the_run_with_the_reason(checkpoints, monkeypatch):
    save(checkpoints, 1)

    def broken(self):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "iterdir", broken)
    with pytest.raises(HeadstartError, match=r"the checkpoints in .* cannot be read: Permission denied") as caught:
        Checkpoints(checkpoints.folder).load_last(pytest.fail)
    assert caught.value.exit_code == 1


def test_the_epochs_end_of_the_one_before_is_there_to_go_back_to_where_the_last_one_is_damaged(checkpoints):
    """By hand: the one before, 4, is of the epoch that began at 2; 5 ends it."""
    for step in range(1, 6):
        save(checkpoints, step, anchor=step in (2, 5))
    assert checkpoints.names() == ["step.2", "step.4", "step.5"]
    (checkpoints.folder / "step.5" / "manifest.json").unlink()

    again = Checkpoints(checkpoints.folder)
    assert again.load_last(lambda message: None).step == 4
    assert again.go_back(pytest.fail).step == 2
    save(again, 3, anchor=False)
    assert again.names() == ["step.2", "step.3"]


def test_where_all_are_damaged_there_is_none(checkpoints):
    for step in (1, 2):
        (save(checkpoints, step) / "manifest.json").unlink()
    told = []
    assert Checkpoints(checkpoints.folder).load_last(told.append) is None
    assert len(told) == 2


def test_one_of_another_version_stays_and_is_an_error(checkpoints):
    path = save(checkpoints, 1)
    (path / "manifest.json").unlink()
    write_manifest(path, schema="checkpoint/0", facts={})
    with pytest.raises(PluginError, match="checkpoint/0") as caught:
        Checkpoints(checkpoints.folder).load_last(pytest.fail)
    assert "environment.json" in caught.value.hint
    assert path.is_dir()


def test_what_a_killed_process_was_writing_is_removed(checkpoints):
    save(checkpoints, 1)
    left = checkpoints.folder / ".step.2.0123456789abcdef0123456789abcdef"
    left.mkdir()
    (left / "weights.safetensors").write_bytes(b"half")
    assert Checkpoints(checkpoints.folder).load_last(print).step == 1
    assert not left.exists()


def test_no_folder_holds_none(checkpoints):
    assert checkpoints.load_last(print) is None
    assert checkpoints.names() == []
    assert checkpoints.last_step is None


def test_a_save_that_fails_leaves_the_others_as_they_were(checkpoints, monkeypatch):
    save(checkpoints, 1)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(HeadstartError, match=r"step\.2.*No space left"):
        save(checkpoints, 2)
    monkeypatch.undo()
    assert (checkpoints.last, checkpoints.names()) == ("step.1", ["step.1"])
    assert json.loads((checkpoints.folder / "step.1" / "manifest.json").read_text())["step"] == 1
    assert save(checkpoints, 2).name == "step.2"
