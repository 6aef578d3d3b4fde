"""Target kinds and input kinds: each bug turns red what asserts it, for that reason, and nothing else."""

import numpy as np
import pytest

from headstart.specs import Change
from headstart.testing import (
    InputKindContract,
    InputKindPrepared,
    InputKindStaged,
    TargetKindContract,
    TargetKindDeclared,
    TargetKindRead,
)

from .planting import assert_fails_only, changed, failures, named

SLOW_ON_JAX = True

PLUGIN = """
from headstart.hookspecs import hookimpl
from headstart.specs import InputSpec, TargetSpec

@hookimpl
def register_targets():
    return [TargetSpec(name="planted/it", summary="Stars.", build="planted_build:Stars", means="some stars")]

@hookimpl
def register_inputs():
    return [InputSpec(
        name="planted/it", summary="Waves.", build="planted_build:Waves", reads=("wave",), produces="wave",
        changes={"louder": "Times a number; the factor."},
    )]
"""

BUILD = '''
import itertools
from pathlib import Path

import numpy as np

from headstart.errors import DataError, PluginError, UsageError
from headstart.specs import Finding, Prepared, Preview, Recognised, Sample, TensorSpec

COUNTER = itertools.count()

class Stars:
    """One to five stars, written as "***"."""

    noun = "rating"
    exclusive = True
    moves = False

    def __init__(self, request):
        pass

    def recognise(self, records):
        stars = [record.target for record in records.items]
        sure = bool(stars) and all(isinstance(each, str) and set(each) == {"*"} for each in stars)
        return Recognised("all are stars", 1.0) if sure else None

    def check(self, items):
        for record in items:
            try:
                self.read(record.target, record.key)
            except DataError as error:
                yield Finding("error", error.message)

    def names(self, target):
        return (target,)

    def strata(self, targets):
        return [(target,) for target in targets]

    def words(self, target):
        return f"{len(target)} stars"

    def read(self, target, where):
        if not isinstance(target, str) or set(target) != {"*"}:
            raise DataError(f"{where}: {target!r} is no row of stars")
        return len(target)

    def transform(self, targets, changes, facts):
        return {name: array.copy() for name, array in targets.items()}

class Waves:
    """Files of numpy.save of up to 8 numbers."""

    hint = "numbers lie between -1 and 1"
    lengths = (4, 8)

    def __init__(self, request):
        self.tensors = {"wave": TensorSpec((8,), "float32", length_axis=0)}
        self.output_ranges = {"twice": (-2.0, 2.0)}
        self.forms = request.forms

    def form(self, payload):
        return "the first" if str(payload).endswith("0.npy") else "another"

    def read(self, payload, where):
        if self.forms and self.form(payload) not in self.forms:
            raise DataError(f"{where} is {self.form(payload)}")
        try:
            wave = np.load(payload)
        except (OSError, TypeError, ValueError) as exc:
            raise DataError(f"{where}: cannot be read") from exc
        return Sample(wave.astype(np.float32), ("short",))

    def prepare(self, sample):
        wave = np.zeros(8, np.float32)
        wave[: len(sample.value)] = sample.value
        return Prepared({"wave": wave}, {"count": len(sample.value)}, len(sample.value))

    def prepare_several(self, sample):
        return [self.prepare(sample)]

    def transform(self, tensors, changes):
        wave = tensors["wave"].copy()
        for change in changes:
            if change.name != "louder":
                raise PluginError(f"unknown change {change.name}")
            wave *= np.float32(change.value)
        return {"wave": wave}

    def mix(self, tensors, partner, mix):
        if mix.region is not None:
            raise PluginError("no regions")
        return {"wave": np.float32(mix.share) * tensors["wave"] + np.float32(1 - mix.share) * partner["wave"]}

    def own_share(self, mix):
        return mix.share

    def steps(self, prepared):
        return [str(each) for each in prepared.tensors["wave"][: prepared.length]]

    def blank(self, prepared):
        return {"wave": np.zeros_like(prepared.tensors["wave"])}

    def lacking(self):
        return {}

    def judge_notes(self, notes):
        return [Finding("warning", f"all {count} are {each}") for each, count in notes.items()]

    def stage(self):
        import keras

        wave = keras.Input((8,), name="wave")
        return keras.Model({"wave": wave}, {"twice": keras.layers.Rescaling(2.0)(wave)})

    def find(self, raw):
        path = Path(raw)
        if not path.exists():
            raise UsageError(f"no such file: {path}")
        return sorted(path.glob("*.npy")) if path.is_dir() else [path]

    smallest_tile = 2

    def tiles(self, sample, side, overlap):
        last = max(len(sample.value) - side, 0)
        for start in [*range(0, last, side - overlap), last]:
            row = self.prepare(Sample(sample.value[start : start + side]))
            yield Prepared(row.tensors, {**row.facts, "tile": [start, start + side]}, row.length)

    def fingerprint(self, sample):
        return len(sample.value)

    def preview(self, sample, changes=()):
        return Preview("text/plain", str(sample.value).encode())
'''


