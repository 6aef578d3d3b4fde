"""Level B of augmentations: each bug turns red what asserts it, for that reason, and nothing else."""

import pytest

from headstart.testing import AugmentationDrawn

from .planting import assert_fails_only, changed, failures, named

pytestmark = pytest.mark.slow  # the kit on faulty plugins; on the built-in ones it runs in the quick suite

PLUGIN = """
from headstart.hookspecs import hookimpl
from headstart.specs import AugmentationSpec, InputSpec

DRAWS = frozenset({"matrix", "invert", "hue", "equalize", "erase", "contrast"})

@hookimpl
def register_augmentations():
    return [AugmentationSpec(
        name="planted/it", summary="Turns.", build="planted_build:build", draws=DRAWS,
        uses=frozenset({"horizontal_flip"}),
    ), AugmentationSpec(
        name="planted/mixing", summary="Turns and mixes.", build="planted_build:mixing",
        mixes=True,
    )]

@hookimpl
def register_inputs():
    return [InputSpec(name="planted/pixels", summary="Pixels.", build="planted_kind:build",
                      reads=("pixels",), produces="pixels", changes={"matrix": "Mirrors."})]
"""

BUILD = """
import itertools
import math
import random

import numpy as np

from headstart.specs import Change, Drawn, Mix

COUNTER = itertools.count()

def build(request):
    return It("horizontal_flip" in request.symmetries)

def mixing(request):
    return Mixing(False)

class It:
    def __init__(self, flip):
        self.flip = flip

    def draw(self, seed, epoch, key):
        chance = random.Random(f"{seed} {epoch} {key!a}")
        angle = chance.uniform(-0.2, 0.2)
        side = -1.0 if self.flip and chance.random() < 0.5 else 1.0
        across = (side * math.cos(angle), -math.sin(angle), 0.0)
        down = (side * math.sin(angle), math.cos(angle), 0.0)
        matrix = (across, down, (0.0, 0.0, 1.0))
        return Drawn((Change("matrix", matrix),))

class Mixing(It):
    def draw(self, seed, epoch, key):
        chance = random.Random(f"mix {seed} {epoch} {key!a}")
        box = (-0.25, -0.25, 0.25, 0.25) if chance.random() < 0.5 else None
        return Drawn(mix=Mix(chance.random(), 0.75, box))
"""

KIND = '''
import numpy as np

from headstart.specs import TensorSpec

def build(request):
    return Pixels()

class Pixels:
    """Grey pixels; mirrors where a matrix does."""

    tensors = {"pixels": TensorSpec((8, 8, 1), "float32")}
    output_ranges = {"pixels": (-1.0, 1.0)}

    def mix(self, tensors, partner, mix):
        own, other = tensors["pixels"], partner["pixels"]
        if mix.region is None:
            return {"pixels": (mix.share * own + (1 - mix.share) * other).astype(own.dtype)}
        made = own.copy()
        made[2:6, 2:6] = other[2:6, 2:6]
        return {"pixels": made}

    def own_share(self, mix):
        return mix.share

    def transform(self, tensors, changes):
        pixels = tensors["pixels"].copy()
        return {"pixels": changed_by(pixels, changes)}

    def symmetries(self, changes):
        return {}

    def only_moves(self, changes):
        return True

def changed_by(pixels, changes):
    mirrored = any(change.value[0][0] < 0 for change in changes)
    return pixels[:, ::-1].copy() if mirrored else np.roll(pixels, 1, axis=0)
'''

OF_PIXELS = changed(PLUGIN, ("draws=DRAWS", 'draws=frozenset({"matrix"})'))

MATRICES = "test_it_draws_what_its_input_kind_applies_with_and_without_symmetries"
DIFFER = "test_its_draws_differ_between_samples_epochs_and_seeds"
ORDER = "test_its_draws_repeat_in_any_order"
PROCESS = "test_its_draws_repeat_in_another_process"
GLOBAL = "test_it_neither_reads_nor_moves_the_random_state_of_the_process"
FORBIDDEN = "test_it_does_nothing_forbidden_where_no_symmetry_is_allowed"
WHOLE = "test_varied_samples_keep_shape_type_and_range"
VALIDATED = "test_what_is_validated_on_is_never_varied"
SAYS = "test_it_mixes_samples_where_its_spec_says_so_and_only_there"
MIXED = "test_mixed_samples_are_between_the_two_and_their_labels_too"
ALL = (MATRICES, DIFFER, ORDER, PROCESS, GLOBAL, FORBIDDEN, WHOLE, VALIDATED, SAYS, MIXED)

