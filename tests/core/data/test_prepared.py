"""Records to prepared samples, with a small input kind of the test's own: core knows no pictures."""

import os
import threading
from dataclasses import replace

import numpy as np
import pytest

import headstart.data.array_store
from headstart.cache import Cache
from headstart.data import prepared
from headstart.data.array_store import ArrayStore
from headstart.data.hashing import content_hash
from headstart.data.prepared import PrepareOptions
from headstart.data.targets import build_target_kind
from headstart.errors import DataError, PluginError
from headstart.registry import load_registry
from headstart.specs import Finding, Prepared, Record, Records, Sample, Skipped, TensorSpec, Tolerances

CLASS = build_target_kind(load_registry(), "class")


def prepare(records, kind, options=None, **told):
    return prepared.prepare(records, kind, CLASS, options, **told)


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
        letters = np.frombuffer(sample.value.ljust(4)[:4].encode(), np.uint8)
        return Prepared({"letters": letters}, {"text": sample.value})

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
        assert data.split.rows[index].content_hash == content_hash(f"t{key[1:]}", key)
    assert data.values[:2] == ("a", "b")


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
    assert ("note", "the dataset left out 1: x: hidden") in [(one.level, one.message) for one in data.findings]
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
    assert found == [("note", "2 samples made lower-case", 2), ("warning", "1 sample cut short: long", 1)]


class Judging(Letters):
    def judge_notes(self, notes):
        return [Finding("warning", f"{count} {each}: is that so?") for each, count in notes.items() if count == 2]


def test_an_input_kind_can_say_what_the_notes_of_all_samples_mean():
    items = [*texts(), Record("up", "ABC", "a"), Record("up2", "XYZ", "b"), Record("long", "lengthy", "b")]
    told = [finding.message for finding in prepare(records(items), Judging()).findings if finding.level == "warning"]
    assert told == ["1 sample cut short: long", "2 made lower-case: is that so?"]


class Advising(Letters):
    def read(self, payload, where):
        if "?" in payload:
            raise DataError(f"{where}: too long", hint="--set input.longest=9")
        return super().read(payload, where)


@pytest.mark.parametrize("sound", [20, 400])
def test_what_would_let_unreadable_samples_in_is_told_once(sound):
    items = [*texts(sound), *(Record(f"bad{i}", "?", "a") for i in range(3)), Record("torn", "!", "b")]
    if sound == 20:
        with pytest.raises(DataError) as error:
            prepare(records(items), Advising())
        hint = error.value.hint
        assert hint == "--set input.longest=9; repair or remove them; nothing was changed"
    else:
        findings = prepare(records(items), Advising()).findings
        assert [each.hint for each in findings if each.level == "warning"] == ["--set input.longest=9"]


def test_what_the_dataset_itself_found_comes_first_and_its_errors_stop():
    odd = Finding("warning", "two columns could be labels; 'b' was taken", 40, "--set dataset.label_column=a")
    assert prepare(records(texts(), findings=(odd,)), Letters()).findings[0] == odd
    with pytest.raises(DataError, match="no sides agree"):
        prepare(records(texts(), findings=(odd, Finding("error", "no sides agree"))), Letters())


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
            "differ only by case, spaces or Unicode form",
        ),
        ([Record("k", "x", "cat"), Record("l", "y", "cat ")], "'cat' and 'cat ' differ only by case, spaces"),
        ([Record("k", "x", "cat"), Record("l", "y", "cat\u200b")], r"differ only by .*'cat\\u200b'"),
    ],
)
def test_unusable_records_are_named(items, said):
    with pytest.raises(DataError, match=said):
        prepare(records(items), Letters())


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
    items = [Record("b", "x", "a", split="train"), Record("a", "y", "a")]
    data = prepared.prepare_unsplit(records(items), Letters(), CLASS)
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
    monkeypatch.setattr(headstart.data.array_store, "IN_MEMORY", 10)
    scratch = tmp_path / "scratch"
    data = prepare(records(texts(200)), Letters(), PrepareOptions(store=ArrayStore(scratch=scratch)))
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


