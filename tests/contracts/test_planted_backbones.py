"""Levels B and C: each bug in a network turns red what asserts it, for that reason, and nothing else."""

import os
from unittest import SkipTest

import pytest

from headstart.testing import BackboneAgrees, BackboneBuilt

from .planting import assert_fails_only, changed, failures, named

SLOW_ON_JAX = True

BACKEND = os.environ.get("KERAS_BACKEND")

PLUGIN = '''
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import BackboneSpec, FeatureSpec

MAP = ("batch", "height", "width", "channel")

@dataclass(frozen=True)
class Options:
    """How wide."""

    width: int = option(8, "Channels of each stage.", low=4)

@hookimpl
def register_backbones():
    return [BackboneSpec(
        name="planted/it", summary="Two stages.", build="planted_build:build", takes="image",
        options=Options, stages=("low", "top"), parameters=856,
        features=(
            FeatureSpec("pooled", "top", "pooled", ("batch", "channel"), 8),
            FeatureSpec("map@2", "low", "hidden", MAP, 8, stride=2),
            FeatureSpec("map@4", "top", "hidden", MAP, 8, stride=4),
        ),
        preprocess={"size": [16, 16], "scale": [1 / 127.5] * 3, "offset": [-1.0] * 3},
        licence="Apache-2.0", tiny={"width": 4}, tiny_size=16,
    )]
'''

BUILD = """
import itertools
import time

import keras
import numpy as np
from keras import layers

from headstart.errors import UsageError
from headstart.specs import Backbone, Stage

COUNTER = itertools.count()

def build(request):
    width = request.options.width
    image = keras.Input(request.inputs["image"].shape, name="image")
    hidden = block(image, width)
    low = Stage("low", keras.Model({"image": image}, {"hidden": hidden}))
    entry = keras.Input(hidden.shape[1:], name="hidden")
    hidden = block(entry, width)
    pooled = layers.GlobalAveragePooling2D()(hidden)
    top = Stage("top", keras.Model({"hidden": entry}, {"hidden": hidden, "pooled": pooled}))
    return Backbone((low, top))

def block(x, width):
    x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False, kernel_initializer="zeros")(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x)
"""

STAGES = "test_its_stages_are_those_that_it_declares"
ALIVE = "test_no_tensor_between_its_stages_is_dead"
FEATURES = "test_its_features_are_where_it_says_and_finite"
CHANNELS = "test_its_default_options_give_the_declared_channels_and_parameters"
SAVED = "test_saved_and_loaded_it_answers_the_same"
NAMES = "test_names_of_weights_do_not_depend_on_what_was_built_before"
BITS = "test_the_same_seed_gives_the_same_bits"
TWICE = "test_answering_twice_gives_the_same_and_changes_no_weight"
FREEZING = "test_freezing_each_stage_leaves_exactly_the_others_to_learn"
FROZEN = "test_a_training_step_changes_nothing_that_is_frozen"
STATISTICS = "test_a_training_step_leaves_statistics_of_normalisation_fixed"
LEARNS = "test_a_training_step_changes_every_weight_that_learns"
REFUSED = "test_a_backend_that_it_refuses_is_refused_with_the_reason"

TRAINING = (FROZEN, STATISTICS, LEARNS)
RUNNING = (ALIVE, FEATURES, SAVED, BITS, TWICE, *TRAINING)
"""What runs the stages one after the other."""
BUILDING = (STAGES, CHANNELS, NAMES, FREEZING, *RUNNING)

AFTER_LOW = "    hidden = block(image, width)\n"
AFTER_TOP = "    hidden = block(entry, width)\n"
UNCOUNTED = [(", parameters=856", "")]
"""A network with one more weight: its count is not what this is about."""


def odd_layer(body, after=AFTER_LOW):
    """Edits that put one more layer, of this class body, at the end of a stage."""
    definition = f"class Odd(layers.Layer):\n{body}\n\ndef build(request)"
    return [(after, after + "    hidden = Odd()(hidden)\n"), ("def build(request)", definition)]


