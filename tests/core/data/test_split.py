import random
from collections import Counter
from dataclasses import replace

import pytest

from headstart.data import split as splitting
from headstart.data.shares import SplitShares
from headstart.data.split import Cut, apply_split
from headstart.data.split_file import Split, SplitRow, read_split, write_split
from headstart.data.targets import build_target_kind
from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import Tolerances

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


def test_samples_with_a_label_that_train_lacks_are_left_out_where_the_user_says_so():
    rows = [*many({"a": 9}, split="train"), row("v", "a", split="val")]
    rows += [row("x", "a|new", split="test"), row("y", "a", split="test"), row("z", "odd|new", split="val")]
    (first, _) = [each for each in tried(rows, kind="labels").findings if each.level == "error"]
    assert first.hint.endswith("--set dataset.rare=drop leaves out the samples with it")
    found = tried(rows, kind="labels", rare="drop")
    assert {each.where: each.reason for each in found.skipped} == {
        "x": "label 'new' is not in train",
        "z": "label 'odd' is not in train",
    }
    assert sorted(sides(found.split)) == sorted({each.key for each in rows} - {"x", "z"})
    (told,) = found.findings
    assert told.level == "warning"
    assert told.message == "2 labels ('new'; 'odd') are not in train, and left out with 2 samples"
    emptied = tried([each for each in rows if each.key != "y"], kind="labels", rare="drop").findings
    assert "no sample is left for test" in emptied[-1].message


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


def tried(rows, kind="class", **tolerances):
    return splitting.try_split(rows, Cut(0), KINDS[kind], tolerances=Tolerances(**tolerances))


def on_three_sides(count=6):
    return [row(f"{side}/{name}{i}", name, split=side) for side in SIDES for name in "ab" for i in range(count)]


SIDES = ("train", "val", "test")


def leaking(count):
    """Given sides, with so many rows in train that are in test too."""
    return [
        *on_three_sides(),
        *(row(f"train/copy{i}", "a", split="train", content=f"hash of test/a{i % 6}") for i in range(count)),
    ]


def test_all_contents_on_two_sides_are_counted_and_listed_and_the_first_five_named():
    rows = [*leaking(6), row("train/again", "a", split="train", content="hash of test/a0")]
    (found,) = tried(rows).findings
    assert (found.level, found.count, len(found.cases)) == ("error", 6, 6)
    assert found.message.startswith("6 contents are on two sides; no test would be honest:")
    assert [f"train/copy{i} (train) and test/a{i} (test)" in found.message for i in range(6)] == [False] + [
        True
    ] * 4 + [False]
    assert "train/again (train) and test/a0 (test) have the same content" in found.message
    assert found.message.endswith("\n  - and 1 more")
    assert found.cases[0] == "train/again (train), train/copy0 (train) and test/a0 (test) have the same content"
    assert found.hint == (
        "keep each content on one side; --set dataset.copies=drop leaves out the copies in train and val; "
        "`headstart check DATA` lists them all"
    )


def test_settings_are_not_named_to_whom_they_are_not_given():
    rare = [*many({"a": 20}), row("x", "rare")]
    for rows in (leaking(1), rare):
        (given,), (withheld,) = tried(rows).findings, splitting.try_split(rows, Cut(0), KINDS["class"]).findings
        assert "--set dataset." in given.hint
        assert "--set" not in withheld.hint
        assert given.message == withheld.message


def test_groups_and_contents_and_rare_classes_are_told_together():
    rows = [row(f"t{c}{i}", c, split="train") for c in "ab" for i in range(9)]
    rows += [row("t0", "a", split="train", group="g"), row("x", "a", split="test", group="g")]
    rows += [row("y", "b", split="test", content="hash of tb3"), row("z", "rare", split="train")]
    told = [each.message.partition(";")[0] for each in tried(rows).findings]
    assert told == [
        "tb3 (train) and y (test) have the same content",
        "t0 (train) and x (test) belong to the group 'g'",
        "class 'rare' has 1 sample",
    ]


