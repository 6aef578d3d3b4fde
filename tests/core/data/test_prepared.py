"""Records to prepared samples, with a small input kind of the test's own: core knows no pictures."""

import os
import threading

import headstart.data.storage
import numpy as np
import pytest

from headstart.data.prepared import PrepareOptions, prepare, prepare_unsplit
from headstart.errors import DataError
from headstart.specs import Record, Records, Sample, Skipped, TensorSpec


class Letters:
    """Texts as four bytes; "!" cannot be read."""

    def __init__(self):
        self.tensors = {"letters": TensorSpec((4,), "uint8")}

    def read(self, payload, where):
        if "!" in payload:
            raise DataError(f"{where}: not a text")
        notes = ("made lower-case",) if payload != payload.lower() else ()
        return Sample(payload.lower(), notes + (("warning: cut short",) if len(payload) > 4 else ()))

    def prepare(self, sample):
        return {"letters": np.frombuffer(sample.value.ljust(4)[:4].encode(), np.uint8)}

    def fingerprint(self, sample):
        return hash(sample.value[:2]) if sample.value.startswith("zz") else None


def texts(count=40):
    return [Record(f"k{i:03d}", f"t{i:03d}", "ab"[i % 2]) for i in range(count)]


def records(items, **values):
    return Records("letters", tuple(items), **values)


def test_rows_are_parallel_and_sorted_by_key():
    data = prepare(records(reversed(texts())), Letters())
    assert list(data.keys) == sorted(data.keys)
    for index, key in enumerate(data.keys):
        assert data.tensors["letters"][index].tobytes().decode() == f"t{key[1:]}"
        assert data.split.rows[index].key == key
        assert data.split.rows[index].content_hash == data.hashes[index]
    assert data.targets[:2] == ("a", "b")


def test_sides_are_disjoint_and_complete():
    data = prepare(records(texts()), Letters())
    sides = [data.indices(name).tolist() for name in ("train", "val", "test")]
    assert sorted(index for side in sides for index in side) == list(range(40))
    assert [len(side) for side in sides] == [26, 6, 8]
    assert all(side == sorted(side) for side in sides)
    with pytest.raises(ValueError, match="no split"):
        data.indices("dev")


def test_up_to_one_percent_unreadable_is_left_out_and_listed():
    items = [*texts(199), Record("bad", "!", "a")]
    data = prepare(records(items, skipped=(Skipped("x", "hidden"),)), Letters())
    assert len(data.keys) == 199
    assert [one.where for one in data.skipped] == ["x", "bad"]
    (told,) = (finding for finding in data.findings if finding.level == "warning")
    assert (told.message, told.count) == ("1 left out: bad: not a text", 1)
    for index, key in enumerate(data.keys):
        assert data.tensors["letters"][index].tobytes().decode() == f"t{key[1:]}"


def test_more_unreadable_is_an_error_listing_the_first_few():
    items = [*texts(90), *(Record(f"bad{i}", "!", "a") for i in range(7))]
    with pytest.raises(DataError, match=r"7 of 97 samples cannot be read") as caught:
        prepare(records(items), Letters())
    assert "bad0: not a text" in caught.value.message
    assert "and 2 more" in caught.value.message
    assert caught.value.exit_code == 3


def test_conversions_are_counted():
    items = [*texts(), Record("up", "ABC", "a"), Record("up2", "XYZ", "b"), Record("long", "lengthy", "b")]
    found = [(f.level, f.message, f.count) for f in prepare(records(items), Letters()).findings]
    assert found == [("note", "2 samples made lower-case", 2), ("warning", "1 sample cut short", 1)]


def test_copies_are_noted_and_contradicting_labels_warned_of():
    items = [*texts(), Record("x", "t000", "a"), Record("y", "t001", "a")]
    data = prepare(records(items), Letters())
    messages = [f.message for f in data.findings]
    assert messages[0].startswith("2 samples repeated exactly")
    assert "contradicting labels, such as k001 (b) and y (a)" in messages[1]