CHANCE = 'random.Random(f"{seed} {epoch} {key!a}")'
RETURN = 'return Drawn((Change("matrix", matrix),))'

BUGS = {
    # name: (edits of the build module, {test that must fail: why})
    "the global generator": (
        [(CHANCE, "random")],
        {
            GLOBAL: "drawing moves the global random state. Make each draw from its arguments alone",
            ORDER: "drawn again, in another order, some draws differ",
            PROCESS: "another process draws otherwise",
        },
    ),
    "the global generator of numpy": (
        [("angle = chance.uniform(-0.2, 0.2)", "angle = np.random.uniform(-0.2, 0.2)")],
        {GLOBAL: "moves the global random state", ORDER: "in another order", PROCESS: "another process"},
    ),
    "the global state, only read": (
        [("{key!a}", "{key!a} {random.getstate()[1][1]}")],
        {GLOBAL: "draws depend on the global random state", PROCESS: "another process"},
    ),
    "a generator of its own that goes on": (
        [
            ("self.flip = flip", "self.flip, self.chance = flip, random.Random(0)"),
            ("chance = " + CHANCE, "chance = self.chance"),
        ],
        {ORDER: "drawn again, in another order, some draws differ", GLOBAL: "depend on the global random state"},
    ),
    "Python's hash": (
        [(CHANCE, "random.Random(hash((seed, epoch, key)))")],
        {PROCESS: r"another process draws otherwise\. .*Not from hash\(\)"},
    ),
    "a counter": (
        [("angle = chance", "angle = 1e-3 * next(COUNTER) % 0.2 + chance")],
        {ORDER: "some draws differ", PROCESS: "another process", GLOBAL: "depend on the global random state"},
    ),
    "the key does not count": ([(CHANCE, 'random.Random(f"{seed} {epoch}")')], {DIFFER: "the same for each of 64"}),
    "the epoch does not count": ([(CHANCE, 'random.Random(f"{seed} {key!a}")')], {DIFFER: "for another epoch"}),
    "the seed does not count": ([(CHANCE, 'random.Random(f"{epoch} {key!a}")')], {DIFFER: "for another seed"}),
    "nothing varies": (
        [(RETURN, "return Drawn()")],
        {DIFFER: "draws the same for each .* set `varies = False` in"},
    ),
    "keys that are not UTF-8": (
        [("{key!a}", "{key}")],
        {MATRICES: "raises UnicodeEncodeError: .*surrogates not allowed"},
    ),
    "a mirror that nobody allowed": (
        [("side = -1.0 if self.flip and chance", "side = -1.0 if chance")],
        {FORBIDDEN: 'with no symmetry allowed, draw.* mirrors the sample: .*Do so only where "horizontal_flip" is'},
    ),
    "a sample upside down": (
        [("side = -1.0 if self.flip and chance.random() < 0.5 else 1.0", "side = 1.0"), ("0.2, 0.2)", "2.0, 2.0)")],
        {FORBIDDEN: 'turns the sample by more than 90 degrees: .*Do so only where "rotation" is in'},
    ),
    "a negative": (
        [("matrix),))", 'matrix), Change("invert")))')],
        {FORBIDDEN: 'inverts values: .*Do so only where "colour_inversion" is in'},
    ),
    "a colour that there is not": (
        [("matrix),))", 'matrix), Change("sepia")))')],
        {MATRICES: "'sepia' is not among the `draws` of its spec"},
    ),
    "a strength that is no number": (
        [("matrix),))", 'matrix), Change("contrast", "much")))')],
        {MATRICES: "change 'contrast': the strength of contrast is 'much'; expected a number from 0 to inf"},
    ),
    "a strength that there is not": (
        [("matrix),))", 'matrix), Change("hue", 0.7)))')],
        {MATRICES: "the strength of hue is 0.7; expected a number from -0.5 to 0.5"},
    ),
    "changes in a list": (
        [(RETURN, 'return Drawn([Change("equalize")])')],
        {MATRICES: "`changes` is no tuple of Change"},
    ),
    "a box that is inside out": (
        [("matrix),))", 'matrix), Change("erase", ((0.1, 0.0, -0.1, 0.2), "mean", 0))))')],
        {MATRICES: "the box is .*; expected left <= right and top <= bottom"},
    ),
    "a filling that there is not": (
        [("matrix),))", 'matrix), Change("erase", ((0.0, 0.0, 0.1, 0.2), "black", 0))))')],
        {MATRICES: "it erases with 'black'; expected mean or noise"},
    ),
    "noise of no seed": (
        [("matrix),))", 'matrix), Change("erase", ((0.0, 0.0, 0.1, 0.2), "noise", angle))))')],
        {MATRICES: "the seed of noise is .*; expected a whole number from 0 to"},
    ),
    "everything is erased": (
        [("matrix),))", 'matrix), Change("erase", ((-0.5, -0.5, 0.5, 0.5), "mean", 0))))')],
        {WHOLE: "leaves nothing of it: every value is the same"},
    ),
    "colours of a generator that goes on": (
        [
            ("self.flip = flip", "self.flip, self.chance = flip, random.Random(0)"),
            ("matrix),))", 'matrix), Change("contrast", self.chance.random())))'),
        ],
        {ORDER: "drawn again, in another order, some draws differ", GLOBAL: "depend on the global random state"},
    ),
    "a mix that the spec does not say": (
        [("matrix),))", "matrix),), Mix(0.5, 0.5))")],
        {SAYS: "mixes samples, which its spec does not say. Set `mixes=True`", VALIDATED: "no spec .* says `mixes`"},
    ),
    "no number": ([("angle = ", "angle = math.nan * ")], {MATRICES: "not all of its values are finite numbers"}),
    "a matrix of two rows": (
        [("(across, down, (0.0, 0.0, 1.0))", "(across, down)")],
        {MATRICES: r"the matrix is not \(3, 3\)"},
    ),
    "a perspective": ([("(0.0, 0.0, 1.0))", "(0.1, 0.0, 1.0))")], {MATRICES: r"the last row is not \(0, 0, 1\)"}),
    "a sample becomes a point": (
        [("matrix = (across, down,", "matrix = ((0.0, 0.0, angle), (0.0, 0.0, 0.0),")],
        {MATRICES: "it flattens the sample to a line or a point"},
    ),
    "a sample leaves its frame": (
        [("across = (side * math.cos(angle), -math.sin(angle), 0.0)", "across = (side, 0.0, 40.0)")],
        {WHOLE: "leaves nothing of it: every value is the same. Draw changes that leave most of a sample"},
    ),
    "nothing that was drawn": ([(RETURN, "return (across, down)")], {MATRICES: "that is no Drawn"}),
    "a draw that raises": (
        [("chance = ", "raise KeyError(key)\n        chance = ")],
        {MATRICES: "raises KeyError: 'sample-0'"},
    ),
    "no draw": ([("def draw", "def drew")], dict.fromkeys(ALL, r"returned It\. Return an object with draw")),
    "a build target that raises": (
        [("    return It(", "    raise KeyError('flip')\n    return It(")],
        dict.fromkeys(ALL, "building it raises KeyError: 'flip'"),
    ),
}
KIND_BUGS = {
    "it changes the sample in place": (
        ('pixels = tensors["pixels"].copy()', 'pixels = tensors["pixels"]\n        pixels += 1.0'),
        {VALIDATED: "changes the stored pixels, which val is read from. `transform` of the input kind planted/pixels"},
    ),
    "it gives another type": (
        ('{"pixels": changed_by(pixels, changes)}', '{"pixels": changed_by(pixels, changes).astype("float64")}'),
        {WHOLE: r"has the shape \(8, 8, 1\) and type float64, not \(8, 8, 1\) and float32"},
    ),
    "it gives another shape": (
        ('{"pixels": changed_by(pixels, changes)}', '{"pixels": changed_by(pixels, changes)[:1]}'),
        {WHOLE: r"has the shape \(1, 8, 1\)"},
    ),
    "it leaves the range": (
        ('{"pixels": changed_by(pixels, changes)}', '{"pixels": changed_by(pixels, changes) * 3}'),
        {WHOLE: r"has values from \S+ to \S+, where the sample has"},
    ),
}
MIXING_BUGS = {
    # name: (edit of the build module or the kind, {test that must fail: why})
    "it never mixes": (
        ("mix=Mix(chance.random(), 0.75, box)", ""),
        {SAYS: "`mixes` is True, but no draw mixes. Leave `mixes` out", DIFFER: "the same for each of 64"},
    ),
    "a partner that there is not": (
        ("Mix(chance.random(), 0.75, box)", "Mix(1 + chance.random(), 0.75, box)"),
        {MATRICES: r"it mixes with partner 1.\d+ and share 0.75; expected \[0, 1\) and \[0, 1\]"},
    ),
    "more than all": (
        ("Mix(chance.random(), 0.75, box)", "Mix(chance.random(), 1.75, box)"),
        {MATRICES: "share 1.75; expected"},
    ),
    "no mix": (("Mix(chance.random(), 0.75, box)", "(0.5, 0.75)"), {MATRICES: "`mix` is no Mix"}),
    "the kind adds instead of averaging": (
        ("(mix.share * own + (1 - mix.share) * other)", "(own + other)"),
        {MIXED: "has values that are not between those of the two samples"},
    ),
    "the kind gives another type": (
        ("(1 - mix.share) * other).astype(own.dtype)", "(1 - mix.share) * other).astype('float64')"),
        {MIXED: "and type float64, not"},
    ),
    "the kind changes the sample in place": (
        ("made = own.copy()", "made = own"),
        {
            MIXED: "mixing changes pixels of a stored sample. `mix` must return new arrays",
            VALIDATED: "changes the stored pixels, which val is read from",
        },
    ),
    "a share of nothing": (("return mix.share", "return -mix.share"), {MIXED: r"own_share\(.*\) is -0.75"}),
    "the kind mixes where all is to stay": (
        ("return mix.share", "return 1.0"),
        {MIXED: "differs from the sample where all of it is to be its own"},
    ),
    "the kind cannot mix": (("def own_share", "def share"), {MIXED: "its input kind planted/pixels cannot mix"}),
}


