import random
from collections import Counter

import pytest

from headstart.data import prepared
from headstart.data.targets import build_target_kind
from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import Record

REGISTRY = load_registry()
KINDS = {name: build_target_kind(REGISTRY, name) for name in ("class", "labels", "number")}


def limit_records(items, most, seed, kind="class"):
    return prepared.limit_records(items, most, seed, KINDS[kind])


def many(counts, split=None):
    return [Record(f"{split}/{name}/{i:03d}", b"", name, split=split) for name, n in counts.items() for i in range(n)]


def test_the_limit_counts_all_records_and_keeps_the_shares():
    kept = limit_records(many({"a": 500, "b": 300, "c": 200}), 100, 0)
    assert Counter(record.target for record in kept) == {"a": 50, "b": 30, "c": 20}


def test_small_classes_keep_enough_to_be_split():
    kept = limit_records(many({"a": 900, "b": 5, "c": 3}), 50, 0)
    counts = Counter(record.target for record in kept)
    assert sum(counts.values()) == 50
    assert counts["b"] >= 3
    assert counts["c"] == 3


def test_given_splits_keep_their_shares_too():
    items = many({"a": 80, "b": 80}, "train") + many({"a": 20, "b": 20}, "test")
    kept = limit_records(items, 50, 0)
    assert Counter((r.split, r.target) for r in kept) == {
        ("train", "a"): 20,
        ("train", "b"): 20,
        ("test", "a"): 5,
        ("test", "b"): 5,
    }


def test_the_choice_depends_on_seed_and_keys_alone():
    items = many({"a": 50, "b": 50})
    first = {r.key for r in limit_records(items, 20, 1)}
    random.Random(0).shuffle(items)
    assert {r.key for r in limit_records(items, 20, 1)} == first
    assert {r.key for r in limit_records(items, 20, 2)} != first


def test_no_limit_or_a_large_one_changes_nothing():
    items = many({"a": 5, "b": 5})
    assert limit_records(items, None, 0) == tuple(items)
    assert limit_records(items, 10, 0) == tuple(items)


def test_a_limit_too_small_for_the_classes_says_what_is_needed():
    with pytest.raises(DataError, match=r"limit of 5 records cannot hold 2 classes; 6 are needed"):
        limit_records(many({"a": 50, "b": 50}), 5, 0)


def test_a_limit_keeps_ranges_of_numbers_and_labels_in_proportion():
    numbers = [Record(f"{i:03d}", b"", str(i / 4)) for i in range(400)]
    kept = [float(r.target) for r in limit_records(numbers, 40, 0, "number")]
    assert len(kept) == 40
    assert [sum(low <= value < low + 10 for value in kept) for low in range(0, 100, 10)] == [4] * 10
    labels = [Record(f"{i:03d}", b"", "a|b" if i % 8 == 0 else "a" if i % 2 else "") for i in range(400)]
    kept = [r.target for r in limit_records(labels, 80, 0, "labels")]
    assert kept.count("a|b") == 10
    assert kept.count("a") == 40


def test_a_limit_keeps_a_record_of_each_class_for_every_side_that_is_cut():
    items = many({"a": 50, "b": 50})
    assert Counter(r.target for r in prepared.limit_records(items, 4, 0, KINDS["class"], sides=2)) == {"a": 2, "b": 2}
    with pytest.raises(DataError, match="a limit of 3 records cannot hold 2 classes; 4 are needed"):
        prepared.limit_records(items, 3, 0, KINDS["class"], sides=2)
