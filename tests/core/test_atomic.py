"""Complete or not at all: also where a call of the system fails, and in the order that survives a loss of power."""

import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from headstart.atomic import (
    is_leftover,
    make_folder,
    make_folders,
    remove_directory,
    remove_leftovers,
    write_directory,
    write_file,
)
from headstart.errors import HeadstartError
from headstart.manifest import read_manifest, write_manifest

CAUSES = [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES]


def fill(folder):
    (folder / "assets").mkdir()
    (folder / "assets" / "words.txt").write_text("a")
    (folder / "weights.bin").write_bytes(b"123")
    write_manifest(folder, schema="test/1", facts={})


def traced(monkeypatch):
    """The names of what is fsynced and renamed, in order."""
    calls, paths = [], {}
    real_open, real_fsync, real_rename, real_replace = os.open, os.fsync, os.rename, os.replace

    def opened(path, *arguments, **more):
        descriptor = real_open(path, *arguments, **more)
        paths[descriptor] = os.path.basename(path)
        return descriptor

    def synced(descriptor):
        calls.append(("fsync", os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", synced)
    for name, real in (("rename", real_rename), ("replace", real_replace)):

        def moved(old, new, real=real):
            calls.append(("rename", os.path.basename(new)))
            real(old, new)

        monkeypatch.setattr(os, name, moved)
    return calls


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads open files from /proc")
def test_a_directory_is_synced_file_by_file_manifest_last_then_renamed_then_its_parent(tmp_path, monkeypatch):
    calls = traced(monkeypatch)
    write_directory(tmp_path / "artefact", fill)

    names = ["temporary" if name.startswith(".artefact.") else name for _, name in calls]
    assert names == [
        "words.txt", "weights.bin", "manifest.json", "assets", "temporary", "artefact", tmp_path.name,
    ]  # fmt: skip
    assert [kind for kind, _ in calls] == ["fsync"] * 5 + ["rename", "fsync"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads open files from /proc")
def test_folders_that_were_lacking_are_synced_into_the_folder_above_them(tmp_path, monkeypatch):
    calls = traced(monkeypatch)
    make_folders(tmp_path / "runs" / "mine" / "checkpoints")
    assert calls == [("fsync", tmp_path.name), ("fsync", "runs"), ("fsync", "mine")]

    calls.clear()
    make_folders(tmp_path / "runs" / "mine")
    assert calls == []

    make_folder(tmp_path / "runs" / "yours")
    assert calls == [("fsync", "runs")]
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "runs" / "yours")


def old_and_new(folder):
    """An artefact that is there, and what fills the one that takes its place."""
    write_directory(folder / "artefact", fill)

    def other(folder):
        (folder / "weights.bin").write_bytes(b"456")
        write_manifest(folder, schema="test/1", facts={"new": True})

    return other


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads open files from /proc")
def test_a_directory_that_is_replaced_gives_way_only_when_the_new_one_is_whole_and_synced(tmp_path, monkeypatch):
    other = old_and_new(tmp_path)
    calls = traced(monkeypatch)
    removed = []
    monkeypatch.setattr("shutil.rmtree", lambda path, **more: removed.append((path, list(calls))))
    write_directory(tmp_path / "artefact", other, replace=True)

    names = ["temporary" if name.startswith(".artefact.") else name for _, name in calls]
    assert names == ["weights.bin", "manifest.json", "temporary", "temporary", "artefact", tmp_path.name]
    assert [kind for kind, _ in calls] == ["fsync"] * 3 + ["rename"] * 2 + ["fsync"]
    assert read_manifest(tmp_path / "artefact", schema="test/1")["new"]

    ((old, before),) = removed  # what was there is whole until the new one is durable
    assert before == calls
    assert set(read_manifest(old, schema="test/1")["files"]) == {"assets/words.txt", "weights.bin"}
    assert is_leftover(old, tmp_path / "artefact")
    monkeypatch.undo()
    assert remove_leftovers(tmp_path) == [old.name]
    assert os.listdir(tmp_path) == ["artefact"]


def test_a_folder_below_a_working_folder_that_is_gone_cannot_be_made_and_says_so(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(HeadstartError, match=r"^cannot write runs/mine: the working folder is not there any more$"):
        write_directory(Path("runs/mine"), fill)


def test_a_link_that_leads_nowhere_is_called_one(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    for folder in (tmp_path / "link", tmp_path / "link" / "runs" / "mine"):
        with pytest.raises(FileNotFoundError, match="link is a link to nowhere, which is not there"):
            make_folders(folder)
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "nowhere").mkdir()
    make_folders(tmp_path / "link" / "runs")
    assert (tmp_path / "nowhere" / "runs").is_dir()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system that holds no folders of others")
def test_a_folder_that_its_file_system_refuses_is_tried_once():
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        make_folders(Path("/proc/headstart/runs"))


@pytest.mark.parametrize("kind", ["none", "file", "link", "folder"])
def test_whatever_is_there_is_replaced(tmp_path, kind):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    target = tmp_path / "artefact"
    make = {"file": target.touch, "folder": target.mkdir, "link": lambda: target.symlink_to(tmp_path / "mine")}
    make.get(kind, lambda: None)()
    write_directory(target, fill, replace=True)

    assert read_manifest(target, schema="test/1")
    assert sorted(os.listdir(tmp_path)) == ["artefact", "mine"]
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]


@pytest.mark.parametrize(("name", "calls"), [("fsync", 4), ("rename", 2)])
def test_each_failing_call_leaves_the_directory_that_was_to_be_replaced(tmp_path, monkeypatch, name, calls):
    other = old_and_new(tmp_path)
    before = read_manifest(tmp_path / "artefact", schema="test/1")
    for number in range(1, calls + 1):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, failing(getattr(os, name), errno.ENOSPC, number))
            with pytest.raises(HeadstartError, match="No space left"):
                write_directory(tmp_path / "artefact", other, replace=True)
        assert os.listdir(tmp_path) == ["artefact"], (name, number)
        assert read_manifest(tmp_path / "artefact", schema="test/1") == before


@pytest.mark.parametrize("part", ["none", "other", "longer", "shorter"])
def test_only_what_a_writer_of_that_file_leaves_is_its_leftover(tmp_path, part):
    number = "0123456789abcdef" * 2
    name = {
        "none": f".recipe.toml.{number}", "other": f".split.csv.{number}", "longer": f".recipe.toml.a.{number}",
        "shorter": f".recipe.toml.{number[1:]}",
    }[part]  # fmt: skip
    assert is_leftover(tmp_path / name, tmp_path / "recipe.toml") == (part == "none")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads open files from /proc")
def test_a_file_is_synced_before_it_takes_its_name_and_its_folder_after(tmp_path, monkeypatch):
    calls = traced(monkeypatch)
    write_file(tmp_path / "result.json", b"{}")

    assert [kind for kind, _ in calls] == ["fsync", "rename", "fsync"]
    assert calls[0][1].startswith(".result.json.")
    assert calls[1:] == [("rename", "result.json"), ("fsync", tmp_path.name)]


def test_what_was_filled_is_there_and_readable_by_manifest(tmp_path):
    write_directory(tmp_path / "deep" / "artefact", fill)

    assert set(read_manifest(tmp_path / "deep" / "artefact", schema="test/1")["files"]) == {
        "assets/words.txt",
        "weights.bin",
    }
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["artefact"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_a_failure_while_filling_leaves_nothing(tmp_path, error):
    def broken(folder):
        fill(folder)
        raise error

    with pytest.raises(error):
        write_directory(tmp_path / "artefact", broken)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("held", [True, False], ids=["with files", "empty"])
def test_a_directory_that_is_there_is_not_replaced(tmp_path, held):
    (tmp_path / "artefact").mkdir()
    if held:
        (tmp_path / "artefact" / "mine").write_text("kept")
    with pytest.raises(HeadstartError, match=r"artefact: it is there already"):
        write_directory(tmp_path / "artefact", fill)
    assert [path.name for path in tmp_path.iterdir()] == ["artefact"]
    assert [path.name for path in (tmp_path / "artefact").iterdir()] == (["mine"] if held else [])


def failing(call, cause, number):
    """`call`, raising `cause` the `number`th time."""
    count = iter(range(1, 1000))

    def fails(*arguments, **more):
        if next(count) == number:
            raise OSError(cause, os.strerror(cause))
        return call(*arguments, **more)

    return fails


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: errno.errorcode[cause])
@pytest.mark.parametrize(("name", "calls"), [("fsync", 6), ("rename", 1)])
def test_each_failing_call_names_path_and_reason_and_leaves_nothing(tmp_path, monkeypatch, name, calls, cause):
    for number in range(1, calls + 1):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, failing(getattr(os, name), cause, number))
            with pytest.raises(HeadstartError) as caught:
                write_directory(tmp_path / "artefact", fill)
        assert str(tmp_path / "artefact") in caught.value.message
        assert os.strerror(cause) in caught.value.message
        assert caught.value.exit_code == 1
        assert caught.value.hint
        assert list(tmp_path.iterdir()) == [], (name, number)


