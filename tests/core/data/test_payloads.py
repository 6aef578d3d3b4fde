"""Payloads inside another file reach input kinds as bytes, one at a time."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from headstart.data.array_store import ArrayStore
from headstart.data.payloads import in_memory
from headstart.data.reading import read_all
from headstart.errors import DataError
from headstart.runs.reporting import SampleView
from headstart.specs import InputRequest, Record, Records, Stored
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build as build_kind


def stored(content, name="a.zip/1.png"):
    return Stored(name, lambda: content)


def missing():
    raise FileNotFoundError(2, "No such file or directory")


class Pair(NamedTuple):
    left: object
    right: object


def test_what_is_stored_is_read_and_all_else_stays_what_it_is():
    array = np.zeros(2)
    for payload in (Path("a"), "a", b"a", array, None, 1, (array, "a"), Pair("a", array), ["a"], {"a": array}):
        assert in_memory(payload) is payload
    assert in_memory(stored(b"1")) == b"1"
    assert in_memory((stored(b"1"), ("a", stored(b"2")))) == (b"1", ("a", b"2"))
    assert in_memory({"left": stored(b"1"), "right": "a"}) == {"left": b"1", "right": "a"}


def test_a_file_that_is_gone_is_named():
    with pytest.raises(DataError, match=r"^a\.zip/1\.png: cannot be read: No such file"):
        in_memory(Stored("a.zip/1.png", missing))


@pytest.fixture
def kind():
    return build_kind(InputRequest({"size": [32, 32]}, ImageOptions()))


def test_each_is_read_once_and_let_go_before_the_last_is_read(kind):
    alive, most = set(), []

    class Counted(bytes):
        def __del__(self):
            alive.discard(id(self))

    def read(content=b"no picture"):
        made = Counted(content)
        alive.add(id(made))
        most.append(len(alive))
        return made

    items = [Record(f"{number:03d}", Stored(f"a.zip/{number}", read), "x") for number in range(200)]
    reading = read_all(items, kind, store=ArrayStore())
    assert len(reading.skipped) == len(most) == 200
    assert max(most) <= 10  # as many as there are threads, and those that have not yet left them


def test_one_that_cannot_be_read_is_left_out_by_name(kind):
    reading = read_all([Record("1", Stored("a.zip/1", missing), "x")], kind, store=ArrayStore())
    assert [each.reason for each in reading.skipped] == ["a.zip/1: cannot be read: No such file or directory"]


def test_reports_draw_stored_pictures(kind, tmp_path):
    picture = np.full((40, 40, 3), 200, np.uint8)
    content = kind.preview(kind.read(picture, "x")).data
    view = SampleView(tmp_path, lambda: (Records("image", (Record("1", stored(content), "x"),)), kind))
    assert view.preview("1") == kind.preview(kind.read(picture, "x"))