def stars(self, folder):
    return ["*", "**", "***", "*"]


def encoded(self, values):
    return {"stars": np.array(values, np.int32)[:, None]}


def waves(self, folder):
    for number in range(3):
        np.save(folder / f"{number}.npy", np.linspace(-1, 1, 4 + number))
    return sorted(folder.glob("*.npy"))


OF_TARGETS = {"targets": stars, "encoded": encoded, "changes": (Change("louder", 2.0),)}
OF_INPUTS = {"payloads": waves, "changes": (Change("louder", 0.5),)}

SAME = "test_it_reads_its_targets_the_same_each_time"
REFUSED = "test_rubbish_is_refused_by_the_name_of_the_record"
SOUND = "test_sound_targets_pass_its_check"
CHECK = "test_its_check_tells_every_error_and_raises_none"
RECOGNISES = "test_it_recognises_targets_without_raising"
STRATA = "test_its_strata_are_texts_one_tuple_a_target"
NAMES = "test_what_training_must_have_too_lies_in_strata_of_its_own"
WORDS = "test_its_words_are_a_short_text"
KEPT = "test_changes_keep_what_encoded_targets_are"
RAISE = 'raise DataError(f"{where}: {target!r} is no row of stars")'

TARGET_BUGS = {
    # name: ((old, new) in the build module, {test that must fail: why})
    "values from a counter": (("return len(target)\n", "return next(COUNTER)\n"), {SAME: "read twice, a target gives"}),
    "an error that names nobody": (
        (RAISE, 'raise DataError("no row of stars")'),
        {REFUSED: "it says only 'no row of stars'", CHECK: "none names its key, 'record 4'"},
    ),
    "rubbish that is read": (
        (RAISE, "return 0"),
        {REFUSED: r"read\(.*no-such-file.* gives 0", CHECK: "check has no error for .*no-such-file"},
    ),
    "an error of another kind": (
        (RAISE, 'raise ValueError("stars")'),
        {REFUSED: "raises ValueError: stars", CHECK: "check of 5 records raises ValueError"},
    ),
    "a check that finds too much": (
        (
            "        for record in items:\n            try",
            "        yield Finding('error', 'bad')\n        for record in items:\n            try",
        ),
        {SOUND: "check of sound targets gives .*bad"},
    ),
    "a surety above 1": (('stars", 1.0)', 'stars", 2.0)'), {RECOGNISES: "recognise gives Recognised.*2.0"}),
    "recognises by raising": (
        ("sure = bool(stars) and all(isinstance(each, str) and", "sure = bool(stars) and all("),
        {RECOGNISES: "recognise raises TypeError.*Return None for those"},
    ),
    "two strata though exclusive": (("[(target,) for", '[(target, "all") for'), {STRATA: "it is `exclusive`"}),
    "strata that are texts": (("[(target,) for", "[target for"), {STRATA: "one tuple of texts for each"}),
    "names without strata": (("[(target,) for", '[("all",) for'), {NAMES: r"share the strata \('all',\)"}),
    "words at length": (('f"{len(target)} stars"', '"star " * 99'), {WORDS: "at most 200 letters"}),
    "targets that change their type": (
        ("{name: array.copy() for", "{name: array.astype('float32') for"),
        {KEPT: r"transformed targets are .*float32.*Keep names and forms"},
    ),
    "targets that move by themselves": (
        ("array.copy() for", "array + 1 for"),
        {KEPT: "without changes, transform changes"},
    ),
    "targets that are written over": (
        (
            "facts):\n        return {name: array.copy()",
            "facts):\n        targets['stars'][...] += len(changes)\n        return {name: array.copy()",
        ),
        {KEPT: "transform changes what it is given"},
    ),
}

