"""Arrays that are written row by row: in memory, in nameless files, or in the cache."""

import os

import numpy as np
import pytest

import headstart.data.array_store
from headstart.cache import Cache
from headstart.data.array_store import BLOCK, NAMES, ArrayStore, encode_targets, open_arrays
from headstart.errors import DataError
from headstart.specs import TensorSpec

KEY = {"what": "a test"}


def rows(count, start=0):
    """So many rows of two arrays, each with its own numbers."""
    numbers = np.arange(start, start + count)
    return {
        "@pooled": np.stack([numbers, numbers + 0.25, numbers + 0.5], axis=1).astype(np.float32),
        "image": np.broadcast_to(numbers[:, None, None, None], (count, 2, 2, 3)).astype(np.uint8),
    }


def fill(append):
    """Three rows, none and four."""
    append(rows(3))
    append(rows(0, 3))
    append(rows(4, 3))


def cached(folder):
    return ArrayStore(Cache(folder / "cache", 2**30), folder / "scratch", print)


def assert_filled(arrays):
    expected = rows(7)
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        assert array.dtype == expected[name].dtype
        assert np.array_equal(array, expected[name])


def test_small_arrays_stay_in_memory(tmp_path):
    arrays = ArrayStore(scratch=tmp_path).keep(fill)
    assert_filled(arrays)
    assert not any(isinstance(array, np.memmap) for array in arrays.values())
    assert os.listdir(tmp_path) == []


def test_large_arrays_are_mapped_below_scratch_without_leaving_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(headstart.data.array_store, "IN_MEMORY", 100)
    arrays = ArrayStore(scratch=tmp_path / "scratch").keep(fill)
    assert_filled(arrays)
    assert all(isinstance(array, np.memmap) for array in arrays.values())
    assert os.listdir(tmp_path / "scratch") == []


def test_what_has_a_key_is_written_once_and_read_only_from_then_on(tmp_path):
    store, calls = cached(tmp_path), []

    def counted(append):
        calls.append(append)
        fill(append)

    for _ in range(2):
        arrays = store.fetch("features", KEY, {}, counted)
        assert_filled(arrays)
        with pytest.raises(ValueError, match="read-only"):
            arrays["image"][0] = 1
    assert len(calls) == 1
    (entry,) = store.cache.entries()
    assert entry.kind == "features"


def test_another_key_is_filled_again(tmp_path):
    store = cached(tmp_path)
    store.fetch("features", KEY, {}, fill)
    other = store.fetch("features", {"what": "another"}, {}, lambda append: append(rows(2)))
    assert len(other["image"]) == 2


@pytest.mark.parametrize("store", [lambda folder: ArrayStore(), cached], ids=["in memory", "cached"])
def test_no_rows_are_no_rows(tmp_path, store):
    arrays = store(tmp_path).fetch("features", KEY, {}, lambda append: append(rows(0)))
    assert arrays["image"].shape == (0, 2, 2, 3)
    assert arrays["image"].dtype == np.uint8


@pytest.mark.parametrize("odd", [{"image": np.zeros((1, 2, 2, 4), np.uint8)}, {"image": np.zeros((1, 2, 2, 3))}])
def test_rows_that_are_not_like_the_first_are_refused(odd):
    def broken(append):
        append(rows(2))
        append(odd)

    with pytest.raises(ValueError, match="all must be alike"):
        ArrayStore().keep(broken)


def test_where_the_cache_cannot_be_written_arrays_are_kept_for_this_run_and_that_is_said(tmp_path):
    blocked, said = tmp_path / "file", []
    blocked.write_text("not a folder")
    store = ArrayStore(Cache(blocked / "cache", 2**30), tmp_path / "scratch", said.append)
    assert_filled(store.fetch("features", KEY, {}, fill))
    (message,) = said
    assert "features are kept for this run alone" in message


def test_what_is_wrong_with_the_data_leaves_nothing_behind(tmp_path):
    def broken(append):
        append(rows(2))
        raise DataError("no picture")

    store = cached(tmp_path)
    with pytest.raises(DataError, match="no picture"):
        store.fetch("samples", KEY, {}, broken)
    assert store.cache.entries() == store.cache.leftovers() == []


def test_a_folder_that_was_not_finished_is_not_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=NAMES):
        open_arrays(tmp_path)


class Encoding:
    """Numbers to themselves and their halves; hears how many rows come at once."""

    def __init__(self):
        self.counts = []

    def __call__(self, values, facts, keys):
        assert len(values) == len(facts) == len(keys)
        self.counts.append(len(keys))
        return {"whole": np.array(values, np.int32), "half": np.array(values, np.float32) / 2}


SPECS = {"whole": TensorSpec((), "int32"), "half": TensorSpec((), "float32")}


def encoded(count, encode, store):
    keys = [str(number) for number in range(count)]
    return encode_targets(encode, SPECS, values=list(range(count)), facts=[{}] * count, keys=keys, store=store)


def test_a_row_that_needs_more_room_than_is_learned_is_named_with_the_setting():
    def encode(values, facts, keys):
        return {"points": np.zeros((len(values), max(4, *values), 2), np.float32)}

    specs = {"points": TensorSpec((4, 2), "float32", room="task.most")}
    told = {"specs": specs, "facts": [{}] * 3, "keys": ["a", "b", "c"], "store": ArrayStore()}
    assert encode_targets(encode, values=[1, 2, 4], **told)["points"].shape == (3, 4, 2)
    with pytest.raises(DataError, match=r"^b needs room for 9 points, and 4 are learned of a sample") as caught:
        encode_targets(encode, values=[1, 9, 6], **told)
    assert caught.value.hint == "--set task.most=9"


def test_targets_are_encoded_block_by_block_into_named_arrays(tmp_path, monkeypatch):
    monkeypatch.setattr(headstart.data.array_store, "IN_MEMORY", 100)
    encode = Encoding()
    found = encoded(2 * BLOCK + 1, encode, ArrayStore(scratch=tmp_path))
    assert encode.counts == [BLOCK, BLOCK, 1]
    assert np.array_equal(found["whole"], np.arange(2 * BLOCK + 1))
    assert np.array_equal(found["half"], np.arange(2 * BLOCK + 1) / 2)
    assert isinstance(found["half"], np.memmap)


def test_no_targets_have_their_names_too():
    assert {name: len(array) for name, array in encoded(0, Encoding(), ArrayStore()).items()} == {"whole": 0, "half": 0}


def test_encoded_targets_of_other_names_are_refused():
    with pytest.raises(ValueError, match=r"encoded targets are \['other'\]; expected \['half', 'whole'\]"):
        encoded(3, lambda values, facts, keys: {"other": np.zeros(3)}, ArrayStore())