UPDATES_ITSELF = """
    def build(self, shape):
        self.moving_mean = self.add_weight(name="moving_mean", shape=(shape[-1],), trainable=False)
    def call(self, x):
        self.moving_mean.assign(0.9 * self.moving_mean + 0.1 * keras.ops.mean(x, axis=(0, 1, 2)))
        return x - self.moving_mean
"""
COUNTS_CALLS = """
    def build(self, shape):
        self.calls = self.add_weight(name="calls", shape=(), initializer="zeros", trainable=False)
    def call(self, x):
        self.calls.assign(self.calls + 1)
        return x
"""
DRAWN_AT_CALL = """
    def call(self, x):
        return x + 0.01 * float(next(COUNTER) % 97)
"""
DRAWN_WHEN_BUILT = """
    def build(self, shape):
        self.scale = 1 + 0.1 * (time.perf_counter_ns() % 997) / 997
    def call(self, x):
        return x * self.scale
"""
COUNTED_NAMES = """
    def build(self, shape):
        self.inner = layers.Dense(shape[-1], name=f"inner_{next(COUNTER)}")
        self.inner.build(shape)
    def call(self, x):
        return x + self.inner(x)
"""
ONE_NAME = """
    def build(self, shape):
        self.one = self.add_weight(name="same", shape=(shape[-1],))
        self.two = self.add_weight(name="same", shape=(shape[-1],))
    def call(self, x):
        return x + self.one + self.two
"""
UNNAMED = """
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")
        self.offset = self.add_weight(shape=(shape[-1],), initializer="zeros")
    def call(self, x):
        return x * self.scale + self.offset
"""
NO_GRADIENT = """
    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], shape[-1]), initializer="glorot_uniform")
    def call(self, x):
        return x + keras.ops.stop_gradient(keras.ops.matmul(x, self.kernel))
"""
BY_BACKEND = """
    def call(self, x):
        return x * (1.01 if keras.backend.backend() == "jax" else 1.0)
"""
NAMED_BY_BACKEND = """
    def build(self, shape):
        self.offset = self.add_weight(name=f"offset_{keras.backend.backend()}", shape=(shape[-1],))
    def call(self, x):
        return x + self.offset
"""

