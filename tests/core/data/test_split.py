import random
from collections import Counter

import pytest

from headstart.data import split as splitting
from headstart.data.split import apply_split
from headstart.data.split_file import Split, SplitRow, read_split, write_split
from headstart.data.targets import build_target_kind
from headstart.errors import DataError
from headstart.registry import load_registry

REGISTRY = load_registry()
KINDS = {name: build_target_kind(REGISTRY, name) for name in ("class", "labels", "number")}


def make_split(rows, seed, kind="class"):
    return splitting.make_split(rows, seed, KINDS[kind])


def row(key, target="a", *, split="", group=None, content=None):
    return SplitRow(key, split, target, group, content or f"hash of {key}")


def many(counts, **values):
    return [row(f"{name}/{i:04d}", name, **values) for name, count in counts.items() for i in range(count)]


def sides(split):
    return {r.key: r.split for r in split.rows}


def test_default_is_64_16_20_and_every_row_is_on_one_side():
    split = make_split(many({"a": 500, "b": 300, "c": 200}), 0)
    assert split.counts == {"train": 640, "val": 160, "test": 200}
    assert len(sides(split)) == 1000


@pytest.mark.parametrize("counts", [{"a": 50, "b": 31, "c": 7}, {f"c{i}": 3 + i for i in range(40)}])
def test_classes_keep_their_shares_to_a_sample(counts):
    split = make_split(many(counts), 0)
    seen = Counter((r.target, r.split) for r in split.rows)
    for name, count in counts.items():
        assert abs(seen[name, "test"] - 0.2 * count) <= 1
        assert abs(seen[name, "val"] - 0.16 * count) <= 1.2
        assert min(seen[name, side] for side in ("train", "val", "test")) >= 1


def test_the_order_of_records_does_not_matter_and_the_seed_does():
    rows = many({"a": 40, "b": 40})
    first = make_split(rows, 7)
    random.Random(0).shuffle(rows)
    assert make_split(rows, 7) == first
    assert make_split(rows, 7).hash == first.hash
    assert sides(make_split(rows, 8)) != sides(first)


def test_groups_stay_on_one_side_and_shares_stay_close():
    rows = [row(f"{p:02d}/{i}", "ab"[p % 2], group=f"person {p}") for p in range(60) for i in range(1 + p % 7)]
    split = make_split(rows, 0)
    of_group = {}
    for r in split.rows:
        assert of_group.setdefault(r.group, r.split) == r.split
    assert abs(split.counts["test"] / len(rows) - 0.2) < 0.03
    assert abs(split.counts["val"] / len(rows) - 0.16) < 0.03


def test_groups_with_several_classes_stay_together_too():
    rows = [row(f"{p:02d}/{c}{i}", c, group=f"p{p}") for p in range(30) for c in "abc" for i in range(2)]
    split = make_split(rows, 0)
    assert all(len({r.split for r in split.rows if r.group == f"p{p}"}) == 1 for p in range(30))
    assert split.counts == {"train": 114, "val": 30, "test": 36}


def test_exact_copies_stay_on_one_side_even_through_a_chain_with_groups():
    rows = many({"a": 40, "b": 40})
    rows += [row("copy/1", "a", content="hash of a/0001", group="g"), row("copy/2", "a", group="g")]
    rows += [row("copy/3", "a", content="hash of copy/2")]
    found = sides(make_split(rows, 0))
    assert len({found[key] for key in ("a/0001", "copy/1", "copy/2", "copy/3")}) == 1


def test_a_tiny_class_is_an_error_naming_it_and_its_count():
    with pytest.raises(DataError, match=r"class 'rare' has 2 samples; 3 sides need at least 3"):
        make_split(many({"a": 20, "rare": 2}), 0)
    assert make_split(many({"a": 20, "rare": 3}), 0).counts["train"] > 0


def test_a_class_in_too_few_groups_is_an_error_that_says_so():
    rows = [*many({"a": 20}), *many({"b": 10}, group="one person")]
    with pytest.raises(DataError, match=r"class 'b' has 10 samples in 1 group that"):
        make_split(rows, 0)


def test_given_sides_are_kept():
    rows = [row(f"{s}{c}{i}", c, split=s) for s in ("train", "val", "test") for c in "ab" for i in range(4)]
    assert all(r.key.startswith(r.split) for r in make_split(rows, 0).rows)


def test_with_train_and_test_given_val_is_a_fifth_of_train():
    rows = many({"a": 60, "b": 40}, split="train") + [row(f"t{c}{i}", c, split="test") for c in "ab" for i in range(9)]
    split = make_split(rows, 0)
    assert split.counts == {"train": 80, "val": 20, "test": 18}
    assert all((r.split == "test") == r.key.startswith("t") for r in split.rows)


