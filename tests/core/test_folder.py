"""Claiming a run's folder: durable, and over nothing that is anyone's but a run's that never began."""

import json
import os

import pytest

from headstart.errors import UsageError
from headstart.eventlog import EventLog
from headstart.events import Progress, Warned, to_line
from headstart.recipes.build import build_recipe
from headstart.runs.folder import RunFolder, claim, verify_empty
from headstart.runs.lock import LOCK
from headstart.runs.resuming import taken_up

HEX = "0123456789abcdef0123456789abcdef"
READING = to_line(Progress(time=1.0, activity="read", done=1, total=2, unit="samples")) + "\n"
STARTED = {
    "event": "RunStarted", "time": 1.0, "run": "run", "backend": "jax", "backbone": "small/net", "weights": "none",
    "task": "classification", "strategy": "probe", "primary_metric": "accuracy", "higher_is_better": True,
    "classes": [], "samples": {}, "parameters": {}, "phases": [],
}  # fmt: skip


@pytest.fixture
def synced(monkeypatch):
    """The folders that are fsynced, in order."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("reads open files from /proc")
    names, real = [], os.fsync

    def fsync(descriptor):
        names.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return names


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_folders_of_a_new_run_are_durable_before_anything_is_in_them(here, synced):
    assert str(claim(None, stem="digits").path) == "runs/digits-1"
    assert synced == [here.name, "runs"]

    synced.clear()
    assert str(claim(None, stem="digits").path) == "runs/digits-2"
    assert synced == ["runs"]

    synced.clear()
    claim("mine/first", stem="digits")
    assert synced == [here.name, "mine"]


def filled(folder, files):
    """A folder with files of these texts; a name that ends in a slash is a folder's."""
    folder.mkdir()
    for name, text in files.items():
        if name.endswith("/"):
            (folder / name).mkdir()
        else:
            (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "files",
    [
        {},
        {LOCK: ""},
        {LOCK: "", "events.jsonl": ""},
        {LOCK: "", "events.jsonl": READING},
        {"events.jsonl": READING + READING[:5]},
        {"events.jsonl": READING + READING[:-1], ".scratch/": None, LOCK: ""},
        {"events.jsonl": READING, f".recipe.toml.{HEX}": "[fit", LOCK: ""},
        {"events.jsonl": READING + "\0" * 30},
        {"events.jsonl": READING + "\0" * 30 + "\n", LOCK: ""},
        {"events.jsonl": "\0" * 30 + "\n"},
    ],
    ids=[
        "nothing",
        "lock",
        "no event",
        "events",
        "cut after 5",
        "cut after all",
        "half a recipe",
        "zeros",
        "a line of zeros",
        "zeros alone",
    ],
)
def test_what_a_run_leaves_that_was_killed_before_it_began_is_in_no_ones_way(tmp_path, files, small_registry):
    folder = filled(tmp_path / "run", files)
    assert claim(str(folder), stem="x").path == folder
    assert taken_up(build_recipe(flags={"data": "digits", "out": str(folder)}), small_registry).out == str(folder)


@pytest.mark.parametrize(
    "files",
    [
        {"thesis.txt": ""},
        {"events.jsonl": READING, "thesis.txt": ""},
        {"events.jsonl": json.dumps(STARTED) + "\n"},
        {"events.jsonl": '{"event": "Dinner"}\n'},
        {"events.jsonl": "Dinner at eight"},
        {"events.jsonl/": None},
        {".scratch/": None},
        {"events.jsonl": READING, f".thesis.txt.{HEX}": ""},
        {"events.jsonl": READING, f".recipe.toml.old.{HEX}": ""},
        {"events.jsonl": READING, ".recipe.toml.1": ""},
        {"events.jsonl": READING, "split.csv": ""},
    ],
    ids=lambda files: ", ".join(files),
)
def test_a_folder_with_anything_else_is_refused_and_stays_as_it_is(tmp_path, files, small_registry):
    folder = filled(tmp_path / "run", files)
    with pytest.raises(UsageError, match="is not empty"):
        claim(str(folder), stem="x")
    with pytest.raises(UsageError, match="holds no run"):
        taken_up(build_recipe(flags={"out": str(folder)}), small_registry)
    assert sorted(path.name for path in folder.iterdir()) == sorted(name.rstrip("/") for name in files)


def test_a_run_that_began_is_refused_with_the_command_that_goes_on_with_it(tmp_path):
    folder = filled(tmp_path / "run", {"recipe.toml": "", "events.jsonl": READING, LOCK: ""})
    with pytest.raises(UsageError, match="is not empty") as caught:
        verify_empty(RunFolder(folder))
    assert f"--resume --out {folder}" in caught.value.hint


def test_whatever_an_event_log_writes_is_known_again_at_each_length_it_may_be_cut_to(tmp_path):
    folder = RunFolder(tmp_path)
    with EventLog(folder.events, [], None) as log:
        log.emit(Warned(time=1.0, message="mind the “gap”"))
        log.progress("read", 1, 1, "samples")
    whole = folder.events.read_bytes()
    for length in range(len(whole) + 1):
        folder.events.write_bytes(whole[:length])
        verify_empty(folder)