def test_copies_are_dropped_from_the_side_that_judges_less():
    rows = on_three_sides()
    rows += [row("t1", "a", split="train", content="hash of val/a0")]
    rows += [
        row("t2", "a", split="train", content="hash of test/b1"),
        row("v2", "b", split="val", content="hash of test/b1"),
    ]
    rows += [row("t3", "a", split="train", content="hash of train/a0")]
    found = tried(rows, copies="drop")
    assert sorted(sides(found.split)) == sorted({r.key for r in rows} - {"t1", "t2", "v2"})
    assert {each.where: each.reason for each in found.skipped} == {
        "t1": "in train, with the content of val/a0 in val",
        "t2": "in train, with the content of test/b1 in test, there as 'b' and here as 'a'",
        "v2": "in val, with the content of test/b1 in test",
    }
    (told,) = found.findings
    assert (told.level, told.count) == ("warning", 3)
    assert told.message == "3 samples left out, whose contents are in val or test too: t1; t2; v2"


def test_a_group_on_two_sides_is_refused_even_where_copies_are_dropped():
    rows = [*leaking(1), row("x", "a", split="test", group="g"), row("y", "a", split="train", group="g")]
    found = tried(rows, copies="drop")
    assert found.split is None
    assert [each.level for each in found.findings] == ["warning", "error"]


def test_a_class_whose_training_samples_were_all_copies_is_named():
    rows = [*on_three_sides(), row("t", "new", split="train"), row("x", "new", split="test", content="hash of t")]
    assert tried(rows, copies="drop").findings[-1].message == "class 'new' is in test (x) but not in train"


def test_rare_classes_are_dropped_with_all_that_they_have():
    rows = [*many({"a": 20, "b": 20, "pair": 2, "one": 1}), *many({"person": 9}, group="p")]
    found = tried(rows, rare="drop")
    assert sides(found.split) == sides(make_split(many({"a": 20, "b": 20}), 0))
    assert sorted(each.where for each in found.skipped) == [
        r.key for r in sorted(rows, key=lambda r: r.key) if r.target not in "ab"
    ]
    (told,) = found.findings
    assert (told.level, told.count) == ("warning", 12)
    assert (
        told.message
        == "3 classes ('one'; 'pair'; 'person') are too small to be on every side, and left out with 12 samples"
    )
    assert told.cases[2] == "class 'person' has 9 samples in 1 group that cannot be divided; 3 sides need at least 3"


def test_a_rare_class_is_dropped_from_given_sides_too_and_so_is_one_that_train_lacks():
    rows = [row(f"t{c}{i}", c, split="train") for c in "ab" for i in range(9)]
    rows += [row("t", "rare", split="train"), *(row(f"x{c}", c, split="test") for c in ("a", "b", "rare", "new"))]
    found = tried(rows, rare="drop")
    assert {each.where: each.reason for each in found.skipped} == {
        "t": "class 'rare' has 1 sample; 2 sides need at least 2",
        "xrare": "class 'rare' has 1 sample; 2 sides need at least 2",
        "xnew": "class 'new' is not in train",
    }
    assert found.split.counts["test"] == 2


def test_rare_classes_are_kept_in_train_and_the_others_have_their_shares():
    rows = many({"a": 50, "b": 50, "pair": 2, "one": 1})
    found = tried(rows, rare="train")
    seen = Counter((r.target, r.split) for r in found.split.rows)
    assert (seen["pair", "train"], seen["one", "train"]) == (2, 1)
    assert [seen[c, side] for c in "ab" for side in SIDES] == [32, 8, 10] * 2
    assert found.skipped == ()
    (told,) = found.findings
    assert (told.level, told.count) == ("warning", 3)
    assert told.message == (
        "2 classes ('one'; 'pair') are too small to be on every side, and so not cut for val or test: "
        "no metric there tells how well that is learned"
    )


def test_what_must_stay_with_a_rare_class_is_in_train_too_and_counts_for_its_own():
    rows = [*many({"a": 30}), row("r", "rare", group="p"), row("b0", "b", group="p"), row("b1", "b"), row("b2", "b")]
    found = tried(rows, rare="train")
    of = sides(found.split)
    assert of["r"] == of["b0"] == "train"
    assert {of["b1"], of["b2"]} == {"val", "test"}