def test_everything_wrong_with_the_records_is_told_in_one_error():
    items = [Record("k", "x", "Cat"), Record("k", "y", "cat"), Record("l", "z", None)]
    with pytest.raises(DataError, match="3 things are wrong with the data") as caught:
        prepare(records(items), Letters())
    for words in ("keys are not unique", "l: no label", "'Cat' and 'cat'"):
        assert words in caught.value.message


def test_every_class_that_is_too_small_is_named_at_once():
    items = [*texts(), Record("x", "xx", "c"), Record("y", "yy", "d")]
    with pytest.raises(DataError, match="2 things are wrong") as caught:
        prepare(records(items), Letters())
    assert "class 'c' has 1 sample; 3 sides need at least 3" in caught.value.message
    assert "class 'd'" in caught.value.message


def test_facts_are_those_of_each_row():
    data = prepare(records(texts()), Letters())
    assert [each["text"] for each in data.facts] == [f"t{key[1:]}" for key in data.keys]
    assert data.facts[-1] == {"text": "t039"}
    assert data.lengths is None
    assert data.owners.tolist() == list(range(40))


class Pieces(Letters):
    """Each text in pieces of two letters, as rows of their own; how many letters a piece has is its length."""

    def __init__(self):
        self.tensors = {"letters": TensorSpec((2,), "uint8", length_axis=0)}
        self.reads = 0

    def read(self, payload, where):
        self.reads += 1
        return super().read(payload, where)

    lengths = (1, 2)

    def prepare_several(self, sample):
        parts = [sample.value[start : start + 2] for start in range(0, len(sample.value), 2)]
        return [
            Prepared({"letters": np.frombuffer(part.ljust(2).encode(), np.uint8)}, {"start": 2 * place}, len(part))
            for place, part in enumerate(parts)
        ]


def words(count=40):
    """Texts of 3 to 7 letters, no two alike."""
    return [Record(f"k{i:03d}", f"{i % 100:02d}{'abcde'[: 1 + i % 5]}{i // 100}", "ab"[i % 2]) for i in range(count)]


def pieces_of(item):
    return [item.payload[start : start + 2] for start in range(0, len(item.payload), 2)]


def test_a_record_may_give_several_rows_that_stay_on_one_side():
    items = words()
    data = prepare(records(items), Pieces())
    pieces = [piece for item in items for piece in pieces_of(item)]
    assert [row.tobytes().decode().strip() for row in data.tensors["letters"]] == pieces
    assert data.lengths.used.tolist() == [len(piece) for piece in pieces]
    assert [each["start"] for each in data.facts[:5]] == [0, 2, 0, 2, 4]
    sides = {row.key: row.split for row in data.split.rows}
    assert data.split.counts == {"train": 26, "val": 6, "test": 8}
    for side in ("train", "val", "test"):
        found = data.indices(side)
        assert {sides[data.keys[data.owners[row]]] for row in found} == {side}
        assert len(found) == sum(len(pieces_of(item)) for item in items if sides[item.key] == side)


def test_each_record_of_a_side_is_found_once():
    data = prepare(records(words()), Pieces())
    firsts = data.firsts("test")
    assert [data.row_keys[row] for row in firsts] == [row.key for row in data.split.rows if row.split == "test"]


def test_a_kind_that_makes_no_row_of_a_record_is_refused_by_the_records_key():
    class Nothing(Pieces):
        def prepare_several(self, sample):
            return super().prepare_several(sample) if len(sample.value) > 4 else []

    with pytest.raises(PluginError, match="k000: the input kind made no row of it"):
        prepare(records(words()), Nothing())


def test_facts_that_are_no_plain_values_are_refused():
    class Odd(Pieces):
        def prepare_several(self, sample):
            return [replace(row, facts={"start": np.int64(0)}) for row in super().prepare_several(sample)]

    with pytest.raises(PluginError, match=r"facts that are no plain JSON values, in k000"):
        prepare(records(words()), Odd())