BUGS = {
    # name: (edits of the plugin, edits of its build module, {test that must fail: why})
    "a dead network": (
        [],
        [(AFTER_LOW, AFTER_LOW + "    hidden = layers.Rescaling(1e-11)(hidden)\n")],
        {ALIVE: r"stage 'low' gives 'hidden' a standard deviation of \S+e-1[12].*scale a branch to nothing"},
    ),
    "wrong channels": (
        [('("batch", "channel"), 8)', '("batch", "channel"), 99)')],
        [],
        {CHANNELS: r"'pooled' declares 99 channels; with the default options its shape is \(None, 8\)"},
    ),
    "wrong parameters": ([("parameters=856", "parameters=12")], [], {CHANNELS: "declares 12 parameters and has 856"}),
    "a declared stage that is missing": (
        [('stages=("low", "top")', 'stages=("low", "middle", "top")')],
        [],
        {STAGES: "declares the stages low, middle, top and builds low, top"},
    ),
    "a stage with weights that is called weightless": (
        [('stages=("low", "top")', 'stages=("low", "top"), weightless=("top",)')],
        [],
        {STAGES: "declares top as weightless, which is no stage or has weights"},
    ),
    "a stage of a reserved name": (
        [('stages=("low", "top")', 'stages=("low", "head")'), ('"top"', '"head"')],
        [('Stage("top"', 'Stage("head"')],
        {
            STAGES: r"stages are called \('low', 'head'\); .* not input or head",
            **dict.fromkeys(TRAINING, "one step of training raises"),
        },
    ),
    "a stage that takes what the one below does not give": (
        [],
        [
            ('keras.Input(hidden.shape[1:], name="hidden")', 'keras.Input(hidden.shape[1:], name="other")'),
            ('{"hidden": entry}', '{"other": entry}'),
        ],
        {
            STAGES: r"stage 'top' needs \['other'\], which 'low' does not give",
            **dict.fromkeys(RUNNING, "running its stages raises KeyError: 'other'"),
        },
    ),
    "a feature that no stage gives": (
        [('"map@4", "top", "hidden"', '"map@4", "top", "map"')],
        [],
        {FEATURES: "tensor 'map' of stage 'top', which gives hidden, pooled", CHANNELS: "stage 'top' gives no 'map'"},
    ),
    "other axes": (
        [('("batch", "channel"), 8)', '("batch", "time", "channel"), 8)')],
        [],
        {FEATURES: r"with the axes batch, time, channel, but that has the shape \(16, 4\)"},
    ),
    "another stride": ([("stride=4", "stride=8")], [], {FEATURES: "with the stride 8, but 16 of height became 4"}),
    "a mask that no stage gives": (
        [("stride=4", 'stride=4, mask="seen"')],
        [],
        {FEATURES: "with the mask 'seen', which that stage does not give"},
    ),
    "values that are not finite": (
        [],
        [("layers.GlobalAveragePooling2D()(hidden)", "layers.GlobalAveragePooling2D()(hidden) / 0.0")],
        {ALIVE: "stage 'top' gives 'pooled' a standard deviation of nan", FEATURES: "which holds NaN or infinity"},
    ),
    "a stage that freezes itself": (
        [],
        [
            (
                "    entry = keras.Input(hidden",
                "    low.model.layers[1].trainable = False\n    entry = keras.Input(hidden",
            )
        ],
        {FREEZING: r"built with trainable=False: low: conv2d\S*\. Remove it"},
    ),
    "weights that two stages share": (
        [*UNCOUNTED, ('stages=("low", "top")', 'stages=("low", "again", "top")')],
        [
            ("    return Backbone((low, top))", "    return Backbone((low, again, top))"),
            (
                "    entry = keras.Input(hidden",
                "    shared = layers.Dense(width)\n"
                '    low = Stage("low", keras.Model({"image": image}, {"hidden": shared(hidden)}))\n'
                '    entry = keras.Input(hidden.shape[1:], name="hidden")\n'
                '    again = Stage("again", keras.Model({"hidden": entry}, {"hidden": shared(entry)}))\n'
                "    entry = keras.Input(hidden",
            ),
        ],
        {
            FREEZING: "has the same weights as again/0/bias, again/0/kernel: frozen there, they would learn here",
            FROZEN: "changed weights that do not learn: low/2/bias, low/2/kernel",
        },
    ),
    "statistics that move in inference": (
        UNCOUNTED,
        odd_layer(UPDATES_ITSELF),
        {
            TWICE: r"answering changes its weights: low/2/moving_mean by .*although it was called with training=False",
            BITS: "two builds from one seed have other weights: low/2/moving_mean",
            # On JAX a step is a pure function, which drops what it did not ask for.
            **({STATISTICS: "moved the statistics low/2/moving_mean"} if BACKEND == "torch" else {}),
        },
    ),
    "a weight that counts calls": (
        UNCOUNTED,
        odd_layer(COUNTS_CALLS),
        {
            TWICE: r"answering changes its weights: low/2/calls by 2",
            BITS: "two builds from one seed have other weights: low/2/calls",
            **({FROZEN: "changed weights that do not learn: low/2/calls"} if BACKEND == "torch" else {}),
        },
    ),
    "a value from a counter at each call": (
        [],
        odd_layer(DRAWN_AT_CALL),
        {
            BITS: "two builds from one seed .*Draw nothing",
            SAVED: "loaded into a new network, its weights give other outputs",
            TWICE: r"the same input is answered in two ways: low/hidden by 0.0",
        },
    ),
    "a value from the clock when it is built": (
        [],
        odd_layer(DRAWN_WHEN_BUILT),
        {
            BITS: "two builds from one seed .*Draw nothing",
            SAVED: "its weights give other outputs: .*keep it in a variable",
        },
    ),
    "names with a counter": (
        UNCOUNTED,
        odd_layer(COUNTED_NAMES),
        {
            NAMES: r"the names of its weights differ: low/2/inner_\d+/bias",
            SAVED: r"cannot take the weights of the first: .*unexpected low/2/inner_",
            BITS: r"low/2/inner_\d+/bias is in one of them alone",
        },
    ),
    "two weights of one name": (
        UNCOUNTED,
        odd_layer(ONE_NAME),
        dict.fromkeys(BUILDING, "has two weights called low/2/same"),
    ),
    "a weight that no gradient reaches": (
        UNCOUNTED,
        odd_layer(NO_GRADIENT, AFTER_TOP),
        {LEARNS: "exactly as they were: top/2/kernel. No gradient reaches them: .*`without_gradient` of TestPlanted"},
    ),
    "a build target that raises": (
        [],
        [("    width = ", "    raise KeyError('width')\n    width = ")],
        dict.fromkeys(BUILDING, rf"raises KeyError: 'width'\. Correct the build target, or .*refuses={{'{BACKEND}'"),
    ),
    "a build target that gives no backbone": (
        [],
        [("    return Backbone((low, top))", "    return low")],
        dict.fromkeys(BUILDING, "raises AttributeError: 'Stage' object has no attribute 'stages'"),
    ),
    "a backend that it refuses and builds on": (
        [("tiny_size=16", f"tiny_size=16, refuses={{'{BACKEND}': 'no reason'}}")],
        [],
        {REFUSED: f"says that it refuses {BACKEND}, but it builds there. Take it out"},
    ),
    "a refusal that does not say what": (
        [("tiny_size=16", f"tiny_size=16, refuses={{'{BACKEND}': 'no reason'}}")],
        [("    width = ", "    raise UsageError('no')\n    width = ")],
        {REFUSED: f"the refusal does not name {BACKEND}: no"},
    ),
    "a refusal that is a crash": (
        [("tiny_size=16", f"tiny_size=16, refuses={{'{BACKEND}': 'no reason'}}")],
        [("    width = ", "    raise RuntimeError('no such kernel')\n    width = ")],
        {REFUSED: "it raises RuntimeError: no such kernel. Raise UsageError"},
    ),
}