def test_a_class_that_is_too_small_once_others_are_in_train_is_there_with_them():
    rows = [*many({"a": 30}), row("r", "rare", group="p"), row("b0", "b", group="p")]
    rows += [row("s", "scarce", group="q"), row("b1", "b", group="q"), row("b2", "b")]
    found = tried(rows, rare="train")
    assert {sides(found.split)[key] for key in ("r", "s", "b0", "b1", "b2")} == {"train"}
    assert "3 classes ('b'; 'rare'; 'scarce')" in found.findings[0].message


def test_where_nothing_is_large_enough_the_empty_side_is_named():
    found = tried(many({"a": 2, "b": 1}), rare="train")
    assert [each.message for each in found.findings if each.level == "error"] == [
        "no sample is left for val, of 3 in all",
        "no sample is left for test, of 3 in all",
    ]
    found = tried(many({"a": 9, "b": 1}, split="train") + many({"c": 3}, split="test"), rare="drop")
    assert found.findings[-1].message == "no sample is left for test, of 9 in all, after 4 samples left out"


@pytest.mark.parametrize("kind", ["labels", "number"])
def test_only_kinds_whose_strata_exclude_each_other_have_rare_ones(kind):
    rows = [row(f"{i:02d}", str(i % 7)) for i in range(40)]
    expected = make_split(rows, 0, kind)
    assert tried(rows, kind, rare="train").split == tried(rows, kind, rare="drop").split == expected


def test_a_rare_class_stays_in_train_though_its_large_group_would_suit_another_side():
    rows = many({"a": 10, "b": 30})
    for group, count in (("p", 24), ("q", 12)):
        rows += [row(group, f"rare {group}", group=group), *many({"a": count}, group=group, content=group)]
    rows = [row(f"{i:03d}", r.target, group=r.group) for i, r in enumerate(rows)]
    found = tried(rows, rare="train")
    assert {r.split for r in found.split.rows if r.target.startswith("rare") or r.group} == {"train"}


def test_a_rare_class_keeps_its_place_on_a_given_side():
    rows = [row(f"t{c}{i}", c, split="train") for c in "ab" for i in range(9)]
    rows += [row("t", "rare", split="train"), *(row(f"x{c}", c, split="test") for c in ("a", "b", "rare"))]
    found = tried(rows, rare="train")
    assert [r.split for r in found.split.rows if r.target == "rare"] == ["train", "test"]
    assert "class 'rare' is too small to be on every side, and so not cut for val: no" in found.findings[0].message


def cut(rows, kind="class", **shares):
    return splitting.try_split(rows, Cut(0, SplitShares(**shares)), KINDS[kind])


@pytest.mark.parametrize("kind", ["class", "number"])
@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        ({"test": 0.1, "val": 0.5}, {"train": 90, "val": 90, "test": 20}),
        ({"test": 0.5, "val": 0.2}, {"train": 80, "val": 20, "test": 100}),
        ({"test": 0.0}, {"train": 160, "val": 40, "test": 0}),
    ],
)
def test_each_share_is_of_what_the_one_before_left(kind, shares, counts):
    rows = many({"1": 100, "2": 100}) if kind == "class" else [row(f"{i:03d}", str(i)) for i in range(200)]
    assert cut(rows, kind, **shares).split.counts == counts


def test_shares_that_are_not_set_give_the_split_of_those_that_are_the_default():
    rows = many({"a": 50, "b": 31, "c": 7})
    assert cut(rows, test=0.2, val=0.2).split == make_split(rows, 0)
    assert cut(rows).findings == ()


def test_without_a_test_side_val_is_cut_as_from_a_train_side_beside_a_given_one():
    rows = many({"a": 50, "b": 30})
    beside = [*(replace(each, split="train") for each in rows), row("t/a", "a", split="test")]
    (told,) = (found := cut(rows, test=0.0)).findings
    assert sides(found.split) == {k: s for k, s in sides(make_split(beside, 0)).items() if k != "t/a"}
    assert (told.level, told.message) == (
        "note",
        "no sample is held out as test: split.test is 0; val chooses, so that its figures flatter",
    )


def test_a_given_side_is_kept_whatever_its_share_says():
    rows = many({"a": 20, "b": 20}, split="train") + [row(f"t{c}{i}", c, split="test") for c in "ab" for i in range(9)]
    found = cut(rows, test=0.0)
    assert found.split == make_split(rows, 0)
    assert [each.message for each in found.findings] == [
        "no val side was given: 20 % of train (8 of 40 samples) is val, which chooses",
        "split.test=0 has nothing to act on: the data gives its own test side, which is kept",
    ]
    assert {each.level for each in found.findings} == {"note"}