def test_rows_of_one_record_have_keys_and_hashes_of_their_own():
    data = prepare(records(words()), Pieces())
    assert data.row_keys[:5] == ("k000", "k000#1", "k001", "k001#1", "k001#2")
    assert len(set(data.row_keys)) == len(set(data.row_hashes)) == len(data.owners)
    assert [data.row_hashes[0], data.row_hashes[2]] == [row.content_hash for row in data.split.rows[:2]]


def test_several_rows_a_record_come_from_the_cache_again(tmp_path):
    store, kind = ArrayStore(Cache(tmp_path / "cache", 2**30), tmp_path / "scratch", print), Pieces()
    options = PrepareOptions(store=store, read_by={"input": "pieces"})
    items = [*words(120), Record("bad", "!", "a")]
    first, second = (prepare(records(items), kind, options) for _ in range(2))
    assert kind.reads == 121
    for each in (first, second):
        assert isinstance(each.tensors["letters"], np.memmap)
        assert each.skipped[0].where == "bad"
    assert np.array_equal(first.tensors["letters"], second.tensors["letters"])
    assert first.owners.tolist() == second.owners.tolist()
    assert first.lengths.used.tolist() == second.lengths.used.tolist()
    assert list(first.facts) == list(second.facts)
    assert first.split == second.split


class Masks:
    """A kind of targets that are files: a value is their content."""

    noun = "mask"
    exclusive = False
    moves = False

    def check(self, items):
        return [Finding("note", "masks were seen", len(items))]

    def names(self, target):
        return ()

    def strata(self, targets):
        return [()] * len(targets)

    def read(self, target, where):
        return target.read_text()


def masks(folder, count=40):
    made = []
    for number in range(count):
        path = folder / f"{number}.mask"
        path.write_text(f"mask {number}")
        made.append(Record(f"k{number:03d}", f"t{number:03d}", path))
    return made


def test_targets_that_are_files_are_kept_by_hash_and_read_when_asked_for(tmp_path):
    items = masks(tmp_path)
    data = prepared.prepare(records(items), Letters(), Masks())
    assert [len(data.indices(side)) for side in ("train", "val", "test")] == [26, 6, 8]
    assert {len(row.target) for row in data.split.rows} == {len("sha256:") + 64}
    assert len({row.target for row in data.split.rows}) == 40
    assert data.values == tuple(item.target for item in items)
    rows = data.indices("test")
    assert list(data.read_values(Masks(), rows)) == [f"mask {row}" for row in rows]
    assert data.findings == (Finding("note", "masks were seen", 40),)


def test_a_changed_target_file_is_a_changed_sample(tmp_path):
    items = masks(tmp_path)
    first = prepared.prepare(records(items), Letters(), Masks())
    again = PrepareOptions(split=first.split)
    assert prepared.prepare(records(items), Letters(), Masks(), again).split == first.split
    items[7].target.write_text("another mask")
    with pytest.raises(DataError, match="k007: changed since the run's split was written"):
        prepared.prepare(records(items), Letters(), Masks(), again)
    items[7].target.unlink()
    with pytest.raises(DataError, match="k007: cannot be read"):
        prepared.prepare(records(items), Letters(), Masks())


def test_other_data_has_targets_that_can_be_read():
    number = build_target_kind(load_registry(), "number")
    items = [Record("a", "x", "1.5"), Record("b", "y", "tall"), Record("c", "z", "wide")]
    with pytest.raises(DataError, match="b: the target 'tall' is no number"):
        prepared.prepare_unsplit(records(items), Letters(), number)


def test_data_is_examined_to_the_end():
    bad = [Record(f"bad{i}", "!", "a") for i in range(3)]
    items = [*texts(), *bad, Record("x", "t000", "b"), Record("y", "yy", "c")]
    found = prepared.examine(records(items), Letters(), CLASS, PrepareOptions())
    told = [(each.level, each.message.partition(":")[0], each.count) for each in found]
    assert told == [
        ("error", "3 of 45 samples cannot be read (up to 1 % would be left out)", 3),
        ("note", "1 sample repeated exactly; copies stay on one side", 1),
        ("warning", "1 contents under contradicting labels, such as k000 (a) and x (b)", 1),
        ("error", "class 'c' has 1 sample; 3 sides need at least 3", 1),
    ]


