"""Level B of datasets: each bug turns red what asserts it, for that reason, and nothing else."""

from unittest import SkipTest

import pytest

from headstart.testing import DatasetOpened

from .planting import assert_fails_only, changed, failures, named

pytestmark = pytest.mark.slow  # the kit on faulty plugins; on the built-in ones it runs in the quick suite

PLUGIN = '''
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec, Tolerances

@dataclass(frozen=True)
class Options(Tolerances):
    """What is read."""

    suffix: str = option(".npy", "Which files are read.")

def spec(name, **changes):
    return DatasetSpec(
        name=name, summary="Arrays.", build="planted_build:build", medium="image", targets=("targets/class",),
        options=Options, **changes
    )

@hookimpl
def register_datasets():
    made = spec("planted/made", takes_path=False, make="planted_build:make")
    return [spec("planted/it", takes_path=True), spec("planted/inside", takes_path=False), made]
'''

BUILD = '''
import itertools
import os
from pathlib import Path

import numpy as np

from headstart.errors import DataError, UsageError
from headstart.specs import Record, Records, Skipped, Tolerances

COUNTER = itertools.count(1)

def build(request):
    """One record a file, `folder`/class-number.npy; or twelve made ones."""
    if request.reference is None and request.made is None:
        return made(request.options)
    folder = request.made or Path(request.reference)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    files = sorted(folder.glob("*" + request.options.suffix))
    items = [record(file) for file in files]
    return Records(medium="image", items=tuple(items), symmetries=frozenset(), skipped=(), targets="targets/class",
                   tolerances=request.options)

def make(request):
    """A file of each of the arrays in the one given."""
    for number, array in enumerate(np.load(request.source)):
        np.save(request.folder / f"{'ab'[number % 2]}-{number:02d}.npy", array)

def record(file):
    return Record(key=file.stem, payload=np.load(file), target=file.stem.partition("-")[0])

def made(options):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)
    items = tuple(Record(f"made-{i}", pixels[i], "ab"[i % 2]) for i in range(12))
    return Records("image", items, targets="targets/class", tolerances=options)
'''


def write_arrays(self, folder):
    import numpy as np

    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 10), np.uint8)
    for number, array in enumerate(pixels):
        np.save(folder / f"{'ab'[number % 2]}-{number:02d}.npy", array)
    return folder


def write_source(self, folder):
    import numpy as np

    np.save(folder / "all.npy", np.random.default_rng(0).integers(0, 256, (12, 10, 10), np.uint8))
    return folder / "all.npy"


SOUND = "test_its_records_are_sound"
LEARNED = "test_its_targets_can_be_learned"
KINDS = "test_its_targets_are_of_the_kinds_that_it_states"
READ = "test_its_payloads_can_be_read"
TWICE = "test_opened_twice_it_gives_the_same_records_in_the_same_order"
DISJOINT = "test_its_own_splits_are_disjoint"
SPLIT = "test_headstart_can_split_it"
ABSENT = "test_a_reference_that_leads_nowhere_is_refused"
UNTOUCHED = "test_opening_it_changes_nothing_on_disk"
TOLERANCES = "test_its_tolerances_are_what_its_options_say"
MADE_TWICE = "test_made_twice_it_is_the_same_data"
OPENING = (SOUND, KINDS, LEARNED, READ, TWICE, DISJOINT, SPLIT, UNTOUCHED, TOLERANCES)
"""What needs records."""

KEY, PAYLOAD, TARGET = "key=file.stem", "payload=np.load(file)", 'target=file.stem.partition("-")[0]'
RETURN = "    return Records(medium="