def test_a_sound_augmentation_that_mixes_passes(garden):
    garden.plant(PLUGIN, planted_build=BUILD, planted_kind=KIND)
    assert failures(named(AugmentationDrawn, "planted/mixing", input_kind="planted/pixels")) == {}


@pytest.mark.parametrize("bug", MIXING_BUGS)
def test_a_bug_in_mixing_is_told_by_what_asserts_it(garden, bug):
    (old, new), expected = MIXING_BUGS[bug]
    build, kind = (source.replace(old, new) for source in (BUILD, KIND))
    assert (build, kind) != (BUILD, KIND)
    garden.plant(PLUGIN, planted_build=build, planted_kind=kind)
    assert_fails_only(named(AugmentationDrawn, "planted/mixing", input_kind="planted/pixels"), expected)


def test_a_sound_augmentation_passes(garden):
    garden.plant(PLUGIN, planted_build=BUILD)
    assert failures(named(AugmentationDrawn)) == {}


def test_a_sound_augmentation_of_another_input_kind_passes(garden):
    garden.plant(OF_PIXELS, planted_build=BUILD, planted_kind=KIND)
    assert failures(named(AugmentationDrawn, input_kind="planted/pixels")) == {}


def _marked(bugs):
    """Where only the form of a draw is wrong, three bugs stand for all in the quick run."""
    of_form = [name for name, (_, expected) in bugs.items() if set(expected) == {MATRICES}]
    return [pytest.param(name, marks=(pytest.mark.slow,) if name in of_form[3:] else ()) for name in bugs]