PREPARES = "test_what_it_prepares_is_what_it_declares"
FACTS = "test_facts_are_small_plain_values"
ROWS = "test_the_same_payload_gives_the_same_rows"
UNREADABLE = "test_an_unreadable_payload_is_refused_by_the_name_of_the_record"
LENGTHS = "test_its_lengths_are_a_few_and_end_with_the_stored_one"
CHANGES = "test_each_change_keeps_names_shapes_and_dtypes"
UNKNOWN = "test_an_unknown_change_is_refused_by_name"
FINDS = "test_it_finds_what_an_input_of_the_command_line_means"
TILES = "test_its_tiles_are_rows_as_those_that_it_prepares"
SHOWS = "test_what_it_shows_of_a_sample_can_be_shown"
FORMS = "test_it_reads_the_forms_that_a_finished_network_learned_from_alone"
BESIDE = "test_what_it_offers_beside_is_sound"

INPUT_BUGS = {
    "another dtype": (
        ("wave = np.zeros(8, np.float32)", "wave = np.zeros(8)"),
        {PREPARES: "type float64, not .* float32", TILES: "a tile's .* type float64"},
    ),
    "a length that is too long": (
        ("len(sample.value)}, len(sample.value))", "len(sample.value)}, 9)"),
        {PREPARES: "length is 9", BESIDE: "of a row of length 9, steps gives"},
    ),
    "tiles that lie nowhere": (('"tile": [start', '"part": [start'), {TILES: "a tile has no fact `tile`"}),
    "a small sample that is cut": (
        ("last = max(len(sample.value) - side, 0)", "last = max(len(sample.value) - side, 1)"),
        {TILES: "a sample that one tile holds is not as `prepare` gives it"},
    ),
    "no rows": (("return [self.prepare(sample)]", "return []"), {PREPARES: "prepare_several gives no row"}),
    "facts that are no JSON": (
        ('{"count": len(sample.value)}', '{"count": sample.value[:1]}'),
        {FACTS: "no plain JSON value", TILES: "a tile's facts are no plain JSON value"},
    ),
    "rows from a counter": (
        ('{"count": len(sample.value)}', '{"count": next(COUNTER)}'),
        {ROWS: "prepared again, a payload gives"},
    ),
    "a refusal that names nobody": (('f"{where}: cannot', 'f"cannot'), {UNREADABLE: "it says only 'cannot be read'"}),
    "lengths that end early": (("lengths = (4, 8)", "lengths = (4, 6)"), {LENGTHS: r"lengths are \(4, 6\)"}),
    "a change in place": (('wave = tensors["wave"].copy()', 'wave = tensors["wave"]'), {CHANGES: "alters the sample"}),
    "a change that widens": (
        ("np.float32(change.value)", "change.value; wave = wave.astype(float)"),
        {CHANGES: "type float64"},
    ),
    "an unknown change that is passed over": (
        ('raise PluginError(f"unknown change {change.name}")', "continue"),
        {UNKNOWN: "'no-such-change' is applied"},
    ),
    "an unknown change without its name": (
        ("unknown change {change.name}", "unknown change"),
        {UNKNOWN: "it says .*unknown change"},
    ),
    "files in the wrong order": (
        ('sorted(path.glob("*.npy"))', 'sorted(path.glob("*.npy"))[::-1]'),
        {FINDS: "find of their folder"},
    ),
    "an absent path that is found": (
        ("if not path.exists()", "if False"),
        {FINDS: "not-there.* is .*Raise UsageError"},
    ),
    "a preview of nothing": (("str(sample.value).encode()", 'b""'), {SHOWS: "0 bytes of 'text/plain'"}),
    "a mixture of something else": (
        ("np.float32(1 - mix.share) *", "np.float32(2) *"),
        {BESIDE: "values that are not between"},
    ),
    "a change that is lacking and applied": (
        ("return {}", 'return {"louder": "it is loud"}'),
        {BESIDE: "lacking names 'louder', which it applies"},
    ),
    "a form that was not learned from": (
        ("if self.forms and", "if False and"),
        {FORMS: "built with the form 'another', it reads one of the form 'the first'|form 'the first', it reads"},
    ),
    "a form that is refused without a name": (
        ('f"{where} is {self.form', 'f"this is {self.form'),
        {FORMS: "refusing a payload of the form .* it says only 'this is"},
    ),
    "a lacking change that nobody named": (
        ("return {}", 'return {"quieter": "it is quiet"}'),
        {BESIDE: "lacking names quieter"},
    ),
    "a judgement that stops the run": (
        ('Finding("warning", f"all', 'Finding("error", f"all'),
        {BESIDE: "judge_notes gives"},
    ),
    "a step of padding": (
        ('["wave"][: prepared.length]]', '["wave"]]'),
        {BESIDE: "of a row of length 4, steps gives"},
    ),
    "steps that are no texts": (("[str(each) for", "[each for"), {BESIDE: "Give a text for each step"}),
    "a blank row of another type": (
        ('np.zeros_like(prepared.tensors["wave"])', "np.zeros(8)"),
        {BESIDE: "blank gives .*type float64"},
    ),
    "a blank row that is half of the row": (
        ('np.zeros_like(prepared.tensors["wave"])', 'prepared.tensors["wave"] / np.float32(2)'),
        {BESIDE: "blanked again, a blank row is another one"},
    ),
    "a row that is blanked in place": (
        (
            '{"wave": np.zeros_like(prepared.tensors["wave"])}',
            '[prepared.tensors["wave"].fill(0), prepared.tensors][1]',
        ),
        {BESIDE: "blank alters the row"},
    ),
    "a region that is passed over": (("if mix.region is not None", "if False"), {BESIDE: "an unknown region is mixed"}),
}


