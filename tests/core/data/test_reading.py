"""Samples that were read before are not decoded again, unless something about them changed."""

import os

import numpy as np
import pytest
from PIL import Image

import headstart.data.reading
from headstart.cache import Cache
from headstart.data.array_store import ArrayStore
from headstart.data.hashing import content_hash
from headstart.data.reading import read_all
from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import InputRequest, Record


class Counting:
    """The real input kind, and how often it decoded."""

    def __init__(self):
        registry = load_registry()
        spec = registry.get("inputs", "image")
        self.kind = registry.load_target(spec, spec.build)(InputRequest({"size": [8, 8]}, spec.options()))
        self.reads = 0

    def read(self, payload, where):
        self.reads += 1
        return self.kind.read(payload, where)

    def __getattr__(self, name):
        return getattr(self.kind, name)


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(120):
        pixels = np.random.default_rng(number).integers(0, 255, (12, 9, 4 if number % 2 else 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
    return [Record(path.name, path, "a") for path in sorted(folder.iterdir())]


@pytest.fixture
def store(tmp_path):
    return ArrayStore(Cache(tmp_path / "cache", 2**30), tmp_path / "scratch", print)


def read(records, kind, store, **read_by):
    return read_all(records, kind, store=store, read_by={"input": "image", **read_by})


def test_a_second_reading_is_the_same_and_decodes_nothing(records, store):
    kind = Counting()
    direct = read_all(records, kind.kind, store=ArrayStore())
    first, second = read(records, kind, store), read(records, kind, store)

    assert kind.reads == len(records)
    for each in (first, second):
        assert np.array_equal(each.tensors["image"], direct.tensors["image"])
        assert each.items == direct.items
        assert each.hashes == direct.hashes
        assert each.fingerprints == direct.fingerprints
        assert dict(each.notes) == dict(direct.notes)
    assert isinstance(second.tensors["image"], np.memmap)


def test_a_content_is_hashed_once_a_reading(records, store, monkeypatch):
    hashed = []

    def counting(payload, where):
        hashed.append(where)
        return content_hash(payload, where)

    monkeypatch.setattr(headstart.data.reading, "content_hash", counting)
    read(records, Counting(), store)
    assert sorted(hashed) == [record.key for record in records]


def test_a_changed_picture_is_read_again(records, store):
    kind = Counting()
    read(records, kind, store)
    Image.new("RGB", (9, 9), (1, 2, 3)).save(records[5].payload)
    changed = read(records, kind, store)

    assert kind.reads == 2 * len(records)
    assert (changed.tensors["image"][5] == (1, 2, 3)).all(axis=-1).any()


def test_another_way_of_reading_reads_again(records, store):
    kind = Counting()
    read(records, kind, store)
    read(records, kind, store, size=9)

    assert kind.reads == 2 * len(records)


def test_a_picture_that_cannot_be_read_is_left_out_both_times(records, store):
    records[7].payload.write_bytes(b"no picture")
    first, second = read(records, Counting(), store), read(records, Counting(), store)

    assert [each.where for each in second.skipped] == [records[7].key]
    assert second.skipped == first.skipped
    assert second.items == (*records[:7], *records[8:])
    assert np.array_equal(second.tensors["image"], first.tensors["image"])
    assert len(second.tensors["image"]) == len(records) - 1


def test_too_many_unreadable_pictures_are_an_error_and_leave_nothing_behind(records, store):
    for record in records[:5]:
        record.payload.write_bytes(b"no picture")

    def refuse(skipped, total):
        raise DataError(f"{len(skipped)} of {total}: {skipped[0].reason}")

    with pytest.raises(DataError, match=r"5 of 120: .*not a picture"):
        read_all(records, Counting(), store=store, read_by={"input": "image"}, verify=refuse)
    assert store.cache.entries() == []


def test_where_the_cache_cannot_be_written_the_run_goes_on_and_says_so(records, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    said = []
    store = ArrayStore(Cache(blocked / "cache", 2**30), tmp_path / "scratch", said.append)

    assert len(read(records, Counting(), store).items) == len(records)
    assert len(said) == 1
    assert "for this run alone" in said[0]
    assert os.listdir(tmp_path / "pictures")


def test_the_size_that_pictures_had_is_among_the_facts(records, store):
    assert {(each["height"], each["width"]) for each in read(records, Counting(), store).facts} == {(12, 9)}