BUGS = {
    # name: ((old, new) in the build module, {test that must fail: why})
    "keys that repeat": (
        (KEY, "key=file.stem[:1]"),
        {SOUND: "2 keys are not unique, such as 'a'"},
    ),
    "a key that is no text": ((KEY, "key=int(file.stem[2:])"), {SOUND: "the key 0 of a record is not a text"}),
    "an empty key": (
        (KEY, "key=file.stem if file.stem[2:] != '03' else ' '"),
        {SOUND: "the key ' ' of a record is not a text"},
    ),
    "a payload of another type": (
        (PAYLOAD, "payload=np.load(file).tolist()"),
        {SOUND: "a-00: the payload is list; expected Path, bytes, Stored, str or a numpy array"},
    ),
    "a label that is a number": (
        (TARGET, "target=int(file.stem[2:]) % 2"),
        {SOUND: "a-00: target is 0; expected a text"},
    ),
    "one class": ((TARGET, 'target="a"'), {LEARNED: "all samples have the label 'a'; learning needs at least two"}),
    "classes that look alike": (
        (TARGET, 'target="Aa"[int(file.stem[2:]) % 2]'),
        {LEARNED: "'A' and 'a' differ only by case"},
    ),
    "a split that is none": (
        (TARGET, TARGET + ', split="dev"'),
        {SOUND: "split is 'dev'; expected train, val, test or None"},
    ),
    "a group that is a number": ((TARGET, TARGET + ", group=3"), {SOUND: "group is 3; expected a text"}),
    "what is skipped without a reason": (
        ("skipped=()", 'skipped=(Skipped("a.txt", ""),)'),
        {SOUND: "does not say what was left out and why"},
    ),
    "symmetries that are no set of names": (
        ("symmetries=frozenset()", 'symmetries=["horizontal_flip"]'),
        {SOUND: "`symmetries` is .*expected a frozenset of names"},
    ),
    "no records": (
        ("[record(file) for file in files]", "[]"),
        {SOUND: "tuple of 0 records; expected a tuple of some"},
    ),
    "a list": (("tuple(items)", "items"), {SOUND: "`items` is list of 12 records; expected a tuple"}),
    "another input kind than the spec says": (
        ('Records(medium="image"', 'Records(medium="text"'),
        {SOUND: "the medium of its records is 'text', its spec says 'image'"},
    ),
    "targets of another kind than the spec says": (
        ('targets="targets/class",\n', 'targets="targets/labels",\n'),
        {KINDS: "the targets of its records are 'targets/labels', its spec says 'targets/class'"},
    ),
    "targets of no kind, though the spec says one": (
        ('skipped=(), targets="targets/class",\n', "skipped=(),\n"),
        {KINDS: "the targets of its records are None, its spec says 'targets/class'. Name the same in both"},
    ),
    "payloads that nobody can read": (
        (PAYLOAD, 'payload=np.load(file).astype("complex64")'),
        {READ: "a-00: the input kind cannot read it"},
    ),
    "one payload that nobody can read": (
        (
            "    return Record(",
            "    if file.stem == 'b-11':\n        return Record('b-11', b'?', 'b')\n    return Record(",
        ),
        {READ: "b-11: the input kind cannot read it"},
    ),
    "order of a set": (
        ("sorted(folder.glob(", "set(folder.glob("),
        {TWICE: "another process finds other records, or another order"},
    ),
    "order of a counter": (
        (RETURN, "    items = items[next(COUNTER) :] + items[: next(COUNTER) - 1]\n" + RETURN),
        {TWICE: r"opened twice it gives record 0 is '[ab]-\d\d' and then"},
    ),
    "keys from hash()": ((KEY, "key=str(hash(file.stem))"), {TWICE: "another process finds other records"}),
    "a picture on both sides": (
        (
            "    return Record(key=file.stem, payload=np.load(file)",
            "    side = 'train' if int(file.stem[2:]) < 8 else 'test'\n"
            "    other = file.with_name('b-01.npy') if file.stem == 'b-09' else file\n"
            "    return Record(key=file.stem, split=side, payload=np.load(other)",
        ),
        {DISJOINT: r"b-01 \(train\) and b-09 \(test\) have the same content"},
    ),
    "a group on both sides": (
        (
            "    return Record(key=file.stem,",
            "    side = 'train' if int(file.stem[2:]) < 8 else 'test'\n"
            "    return Record(key=file.stem, split=side, group=file.stem[:1],",
        ),
        {DISJOINT: r"belong to the group 'a'"},
    ),
    "a class that is too small": (
        (
            "    return Record(",
            "    if file.stem == 'b-11':\n        return Record('c', np.load(file), 'c')\n    return Record(",
        ),
        {SPLIT: "it cannot be split: class 'c' has 1 sample; 3 sides need at least 3"},
    ),
    "tolerances that are not handed on": (
        ("tolerances=request.options", ""),
        {TOLERANCES: "`tolerances` is None; it was opened with .*Write `tolerances=request.options`"},
    ),
    "tolerances of its own": (
        ("tolerances=request.options", "tolerances=Tolerances()"),
        {TOLERANCES: "`tolerances` is Tolerances.*unreadable=0.01"},
    ),
    "an absent path that is data": (
        ('raise UsageError(f"{folder}: no such folder")', 'raise DataError("nothing there")'),
        {ABSENT: r"the absent path \S+not-there raises DataError: nothing there"},
    ),
    "an absent path that crashes": (
        ("    if not folder.is_dir():\n", "    if not os.listdir(folder):\n"),
        {ABSENT: "raises FileNotFoundError.*Raise headstart.errors.UsageError"},
    ),
    "an absent path that is empty": (
        ('        raise UsageError(f"{folder}: no such folder")', "        return Records('image', ())"),
        {ABSENT: "is accepted"},
    ),
    "an index beside the data": (
        (RETURN, '    (folder / "index.txt").write_text("seen")\n' + RETURN),
        {UNTOUCHED: r"changes the data: index.txt \(new\)"},
    ),
    "a picture that is turned on disk": (
        (RETURN, "    np.save(files[0], np.load(files[0]).T)\n" + RETURN),
        {UNTOUCHED: r"changes the data: a-00.npy \(altered\)", TWICE: "another process finds other records"},
    ),
    "files that are touched": (
        (RETURN, "    os.utime(files[0])\n" + RETURN),
        {UNTOUCHED: r"changes the data: a-00.npy \(altered\)"},
    ),
    "a log in the working directory": (
        (RETURN, '    Path("log.txt").write_text("opened")\n' + RETURN),
        {UNTOUCHED: "writes into the working directory: log.txt"},
    ),
    "raises": (
        (RETURN, "    raise KeyError('label')\n" + RETURN),
        dict.fromkeys(OPENING, "raises KeyError: 'label'. Correct the build target"),
    ),
    "returns a list": (
        (RETURN, "    return items\n" + RETURN),
        dict.fromkeys(OPENING, "its build target returned list. Return headstart.specs.Records"),
    ),
}