def test_with_train_and_val_given_test_is_cut_from_train():
    rows = many({"a": 60, "b": 40}, split="train") + [row(f"v{c}{i}", c, split="val") for c in "ab" for i in range(9)]
    assert make_split(rows, 0).counts == {"train": 80, "val": 18, "test": 20}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (
            [row("x", split="test", content="hash of a/0003")],
            r"a/0003 \(train\) and x \(test\) have the same content",
        ),
        ([row("x", split="test", group="g"), row("y", split="train", group="g")], "belong to the group 'g'"),
        ([row("x")], "x: no split given, while others have one"),
        ([row("x", "new", split="test")], r"class 'new' is in test \(x\) but not in train"),
    ],
)
def test_contradictions_of_given_sides_are_errors_naming_the_samples(extra, said):
    with pytest.raises(DataError, match=said):
        make_split(many({"a": 10, "b": 10}, split="train") + extra, 0)


def test_nothing_to_train_on_is_an_error():
    with pytest.raises(DataError, match="nothing to train on"):
        make_split(many({"a": 10, "b": 10}, split="test"), 0)


def test_the_file_reads_back_equal_with_odd_keys(tmp_path):
    rows = (row('a,"b"/ü\n.png', "ünder", split="train", group="x,y"), row("b", "c", split="test"))
    split = Split(rows)
    write_split(split, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv") == split
    content = (tmp_path / "split.csv").read_bytes()
    assert content.startswith(b"key,split,target,group,content hash\n")
    import hashlib

    assert split.hash == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", ["", "key,split\n", "key,split,target,group,content hash\na,nowhere,b,,c\n"])
def test_a_damaged_file_is_refused(content, tmp_path):
    (tmp_path / "split.csv").write_text(content)
    with pytest.raises(DataError, match=r"split\.csv"):
        read_split(tmp_path / "split.csv")


def test_a_stored_split_is_used_again_only_for_the_same_samples():
    rows = many({"a": 10, "b": 10})
    split = make_split(rows, 0)
    assert apply_split(rows, split) is split
    with pytest.raises(DataError, match="a/0000: in the run's split but no longer"):
        apply_split(rows[1:], split)
    with pytest.raises(DataError, match="a/0000: changed since"):
        apply_split([row("a/0000", content="other"), *rows[1:]], split)


def labelled(count, shares, seed=0):
    """Rows with each label as often as its share, independently."""
    chance = random.Random(seed)
    drawn = [[name for name, share in shares.items() if chance.random() < share] for _ in range(count)]
    return [row(f"{i:04d}", "|".join(names)) for i, names in enumerate(drawn)]


def test_every_label_is_spread_over_the_sides_as_all_rows_are():
    """Within two samples; cutting at random misses the rare ones by more."""
    rows = labelled(400, {"common": 0.7, "half": 0.5, "rare": 0.05, "scarce": 0.02})
    split = make_split(rows, 0, "labels")
    for side, share in (("train", 0.64), ("val", 0.16), ("test", 0.2)):
        assert abs(split.counts[side] - 400 * share) <= 4
        for label in ("common", "half", "rare", "scarce"):
            have = [r.split for r in split.rows if label in r.target.split("|")]
            assert abs(have.count(side) - share * len(have)) <= 2


def test_the_only_sample_of_a_label_is_trained_on():
    rows = [*labelled(60, {"a": 0.5, "b": 0.5}), row("one", "a|only")]
    assert sides(make_split(rows, 0, "labels"))["one"] == "train"


def test_a_label_that_given_splits_do_not_train_on_is_named():
    rows = [row("x", "a", split="train"), row("y", "", split="train"), row("z", "a|b", split="test")]
    with pytest.raises(DataError, match=r"'b' is in test \(z\) but not in train"):
        make_split([*rows, *many({"a": 9}, split="train")], 0, "labels")


def test_numbers_are_spread_by_their_quantiles():
    chance = random.Random(0)
    rows = [row(f"{i:03d}", f"{chance.lognormvariate(0, 2):.4f}") for i in range(300)]
    split = make_split(rows, 0, "number")
    assert abs(split.counts["test"] - 60) <= 3
    ordered = sorted(float(r.target) for r in rows)
    for tenth in range(10):
        low, high = ordered[30 * tenth], ordered[30 * tenth + 29]
        there = [r for r in split.rows if low <= float(r.target) <= high and r.split == "test"]
        assert 5 <= len(there) <= 7


def test_equal_numbers_and_groups_of_numbers_split_too():
    rows = [row(f"{i:03d}", str(i % 3), group=f"g{i // 5}") for i in range(90)]
    found = make_split(rows, 0, "number")
    assert min(found.counts.values()) >= 10
    assert len({(r.group, r.split) for r in found.rows}) == 18


def test_too_few_numbers_for_three_sides_are_refused():
    with pytest.raises(DataError, match="no sample is left for"):
        make_split([row("a", "1.5"), row("b", "2.5")], 0, "number")
