"""Targets as text: what they hold, and which task they ask for."""

import pytest

from headstart.data.checks import raise_errors, record_findings
from headstart.data.targets import build_target_kind, find_targets, other_kind
from headstart.errors import DataError
from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import bind, resolve_recipe
from headstart.registry import load_registry
from headstart.specs import Finding, Recognised, Record, Records

REGISTRY = load_registry()
KINDS = {name: build_target_kind(REGISTRY, name) for name in ("class", "labels", "number")}


def records(targets, form=None):
    items = tuple(Record(f"r{index}", b"", target) for index, target in enumerate(targets))
    return Records("image", items, targets=form)


def found_in(targets):
    return find_targets(records(targets), REGISTRY)


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3.0), ("-3.5", -3.5), (" 1e3 ", 1000.0), (".5", 0.5), ("+2.", 2.0), ("0", 0.0)]
)
def test_numbers_are_read_as_people_write_them(text, value):
    assert KINDS["number"].read(text, "r0") == value


@pytest.mark.parametrize("text", ["", "nan", "inf", "1_000", "1,5", "3 kg", "0x10", "1e999", "٣"])
def test_everything_else_is_no_number(text):
    with pytest.raises(DataError, match="r0: "):
        KINDS["number"].read(text, "r0")


def test_labels_are_what_stands_between_the_separators():
    read = KINDS["labels"].read
    assert read("red|round ", "r0") == ("red", "round")
    assert read("red", "r0") == ("red",)
    assert read("", "r0") == read("|", "r0") == ()


def test_a_target_is_read_as_its_kind_and_what_is_no_number_is_named():
    assert KINDS["class"].read("red|round", "r1") == "red|round"
    assert KINDS["number"].read("-3.5", "r1") == -3.5
    with pytest.raises(DataError, match="r2: the target 'tall'"):
        KINDS["number"].read("tall", "r2")


@pytest.mark.parametrize(
    ("targets", "form"),
    [
        (["cat", "dog", "cat"], "class"),
        (["red", "round", "red|round"], "labels"),
        (["red|round", "red", "", "round"], "labels"),
        (["A|1", "B|2", "A|1"], "class"),  # a separator, but each label comes with the same others only
        ([f"{n / 7:.3f}" for n in range(30)], "number"),
        (["0.5", "1.0"] * 10, "class"),  # grades
        ([str(n % 10) for n in range(100)], "class"),
        ([str(n) for n in range(100)], "number"),
        ([str(n % 100) for n in range(5000)], "class"),  # as many as a hundred classes have
        ([*(str(n) for n in range(100)), "unknown"], "class"),
        (["1.0", "2.0", "3.0"] * 9, "class"),
        ([f"{n:03d}" for n in range(1, 26)], "class"),  # codes
        ([*(str(n) for n in range(10, 100)), "07"], "class"),  # as one leading zero says
        ([f"{n / 7:.3f}" for n in range(5)], "number"),  # 0.000 and 0.143 have none
    ],
)
def test_the_targets_tell_their_form(targets, form):
    assert find_targets(records(targets), REGISTRY).spec.short_name == form


def test_what_the_dataset_says_comes_first():
    found = find_targets(records(["1.5", "2.5", "9.1", "7.3", "8.2"], "class"), REGISTRY)
    assert (found.spec.name, found.could_differ) == ("targets/class", False)
    assert find_targets(records(["cat", "dog"], "targets/labels"), REGISTRY).spec.name == "targets/labels"


def test_the_reason_holds_the_counts_and_doubtful_ones_are_marked():
    told = found_in([str(n) for n in range(100)])
    assert told.could_differ
    assert "100 targets are whole numbers, 100 different" in told.reason
    assert not found_in(["cat", "dog"]).could_differ


@pytest.mark.parametrize(
    ("targets", "task", "told"),
    [
        ([f"{n:03d}" for n in range(1, 26)], "classification", "'001' has a leading zero"),
        ([str(n) for n in range(25)], "regression", "whole numbers, 25 different ones"),
        (["1", "2", "3", "4", "5"] * 4, "classification", "whole numbers, 5 different ones"),
        (["0", "1"] * 10, "classification", None),  # nobody means these as measured
        (["01", "02", "03"] * 10, "classification", None),
    ],
)
def test_numbers_that_could_be_meant_otherwise_are_told_with_the_task_that_learns_them_so(targets, task, told):
    resolved = resolve_recipe(build_recipe(flags={"data": "digits", "backend": "jax"}), REGISTRY)
    bound = bind(resolved, REGISTRY, records(targets))
    assert bound.task.short_name == task
    said = [warning for warning in bound.warnings if "the task is" in warning]
    assert len(said) == (told is not None)
    if told:
        assert told in said[0]
        assert f"--task {'regression' if task == 'classification' else 'classification'}" in said[0]


def test_odd_cells_in_a_column_of_numbers_are_told():
    told = found_in([*(str(n) for n in range(100)), "unknown", "n/a"])
    assert (told.spec.short_name, told.could_differ) == ("class", True)
    assert told.reason == "100 of 102 targets are numbers, and 'unknown' is none"
    assert not found_in([*(str(n) for n in range(30)), *["cat"] * 9]).could_differ  # a quarter is no odd cell
    assert not found_in([*(str(n % 10) for n in range(100)), "none"]).could_differ  # digits and one more