@pytest.mark.parametrize("bug", _marked(BUGS))
def test_a_bug_in_an_augmentation_is_told_by_what_asserts_it(garden, bug):
    edits, expected = BUGS[bug]
    garden.plant(PLUGIN, planted_build=changed(BUILD, *edits))
    assert_fails_only(named(AugmentationDrawn), expected)


@pytest.mark.parametrize("bug", KIND_BUGS)
def test_a_bug_in_how_an_input_kind_applies_draws_is_told_too(garden, bug):
    edit, expected = KIND_BUGS[bug]
    garden.plant(OF_PIXELS, planted_build=BUILD, planted_kind=changed(KIND, edit))
    assert_fails_only(named(AugmentationDrawn, input_kind="planted/pixels"), expected)


def test_an_augmentation_that_changes_nothing_says_so_and_is_held_to_it(garden):
    garden.plant(PLUGIN, planted_build=changed(BUILD, (RETURN, "return Drawn()")))
    assert failures(named(AugmentationDrawn, varies=False)) == {}


def test_an_augmentation_that_says_wrongly_that_it_changes_nothing_is_told(garden):
    garden.plant(PLUGIN, planted_build=BUILD)
    assert_fails_only(named(AugmentationDrawn, varies=False), {DIFFER: "`varies` is False, but it draws something"})


def test_preprocessing_that_the_kind_does_not_take_is_told(garden):
    garden.plant(PLUGIN, planted_build=BUILD)
    expected = "its input kind cannot be built: .*set `preprocess` in TestPlanted"
    contract = named(AugmentationDrawn, preprocess={"colour": "none"})
    assert_fails_only(contract, dict.fromkeys((WHOLE, VALIDATED, MIXED, FORBIDDEN), expected))