def test_near_copies_across_sides_are_warned_of_with_their_count():
    items = [*texts(), *(Record(f"z{i:02d}", f"zz{i:02d}", "ab"[i % 2]) for i in range(20))]
    data = prepare(records(items), Letters())
    (finding,) = data.findings
    assert finding.level == "warning"
    expected = sum(1 for r in data.split.rows if r.key.startswith("z") and r.split != "train")
    assert finding.count == expected > 0


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "no records"),
        ([Record("k", "x", "a"), Record("k", "y", "b")], "keys are not unique, such as 'k'"),
        ([Record("k", "x", None), Record("l", "y", "b")], "k: no label"),
        ([Record("k", "x", " "), Record("l", "y", "b")], "k: no label"),
        ([Record("k", "x", "a", split="dev"), Record("l", "y", "b")], "k: split is 'dev'"),
        ([Record("k", "x", "a"), Record("l", "y", "a")], "all samples have the label 'a'"),
        ([Record("k", "x", "Cat"), Record("l", "y", "cat")], "'Cat' and 'cat' differ only by case"),
        (
            [Record("k", "x", "caf\u00e9"), Record("l", "y", "cafe\u0301")],
            "differ only by case or Unicode form",
        ),
    ],
)
def test_unusable_records_are_named(items, said):
    with pytest.raises(DataError, match=said):
        prepare(records(items), Letters())


@pytest.mark.parametrize(("form", "wanted"), [("class", "one class"), ("number", "a number")])
@pytest.mark.parametrize(
    ("prepared", "hint"),
    [
        (prepare, "leave --task out, or name one for labels, such as --task multilabel"),
        (
            lambda *given: prepare_unsplit(*given[:2], form=given[2].form),
            "name data with one target a sample, or a run whose task learns several labels",
        ),
    ],
    ids=["for a run", "for a finished run"],
)
def test_a_column_of_labels_is_not_taken_for_samples_without_a_label(form, wanted, prepared, hint):
    several = Records("text/text", (Record("a", "x", "red|round"), Record("b", "y", "")), targets="labels")
    with pytest.raises(DataError, match=f"several labels a sample .* learns {wanted}") as caught:
        prepared(several, None, PrepareOptions(form=form))
    assert caught.value.hint == hint


def test_a_limit_is_taken_before_the_split():
    data = prepare(records(texts(100)), Letters(), PrepareOptions(limit=50))
    assert data.split.counts == {"train": 32, "val": 8, "test": 10}


def test_a_stored_split_reads_only_its_samples():
    first = prepare(records(texts()), Letters(), PrepareOptions(limit=20))
    again = prepare(records(texts()), Letters(), PrepareOptions(split=first.split, split_seed=9))
    assert again.split == first.split
    assert again.keys == first.keys
    tested = prepare(records(texts()), Letters(), PrepareOptions(split=first.split.only("test")))
    assert tested.keys == tuple(first.keys[i] for i in first.indices("test"))


def test_other_data_is_all_test_and_may_have_one_class():
    data = prepare_unsplit(records([Record("b", "x", "a", split="train"), Record("a", "y", "a")]), Letters())
    assert data.split.counts == {"train": 0, "val": 0, "test": 2}
    assert data.keys == ("a", "b")


def test_progress_is_told_in_the_calling_thread():
    heard = []
    prepare(
        records(texts(150)),
        Letters(),
        on_progress=lambda done, total: heard.append((done, total, threading.current_thread())),
    )
    assert [(done, total) for done, total, _ in heard] == [(64, 150), (128, 150), (150, 150)]
    assert {thread for _, _, thread in heard} == {threading.main_thread()}


def test_large_data_is_mapped_below_scratch_without_leaving_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(headstart.data.storage, "IN_MEMORY", 10)
    scratch = tmp_path / "scratch"
    data = prepare(records(texts(200)), Letters(), PrepareOptions(scratch=scratch))
    assert isinstance(data.tensors["letters"], np.memmap)
    assert os.listdir(scratch) == []
    plain = prepare(records(texts(200)), Letters())
    np.testing.assert_array_equal(data.tensors["letters"], plain.tensors["letters"])
    assert data.split == plain.split


def test_a_bug_in_an_input_kind_is_not_taken_for_bad_data():
    class Broken(Letters):
        def prepare(self, sample):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        prepare(records(texts()), Broken())