def test_nothing_is_said_of_a_cut_where_all_sides_are_given_or_none_is():
    given = [row(f"{s}{c}{i}", c, split=s) for s in ("train", "val", "test") for c in "ab" for i in range(4)]
    assert cut(given).findings == ()
    assert cut(many({"a": 20, "b": 20}), test=0.3).findings == ()


def test_a_share_that_leaves_nothing_to_train_on_is_an_error_with_the_way_out():
    rows = [row(f"{i}", str(i)) for i in range(10)]
    errors = [each for each in cut(rows, "number", test=0.95).findings if each.level == "error"]
    assert [each.message for each in errors] == [f"no sample is left for {s}, of 10 in all" for s in ("train", "val")]
    assert "set other shares" in errors[0].hint


def test_a_class_needs_as_many_samples_as_sides_are_cut():
    rows = many({"a": 20, "rare": 2})
    assert sides(cut(rows, test=0.0).split).keys() == {each.key for each in rows}
    (told,) = cut([*rows, row("one", "one")], test=0.0).findings
    assert told.message == "class 'one' has 1 sample; 2 sides need at least 2"


def shared(rows, share, *, seed=0, draw=0, kind="class"):
    return splitting.try_split(rows, Cut(seed, SplitShares(train=share), draw), KINDS[kind])


def test_a_share_of_train_learns_in_proportion_and_val_and_test_stay_whole():
    rows = many({"a": 500, "b": 300, "c": 200})
    whole = make_split(rows, 0)
    tried = shared(rows, 0.1)
    assert tried.split.counts == {"train": 64, "val": 160, "test": 200}
    assert tried.split.only("val", "test") == whole.only("val", "test")
    assert Counter(r.target for r in tried.split.only("train").rows) == {"a": 32, "b": 19, "c": 13}
    assert {r.key for r in tried.aside} | {r.key for r in tried.split.only("train").rows} == {
        r.key for r in whole.only("train").rows
    }
    (note,) = (each for each in tried.findings if "left aside" in each.message)
    assert "10 % of train is 64 samples of 640" in note.message


def test_a_smaller_share_is_a_part_of_a_larger_one_and_the_seed_draws_another():
    rows = many({f"c{i}": 20 + 7 * i for i in range(6)})
    learn = [
        {r.key for r in shared(rows, share, draw=draw).split.only("train").rows}
        for share, draw in ((0.05, 0), (0.1, 0), (0.3, 0), (1.0, 0), (0.1, 1))
    ]
    assert learn[0] < learn[1] < learn[2] < learn[3]
    assert learn[4] != learn[1]
    assert len(learn[4]) == len(learn[1])


def test_every_class_learns_or_the_share_is_refused_with_the_least_that_would_do():
    rows = many({"common": 900, **{f"rare{i}": 5 for i in range(8)}})
    kept = shared(rows, 0.02).split.only("train").rows
    assert {r.target for r in kept} == {"common", *(f"rare{i}" for i in range(8))}
    tried = shared(rows, 0.01)
    assert tried.split is None
    (error,) = (each for each in tried.findings if each.level == "error")
    assert "too few to have one of each of 9 classes" in error.message
    least = float(error.hint.partition("split.train=")[2].partition(" ")[0])
    assert shared(rows, least).split is not None
    assert shared(rows, least - 0.0002).split is None


def test_a_share_of_numbers_and_of_a_given_train_side_is_drawn_as_well():
    numbers = [row(f"k{i:03d}", str(i)) for i in range(200)]
    found = [float(r.target) for r in shared(numbers, 0.25, kind="number").split.only("train").rows]
    assert len(found) == round(0.25 * make_split(numbers, 0, "number").counts["train"] + 0.01)
    assert 60 < sum(found) / len(found) < 140
    given = [*many({"a": 40, "b": 40}, split="train"), row("v", "a", split="val"), row("t", "b", split="test")]
    tried = shared(given, 0.5)
    assert tried.split.counts == {"train": 40, "val": 1, "test": 1}
    assert not any("nothing to act on" in each.message for each in tried.findings)