def test_an_error_within_names_the_place_that_the_user_knows(tmp_path):
    """Not the temporary folder, which is gone when the message is read."""
    from headstart.weights.files import write_safetensors

    def overflowing(folder):
        (folder / "weights.safetensors").symlink_to("/dev/full")
        write_safetensors(folder / "weights.safetensors", {"head/kernel": np.zeros(9)})

    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with pytest.raises(HeadstartError) as caught:
        write_directory(tmp_path / "artefact", overflowing)
    assert caught.value.message == str(caught.value)
    assert caught.value.message == f"cannot write {tmp_path}/artefact/weights.safetensors: No space left on device"


def test_a_directory_loses_its_name_before_anything_in_it_is_removed(tmp_path, monkeypatch):
    write_directory(tmp_path / "step.8", fill)
    seen = []
    monkeypatch.setattr("shutil.rmtree", lambda path, **more: seen.append((path.name, sorted(os.listdir(path)))))
    remove_directory(tmp_path / "step.8")

    ((name, files),) = seen
    assert name.startswith(".step.8.")
    assert files == ["assets", "manifest.json", "weights.bin"]
    assert os.listdir(tmp_path) == [name]
    monkeypatch.undo()
    assert remove_leftovers(tmp_path) == [name]
    assert os.listdir(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        remove_directory(tmp_path / "step.8")


def test_only_what_writers_and_removers_left_is_removed(tmp_path):
    mine = [".hidden", "step.8", ".result.json.old", "result.json.0123456789abcdef0123456789abcdef"]
    for name in mine:
        (tmp_path / name).touch()
    (tmp_path / ".result.json.0123456789abcdef0123456789abcdef").touch()

    assert remove_leftovers(tmp_path) == [".result.json.0123456789abcdef0123456789abcdef"]
    assert sorted(os.listdir(tmp_path)) == sorted(mine)
    assert remove_leftovers(tmp_path / "absent") == []


@pytest.mark.parametrize(("name", "number"), [("fsync", 1), ("replace", 1)])
def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path, monkeypatch, name, number):
    write_file(tmp_path / "result.json", b"old")
    monkeypatch.setattr(os, name, failing(getattr(os, name), errno.ENOSPC, number))
    with pytest.raises(HeadstartError, match=r"result\.json: No space left"):
        write_file(tmp_path / "result.json", b"new")

    assert (tmp_path / "result.json").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_write_that_finds_no_space_says_so(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")

    def overflowing(folder):
        (folder / "weights.bin").symlink_to("/dev/full")
        (folder / "weights.bin").write_bytes(b"1" * 100_000)

    with pytest.raises(HeadstartError, match="No space left"):
        write_directory(tmp_path / "artefact", overflowing)
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_those_of_the_users_umask(tmp_path):
    kept = os.umask(0o077)
    try:
        write_directory(tmp_path / "artefact", fill)
        write_file(tmp_path / "result.json", b"{}")
    finally:
        os.umask(kept)
    assert stat.S_IMODE((tmp_path / "artefact").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "result.json").stat().st_mode) == 0o600


def test_a_pipe_is_refused_and_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "answers.csv")
    with pytest.raises(HeadstartError, match=r"answers\.csv: it is no regular file"):
        write_file(tmp_path / "answers.csv", b"1")
    assert stat.S_ISFIFO((tmp_path / "answers.csv").stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["answers.csv"]