def test_what_is_wrong_with_records_does_not_hide_what_cannot_be_read():
    items = [*texts(), Record("l", "x", None), Record("bad", "!", "a")]
    found = prepared.examine(records(items), Letters(), CLASS, PrepareOptions())
    assert [each.message.partition(":")[0] for each in found if each.level == "error"] == [
        "l",
        "1 of 42 samples cannot be read (up to 1 % would be left out)",
    ]


def test_what_a_check_has_read_is_still_refused_by_a_run(tmp_path):
    options = PrepareOptions(store=ArrayStore(Cache(tmp_path / "cache", 2**30)), read_by={"input": "letters"})
    items = [*texts(), Record("bad", "!", "a")]
    prepared.examine(records(items), Letters(), CLASS, options)
    with pytest.raises(DataError, match="1 of 41 samples cannot be read"):
        prepare(records(items), Letters(), options)


def given(count=4):
    """Texts on three given sides."""
    names = [
        (side, label, f"{label}{side[:2]}{i}")
        for side in ("train", "val", "test")
        for label in "ab"
        for i in range(count)
    ]
    return [Record(f"{side}/{text}", text, label, split=side) for side, label, text in names]


def test_more_may_be_unreadable_where_the_data_says_so():
    items = [*texts(90), *(Record(f"bad{i}", "!", "a") for i in range(7))]
    with pytest.raises(DataError, match=r"7 of 97 samples cannot be read \(up to 1 % would be left out\)") as refused:
        prepare(records(items, tolerances=Tolerances()), Letters())
    assert refused.value.hint == (
        "repair or remove them, or leave them out with --set dataset.unreadable=0.08; nothing was changed; "
        "`headstart check DATA` lists them all"
    )
    data = prepare(records(items, tolerances=Tolerances(unreadable=0.08)), Letters())
    assert len(data.keys) == 90
    assert data.findings[0].message.startswith("7 left out: bad0: not a text; bad1: not a text; ")
    assert data.findings[0].message.endswith("; and 2 more")
    assert data.findings[0].cases == tuple(f"bad{i}: not a text" for i in range(7))
    with pytest.raises(DataError, match=r"up to 7 % would be"):
        prepare(records(items, tolerances=Tolerances(unreadable=0.07)), Letters())


def test_where_nothing_can_be_read_no_tolerance_helps():
    items = [Record(f"bad{i}", "!", "ab"[i % 2]) for i in range(8)]
    with pytest.raises(DataError, match="8 of 8 samples cannot be read") as refused:
        prepare(records(items, tolerances=Tolerances(unreadable=1.0)), Letters())
    assert "dataset.unreadable" not in refused.value.hint


def test_other_data_may_lack_as_much_as_it_says():
    items = [*texts(9), Record("bad", "!", "a")]
    with pytest.raises(DataError, match="1 of 10 samples cannot be read"):
        prepared.prepare_unsplit(records(items), Letters(), CLASS)
    with pytest.raises(DataError, match="up to 9 % would be left out") as refused:
        prepared.prepare_unsplit(records(items, tolerances=Tolerances(unreadable=0.09)), Letters(), CLASS)
    assert refused.value.hint == "repair or remove them; nothing was changed"  # `evaluate` takes no settings
    data = prepared.prepare_unsplit(records(items, tolerances=Tolerances(unreadable=0.1)), Letters(), CLASS)
    assert len(data.keys) == 9