TOKENS_PLUGIN = """
from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec, FeatureSpec

@hookimpl
def register_backbones():
    return [BackboneSpec(
        name="planted/it", summary="Tokens.", build="planted_build:build", takes="tokens", stages=("all",),
        features=(
            FeatureSpec("pooled", "all", "pooled", ("batch", "channel"), 8),
            FeatureSpec("tokens", "all", "hidden", ("batch", "token", "channel"), 8, mask="mask"),
        ),
        preprocess={"family": "bert", "length": 32, "lowercase": False, "prefix": "", "vocabulary": 50},
        licence="Apache-2.0", any_length=True, family="transformer",
    )]
"""
TOKENS_BUILD = """
import keras
from keras import layers

from headstart.specs import Backbone, Stage

def build(request):
    inputs = {
        name: keras.Input((None,), dtype=request.inputs[name].dtype, name=name) for name in ("ids", "types", "mask")
    }
    hidden = layers.Embedding(50, 8)(inputs["ids"])
    pooled = layers.GlobalAveragePooling1D()(hidden, mask=inputs["mask"])
    given = {"hidden": hidden, "pooled": pooled, "mask": inputs["mask"]}
    return Backbone((Stage("all", keras.Model(inputs, given)),))
"""
OF_ANY_LENGTH = pytest.mark.skipif(BACKEND == "jax", reason="JAX compiles each length, so that static ones are taken")
LENGTHS = "test_rows_of_any_length_come_to_what_they_come_to_when_padded"
LENGTH_BUGS = {
    "padding that is not masked": (
        ('(hidden, mask=inputs["mask"])', "(hidden)"),
        "of rows that are 11 long and not padded to 16 the feature 'pooled' differs by .* padding must be masked",
    ),
    "a stride along the length": (
        (
            "    given = {",
            '    seen = hidden * keras.ops.cast(inputs["mask"], "float32")[..., None]\n'
            '    pooled = pooled + layers.GlobalMaxPooling1D()(layers.Conv1D(8, 3, 2, "same")(seen))\n'
            "    given = {",
        ),
        "not padded to 16 the feature 'pooled' differs by .* Strides along the length need static lengths",
    ),
    "tokens that are fewer than their mask says": (
        ("    given = {", '    hidden = layers.Conv1D(8, 3, 2, "same")(hidden)\n    given = {'),
        r"the feature 'tokens' has the shape \(16, 6, 8\), and its mask \(16, 11\)",
    ),
    "a mean over the length": (
        ("    given = {", "    hidden = hidden - keras.ops.mean(hidden, axis=1, keepdims=True)\n    given = {"),
        "the feature 'tokens' differs by",
    ),
}