@pytest.mark.parametrize(
    ("targets", "form", "words"),
    [
        (["1.5", "tall"], "number", "r1: the target 'tall' is no number"),
        (["1.5", "1.50"], "number", "nothing to learn"),
        (["", ""], "labels", "no sample has any label"),
        (["a|b", "b|a"], "labels", "the same labels"),
        (["a|b", "a|a"], "labels", "r1: a label is given twice"),
        (["a", "a"], "class", "at least two classes"),
        (["a", "b\udc80"], "labels", "not valid UTF-8"),
    ],
)
def test_targets_that_nothing_can_be_learned_from_are_refused(targets, form, words):
    with pytest.raises(DataError, match=words):
        raise_errors(KINDS[form].check(records(targets).items))


def check_records(targets, form):
    raise_errors(finding for finding in record_findings(records(targets).items, KINDS[form].check))


def test_a_record_may_be_without_labels_but_not_without_a_class():
    check_records(["a", ""], "labels")
    for form in ("class", "number"):
        with pytest.raises(DataError, match="r1: no label"):
            check_records(["1", ""], form)


def test_labels_that_look_alike_are_refused_and_numbers_never_are():
    with pytest.raises(DataError, match="'Cat' and 'cat'"):
        check_records(["Cat|dog", "cat"], "labels")
    check_records(["1E3", "1e3", "2"], "number")


def test_all_that_is_wrong_is_told_at_once():
    items = (
        Record("k", b"", "Cat"),
        Record("k", b"", "cat"),
        Record("l", b"", None),
        Record("m", b"", "a", split="dev"),
    )
    with pytest.raises(DataError, match="4 things are wrong with the data") as caught:
        raise_errors(record_findings(items, KINDS["class"].check))
    for words in ("'k'", "l: no label", "m: split is 'dev'", "'Cat' and 'cat'"):
        assert words in caught.value.message


def test_a_finding_counts_the_records_that_it_is_about():
    targets = ["1", "2", "tall", "wide", "3"]
    (found,) = KINDS["number"].check(records(targets).items)
    assert (found.level, found.count) == ("error", 2)
    assert "r2: the target 'tall' is no number" in found.message


@pytest.mark.parametrize("form", KINDS)
def test_targets_that_are_no_text_are_refused_by_kinds_of_text(form):
    (found,) = KINDS[form].check(records([7, "a", 8]).items)
    assert found.message == "r0: the target is int; expected text"
    assert found.count == 2
    assert KINDS[form].recognise(records([7, "a"])) is None
    with pytest.raises(DataError, match="r0: the target is int"):
        KINDS[form].read(7, "r0")


def test_what_no_kind_recognises_asks_for_a_task_or_a_plugin():
    with pytest.raises(DataError, match="no kind of targets recognises") as caught:
        found_in([(1, 2), (3, 4)])
    assert "--task" in caught.value.hint


class Kind:
    """A stand-in for an offered kind that is as sure as it is told."""

    def __init__(self, confidence):
        self.confidence = confidence

    def recognise(self, records):
        return Recognised("it is told so", self.confidence)


@pytest.mark.parametrize(("confidence", "name"), [(0.4, "targets/class"), (0.9, "aaa/mine")])
def test_the_surest_kind_wins(monkeypatch, confidence, name):
    found = find_targets(records(["cat", "dog"]), Offering(confidence))
    assert found.spec.name == name
    assert not found.could_differ


def test_of_equally_sure_kinds_the_first_by_name_is_taken_and_the_tie_is_told():
    found = find_targets(records(["cat", "dog"]), Offering(0.5))
    assert found.spec.name == "aaa/mine"
    assert found.could_differ
    assert "targets/class is as sure" in found.reason


class Offering:
    """The registry with one more kind of targets."""

    def __init__(self, confidence):
        from headstart.specs import TargetSpec

        self.own = TargetSpec(name="aaa/mine", summary="Mine.", build="mine:build", means="mine")
        self.kind = Kind(confidence)

    def specs(self, kind):
        return (self.own, *REGISTRY.specs(kind))

    def get(self, kind, name):
        return self.own if name == self.own.name else REGISTRY.get(kind, name)

    def load_target(self, spec, target):
        return (lambda request: self.kind) if spec is self.own else REGISTRY.load_target(spec, target)


@pytest.mark.parametrize(("form", "wanted"), [("class", "one class"), ("number", "a number")])
def test_a_column_of_labels_is_not_taken_for_samples_without_a_label(form, wanted):
    several = Records("text/text", (Record("a", "x", "red|round"), Record("b", "y", "")), targets="labels")
    found = other_kind(several, REGISTRY.get("targets", form), REGISTRY)
    assert f"several labels a sample (the dataset says so); this task learns {wanted} of each" in found.message
    assert found.level == "error"
    assert found.hint == "leave --task out, or name one for several labels, such as --task multilabel"


@pytest.mark.parametrize(("given", "wanted"), [("class", "number"), ("class", "labels"), (None, "number")])
def test_names_of_classes_may_be_learned_as_what_else_they_are(given, wanted):
    assert other_kind(records(["1", "2"], given), REGISTRY.get("targets", wanted), REGISTRY) is None


def test_encoded_targets_stay_where_samples_are_changed():
    targets = {"classes": object()}
    assert all(kind.transform(targets, (), {}) is targets for kind in KINDS.values())


def test_targets_in_words_are_their_text():
    assert KINDS["labels"].words("red|round") == "red|round"
    assert KINDS["labels"].words("") == ""
    assert KINDS["number"].words("-3.5") == "-3.5"


def test_only_errors_stop_and_are_told():
    raise_errors([Finding("warning", "odd"), Finding("note", "fine")])
    with pytest.raises(DataError) as stopped:
        raise_errors([Finding("warning", "odd"), Finding("error", "broken"), Finding("note", "fine")])
    assert stopped.value.message == "broken"