def plant(garden, edit=None):
    garden.plant(PLUGIN, planted_build=changed(BUILD, *[edit] * (edit is not None)))


def test_a_sound_dataset_of_files_passes(garden):
    plant(garden)
    assert failures(named(DatasetOpened, reference=write_arrays)) == {}


def test_a_sound_dataset_without_files_passes(garden):
    plant(garden)
    assert failures(named(DatasetOpened, "planted/inside")) == {}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_in_a_dataset_is_told_by_what_asserts_it(garden, bug):
    edit, expected = BUGS[bug]
    plant(garden, edit)
    assert_fails_only(named(DatasetOpened, reference=write_arrays), expected)


def test_a_reference_given_to_a_dataset_that_takes_none_has_to_be_refused(garden):
    plant(
        garden, ("    if request.reference is None and request.made is None:\n        return made(", "    return made(")
    )
    assert_fails_only(named(DatasetOpened, "planted/inside"), {ABSENT: "the absent path .* is accepted"})


def test_a_dataset_of_files_without_a_sample_is_told_what_to_write(garden):
    plant(garden)
    expected = r"there is none to open\. Write `reference\(self, folder\)` in TestPlanted"
    assert_fails_only(named(DatasetOpened), dict.fromkeys((*OPENING, ABSENT), expected))


def test_a_sound_dataset_that_has_to_be_made_passes(garden):
    plant(garden)
    assert failures(named(DatasetOpened, "planted/made", source=write_source)) == {}


MAKING_BUGS = {
    # name: ((old, new) in the build module, {test that must fail: why})
    "what counts": (
        ("np.save(request.folder / f\"{'ab'[number % 2]}-{number:02d}.npy\", array)",
         "np.save(request.folder / f\"{'ab'[number % 2]}-{next(COUNTER):02d}.npy\", array)"),
        {MADE_TWICE: r"made twice from the same file it differs in a-13\.npy"},
    ),
    "a log in the working directory of making": (
        ("    for number, array in enumerate(np.load(request.source)):",
         "    Path('log.txt').write_text('made')\n    for number, array in enumerate(np.load(request.source)):"),
        {MADE_TWICE: "making it writes into the working directory: log.txt"},
    ),
    "making that fails": (
        ("np.load(request.source)", "np.load(request.sauce)"),
        dict.fromkeys((*OPENING, ABSENT, MADE_TWICE), "making it raises AttributeError.*Correct the make target"),
    ),
    "making that writes nothing": (
        ("np.load(request.source)", "()"),
        dict.fromkeys((*OPENING, ABSENT, MADE_TWICE), "planted_build:make wrote nothing"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("bug", MAKING_BUGS)
def test_a_bug_in_making_a_dataset_is_told_by_what_asserts_it(garden, bug, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # where one of them leaves its log
    edit, expected = MAKING_BUGS[bug]
    plant(garden, edit)
    assert_fails_only(named(DatasetOpened, "planted/made", source=write_source), expected)


def test_a_dataset_that_has_to_be_made_is_skipped_without_anything_to_make_it_from(garden):
    plant(garden)
    contract = named(DatasetOpened, "planted/made")
    assert failures(contract) == {}
    with pytest.raises(SkipTest, match=r"no file to make it from: write `source\(self, folder\)` in TestPlanted"):
        getattr(contract(), SOUND)()


def test_options_that_the_dataset_does_not_take_are_told(garden):
    plant(garden)
    contract = named(DatasetOpened, reference=write_arrays, options={"sufix": ".npy"})
    expected = r"do not accept .*options.sufix: unknown option \(did you mean suffix\?\)"
    assert_fails_only(contract, dict.fromkeys((*OPENING, ABSENT), expected))


@pytest.mark.parametrize(
    "lacking", [{"requires": ("no_such_module",)}, {"missing": lambda self: "the disc is not in the drive"}]
)
def test_a_dataset_that_lacks_something_here_is_skipped_with_the_reason(garden, lacking):
    plant(garden)
    contract = named(DatasetOpened, reference=write_arrays, **lacking)
    assert failures(contract) == {}
    with pytest.raises(SkipTest, match=r"no_such_module, which is not installed|the disc is not in the drive"):
        getattr(contract(), SOUND)()
