"""Any text as a target: kept to the letter, no class, split by its source."""

import pytest

from headstart.data.targets import build_target_kind, find_targets
from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import Record, Records

REGISTRY = load_registry()
KIND = build_target_kind(REGISTRY, "text")


def items(*pairs):
    return [Record(f"r{index}", source, target) for index, (source, target) in enumerate(pairs)]


def told(*pairs):
    return [(each.level, each.message, each.count) for each in KIND.check(items(*pairs))]


def test_a_text_is_kept_to_the_letter_and_is_no_class():
    assert KIND.read("  Ñu — ÑU ", "r0") == "  Ñu — ÑU "
    assert KIND.names("Gato") == ()
    assert KIND.strata(["Gato", "gato"]) == [("all",), ("all",)]
    assert not KIND.exclusive
    assert told(("a", "Gato"), ("b", "gato"), ("c", "Gato ")) == []  # look-alikes are no fault


def test_what_is_no_text_or_no_utf8_is_refused_by_name():
    with pytest.raises(DataError, match="r3: the target is int"):
        KIND.read(5, "r3")
    with pytest.raises(DataError, match="r3: the target holds a letter that is no UTF-8"):
        KIND.read("a\udc80", "r3")
    assert told(("a", "x\udc80"), ("b", "y"))[0] == ("error", "r0: the target holds a letter that is no UTF-8", 1)


def test_empty_targets_and_nothing_to_learn_are_told():
    found = told(("a", "x y"), ("b", ""), ("c", "  "))
    assert found == [("warning", "2 of 3 targets are empty, such as that of r1", 2)]
    assert told(("a", "x"), ("b", "x"))[0][:2] == (
        "error",
        "all samples have the target 'x'; there is nothing to learn",
    )


def test_pairs_that_are_no_translations_are_told_where_samples_are_texts():
    assert told(("Open it", "Abrir"), ("Draw", "Draw"), ("Close", "Pechar"))[0][:2] == (
        "warning",
        "1 pair with the source itself as target, such as r1: 'Draw' | 'Draw'",
    )
    sounds = [Record("a", b"1", "a cat"), Record("b", b"2", "a dog")]
    assert list(KIND.check(sounds)) == []


SENTENCES = [f"this is the sentence number {word} of a text" for word in "abcdefghijklmn"]


def test_sentences_that_all_differ_are_recognised_and_names_of_classes_are_not():
    def kind_of(targets):
        return find_targets(
            Records("text", tuple(Record(str(i), "x", target) for i, target in enumerate(targets))), REGISTRY
        )

    found = kind_of(SENTENCES)
    assert (found.spec.name, found.could_differ, found.instead) == ("targets/text", True, "class")
    for classes in (["cat", "dog"] * 10, SENTENCES[:2] * 10, [f"class {n}" for n in range(20)], SENTENCES[:5]):
        assert kind_of(classes).spec.name == "targets/class"
    assert kind_of([f"{n / 7:.3f}" for n in range(30)]).spec.name == "targets/number"