@pytest.mark.parametrize("in_memory", [2**20, 10])
def test_what_is_left_out_after_reading_is_in_no_array(in_memory, tmp_path, monkeypatch):
    monkeypatch.setattr(headstart.data.array_store, "IN_MEMORY", in_memory)
    rare = [Record("k010x", "xxx", "rare"), Record("z", "zzz", "rarer")]
    store = ArrayStore(scratch=tmp_path / "scratch")
    tolerances = Tolerances(rare="drop")
    data = prepare(records([*texts(200), *rare], tolerances=tolerances), Letters(), PrepareOptions(store=store))
    plain = prepare(records(texts(200)), Letters())
    assert data.keys == plain.keys
    assert data.values == plain.values
    assert data.split == plain.split
    assert data.owners.tolist() == plain.owners.tolist()
    assert list(data.facts) == list(plain.facts)
    np.testing.assert_array_equal(data.tensors["letters"], plain.tensors["letters"])
    assert [each.where for each in data.skipped] == ["k010x", "z"]
    assert [(each.level, each.count) for each in data.findings] == [("warning", 2)]


def test_of_records_with_several_rows_all_rows_are_left_out():
    items = [*words(), Record("k010x", "xxxxx", "rare"), Record("a", "yyyyyyy", "rarer")]
    data = prepare(records(items, tolerances=Tolerances(rare="drop")), Pieces())
    plain = prepare(records(words()), Pieces())
    assert data.row_keys == plain.row_keys
    assert data.lengths.used.tolist() == plain.lengths.used.tolist()
    np.testing.assert_array_equal(data.tensors["letters"], plain.tensors["letters"])


def test_copies_on_given_sides_are_left_out_of_train_and_found_again_by_a_stored_split():
    items = [*given(), Record("train/copy", "ate0", "b", split="train")]
    with pytest.raises(DataError, match=r"train/copy \(train\) and test/ate0 \(test\) have the same content"):
        prepare(records(items, tolerances=Tolerances()), Letters())
    dropping = records(items, tolerances=Tolerances(copies="drop"))
    data = prepare(dropping, Letters())
    assert set(data.keys) == {item.key for item in given()}
    assert [each.where for each in data.skipped] == ["train/copy"]
    assert not any("repeated" in each.message or "contradicting" in each.message for each in data.findings)
    assert prepare(dropping, Letters(), PrepareOptions(split=data.split)).keys == data.keys


def test_the_limit_comes_first_and_then_what_is_rare():
    items = [*texts(100), Record("x", "xx", "rare")]
    data = prepare(records(items, tolerances=Tolerances(rare="drop")), Letters(), PrepareOptions(limit=50))
    assert data.split.counts == {"train": 31, "val": 8, "test": 10}
    assert [each.where for each in data.skipped] == ["x"]


def test_one_class_that_is_left_says_what_became_of_the_others():
    items = [record for record in texts() if record.target == "a"] + [Record("x", "xx", "b")]
    with pytest.raises(DataError, match=r"all samples have the label 'a'.* \(after 1 sample left out\)"):
        prepare(records(items, tolerances=Tolerances(rare="drop")), Letters())


def test_an_examination_tells_what_tolerances_do_and_lists_every_pair():
    copies = [Record(f"train/{i}", f"ate{i}", "a", split="train") for i in range(4)]
    copies += [Record(f"val/{i}", f"bte{i}", "b", split="val") for i in range(4)]
    (leak,) = prepared.examine(records([*given(), *copies]), Letters(), CLASS, PrepareOptions())
    assert (leak.level, leak.count) == ("error", 8)
    assert len(leak.cases) == 8
    assert "val/3 (val) and test/bte3 (test) have the same content" in leak.cases
    dropped = records([*given(), *copies], tolerances=Tolerances(copies="drop"))
    (told,) = prepared.examine(dropped, Letters(), CLASS, PrepareOptions())
    assert (told.level, told.count, len(told.cases)) == ("warning", 8, 8)


def test_a_hint_that_all_errors_share_is_told_once():
    items = [*texts(), Record("x", "xx", "c"), Record("y", "yy", "d")]
    with pytest.raises(DataError, match="2 things are wrong") as caught:
        prepare(records(items), Letters())
    assert caught.value.message.endswith("class 'd' has 1 sample; 3 sides need at least 3")
    assert caught.value.hint == (
        "add samples, leave the class out, or give the splits yourself; "
        "`headstart check DATA` lists everything that is to be said of data"
    )