def plant(garden, edit=None):
    garden.plant(PLUGIN, planted_build=changed(BUILD, *[edit] * (edit is not None)))


def test_a_sound_target_kind_passes(garden):
    plant(garden)
    assert failures(named(TargetKindContract, **OF_TARGETS)) == {}


@pytest.mark.parametrize("bug", TARGET_BUGS)
def test_a_bug_in_a_target_kind_is_told_by_what_asserts_it(garden, bug):
    edit, expected = TARGET_BUGS[bug]
    plant(garden, edit)
    assert_fails_only(named(TargetKindRead, **OF_TARGETS), expected)


def test_a_target_kind_that_imports_a_framework_is_told(garden):
    plant(garden, ("import itertools", "import keras\nimport itertools"))
    pattern = r"planted_build:Stars imports keras by \S*planted_build.py, line 2"
    assert_fails_only(named(TargetKindDeclared), {"test_its_build_module_imports_no_framework": pattern})


def test_a_target_kind_without_examples_is_told_what_to_write(garden):
    plant(garden)
    found = failures(named(TargetKindRead))
    assert SAME in found
    assert "Write `targets(self, folder)` in TestPlanted" in found[SAME]


@pytest.mark.backend
def test_a_sound_input_kind_passes(garden):
    plant(garden)
    assert failures(named(InputKindContract, **OF_INPUTS)) == {}


@pytest.mark.parametrize("bug", INPUT_BUGS)
def test_a_bug_in_an_input_kind_is_told_by_what_asserts_it(garden, bug):
    edit, expected = INPUT_BUGS[bug]
    plant(garden, edit)
    assert_fails_only(named(InputKindPrepared, **OF_INPUTS), expected)


def test_a_change_without_an_example_is_asked_for(garden):
    plant(garden)
    expected = r"there is no example of the changes \['louder'\]"
    assert_fails_only(named(InputKindPrepared, payloads=waves), {CHANGES: expected})


@pytest.mark.backend
@pytest.mark.parametrize(
    ("edit", "pattern"),
    [
        (("Rescaling(2.0)", "Rescaling(3.0)"), "twice has values from -3 to 3, output_ranges says -2 to 2"),
        (('{"twice": (-2.0, 2.0)}', '{"other": (-2.0, 2.0)}'), r"output_ranges names \['other'\]"),
        (('keras.Model({"wave": wave}', 'keras.Model({"sound": wave}'), r"the stage takes \['sound'\]"),
    ],
)
def test_a_bug_in_a_stage_is_told(garden, edit, pattern):
    plant(garden, edit)
    assert_fails_only(
        named(InputKindStaged, **OF_INPUTS), {"test_its_stage_takes_its_tensors_and_stays_in_range": pattern}
    )