@OF_ANY_LENGTH
@pytest.mark.backend
def test_a_sound_backbone_of_any_length_passes(garden):
    garden.plant(TOKENS_PLUGIN, planted_build=TOKENS_BUILD)
    assert failures(named(BackboneBuilt)) == {}


@OF_ANY_LENGTH
@pytest.mark.backend
@pytest.mark.parametrize("bug", LENGTH_BUGS)
def test_a_length_that_is_not_any_is_told(garden, bug):
    edit, pattern = LENGTH_BUGS[bug]
    garden.plant(TOKENS_PLUGIN, planted_build=changed(TOKENS_BUILD, edit))
    contract = named(BackboneBuilt)
    try:
        with pytest.raises(AssertionError, match=pattern):
            getattr(contract(), LENGTHS)()
    finally:
        contract.teardown_class()


@OF_ANY_LENGTH
@pytest.mark.backend
def test_a_backbone_of_pictures_is_not_of_any_length(garden):
    plant(garden, [("tiny_size=16", "tiny_size=16, any_length=True")])
    assert_fails_only(named(BackboneBuilt), {LENGTHS: "its input kind has no lengths .* Leave `any_length` out"})


def plant(garden, plugin=(), build=()):
    garden.plant(changed(PLUGIN, *plugin), planted_build=changed(BUILD, *build))


@pytest.mark.backend
def test_a_sound_backbone_passes(garden):
    plant(garden)
    assert failures(named(BackboneBuilt)) == {}


@pytest.mark.backend
@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.filterwarnings(
    "ignore:invalid value encountered:RuntimeWarning"
)  # one network gives values that are not finite
def test_a_bug_in_a_network_is_told_by_what_asserts_it(garden, bug):
    plugin, build, expected = BUGS[bug]
    plant(garden, plugin, build)
    assert_fails_only(named(BackboneBuilt), expected)


@pytest.mark.backend
def test_a_backend_that_is_refused_with_the_reason_skips_what_would_build(garden):
    reason = f"there is no such operation on {BACKEND}"
    refusing = [("    width = ", f"    raise UsageError({reason!r})\n    width = ")]
    plant(garden, [("tiny_size=16", f"tiny_size=16, refuses={{{BACKEND!r}: {reason!r}}}")], refusing)
    assert failures(named(BackboneBuilt)) == {}
    with pytest.raises(SkipTest, match=reason):
        getattr(named(BackboneBuilt)(), STAGES)()


@pytest.mark.backend
def test_weights_that_nobody_named_are_named_by_their_place(garden):
    """Keras numbers them by a counter of the process, as it does the scales of ConvNeXt."""
    plant(garden, UNCOUNTED, odd_layer(UNNAMED, AFTER_TOP))
    assert failures(named(BackboneBuilt)) == {}


@pytest.mark.backend
def test_a_weight_that_is_meant_to_stay_can_be_named(garden):
    plant(garden, UNCOUNTED, odd_layer(NO_GRADIENT, AFTER_TOP))
    assert failures(named(BackboneBuilt, without_gradient=("top/2/kernel",))) == {}


ALIKE = "test_both_backends_answer_alike"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "pattern"),
    [
        (
            BY_BACKEND,
            r"inputs, the tensor 'hidden' of stage 'low' differs between torch and jax by .*asks for the backend",
        ),
        pytest.param(NAMED_BY_BACKEND, r"on jax: .*unexpected low/2/offset_torch", marks=pytest.mark.slow),
    ],
    ids=["other answers", "other names"],
)
def test_a_backbone_that_differs_between_backends_is_told(garden, body, pattern):
    plant(garden, UNCOUNTED, odd_layer(body))
    assert_fails_only(named(BackboneAgrees), {ALIKE: pattern})


@pytest.mark.slow
def test_a_backbone_that_is_equal_on_both_backends_passes(garden):
    plant(garden)
    assert failures(named(BackboneAgrees)) == {}


@pytest.mark.slow
def test_a_dead_backbone_is_not_compared(garden):
    plant(garden, [], BUGS["a dead network"][1])
    assert_fails_only(named(BackboneAgrees), {ALIKE: "on torch: stage 'low' gives 'hidden' a standard deviation"})
