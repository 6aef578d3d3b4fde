"""What a phase changes: by stage, by role, through an adapter, and under each policy for BatchNorm."""

import keras
import numpy as np
import pytest

from headstart.engine.network.network import Network
from headstart.engine.network.stages import is_statistic, name_variables, read_arrays
from headstart.engine.train.phases import run_phases
from headstart.engine.train.trainable import select_trainable
from headstart.errors import HeadstartError, UsageError
from headstart.eventlog import read_events
from headstart.events import EpochDone, PhaseDone, PhaseStarted
from headstart.specs import LowRank, Phase, Stage

pytestmark = pytest.mark.backend

HEAD_NAMES = {"head/0/kernel", "head/0/bias"}


def phase_of(*train, rate=1e-2, **settings):
    return Phase(name="tune", train=train, solver="gradient", rates=dict.fromkeys(train, rate), **settings)


def learned(network, phase, batch_norm="frozen"):
    return select_trainable(network, phase, seed=0, batch_norm=batch_norm)


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


def started(made):
    return next(event for event in read_events(made.log._path) if isinstance(event, PhaseStarted))


def test_without_roles_all_weights_of_the_stages_learn_and_no_statistic(network):
    found = learned(network, phase_of("low", "top", "head"))

    names = {f"{stage}/{role}" for stage in ("low", "top") for role in ("0/kernel", "1/gamma", "1/beta")}
    assert set(found.variables) == set(found.changed) == names | HEAD_NAMES
    assert found.counts(network) == {
        "low": 3 * 3 * 3 * 8 + 8 + 8, "middle": 0, "top": 3 * 3 * 8 * 12 + 12 + 12, "head": 12 * 10 + 10
    }  # fmt: skip
    assert found.training == {"head"}


def test_a_head_alone_in_which_nothing_learns_is_refused(network):
    network.stages[-1].model.trainable = False
    with pytest.raises(UsageError, match="phase 'tune' trains the head alone, and all of it is frozen"):
        learned(network, phase_of("head"))
    found = learned(network, phase_of("low", "head"))
    assert set(found.variables) == {f"low/{name}" for name in ("0/kernel", "1/gamma", "1/beta")}


@pytest.mark.parametrize(
    ("roles", "names", "count"),
    [
        (("norm",), ("1/gamma", "1/beta"), 16),
        (("norm", "kernel"), ("0/kernel", "1/gamma", "1/beta"), 592),
        (("beta",), ("1/beta",), 8),
        (("kernel",), ("0/kernel",), 576),
    ],
)
def test_roles_leave_only_such_weights_of_the_backbone_and_all_of_the_head(network, roles, names, count):
    found = learned(network, phase_of("middle", "head", roles=roles))

    assert set(found.variables) == {f"middle/{name}" for name in names} | HEAD_NAMES
    assert found.counts(network) == {"low": 0, "middle": count, "top": 0, "head": 130}


class Scaled(keras.layers.Layer):
    """A scale that is no norm, called as that of one."""

    def build(self, shape):
        self.gamma = self.add_weight(shape=shape[-1:], name="gamma", initializer="ones")
        self.inner = keras.layers.RMSNormalization(name="inner")
        self.inner.build(shape)

    def call(self, inputs):
        return self.inner(inputs) * self.gamma


def test_norms_are_known_by_their_class_and_not_by_the_names_of_their_weights(network):
    image = keras.Input(network.stages[0].model.output["image"].shape[1:])
    told = keras.layers.RMSNormalization(name="rms")(keras.layers.Conv2D(4, 3, name="conv")(image))
    told = keras.layers.GroupNormalization(2, name="groups")(Scaled(name="scaled")(told))
    top = Stage("top", keras.Model({"image": image}, {"pooled": keras.layers.GlobalAveragePooling2D()(told)}))
    pooled = keras.Input((4,))
    head = Stage("head", keras.Model({"pooled": pooled}, {"logits": keras.layers.Dense(2)(pooled)}))
    made = Network((network.stages[0], top, head), network.features)
    found = learned(made, phase_of("top", "head", roles=("norm",)))

    assert {name for name in found.variables if name.startswith("top/")} == {
        "top/1/scale", "top/2/inner/scale", "top/3/gamma", "top/3/beta"
    }  # fmt: skip


def test_roles_that_no_weight_of_the_stages_has_are_an_error_that_names_both(network):
    with pytest.raises(UsageError, match="'tune' trains the bias and embeddings of low, middle, which have none") as e:
        learned(network, phase_of("low", "middle", "head", roles=("bias", "embeddings")))
    assert e.value.hint.startswith("let more stages learn, by --train")
    with pytest.raises(UsageError, match="which have none") as e:
        learned(network, phase_of(*(stage.name for stage in network.learned), roles=("moving",)))
    assert e.value.hint == "choose another strategy"


def test_a_phase_whose_stages_hold_no_weights_is_refused(network):
    """As of a strategy that trains the topmost stage of a backbone that ends by pooling."""
    entry = keras.Input((12,), name="pooled")
    pooling = Stage("pooling", keras.Model({"pooled": entry}, {"pooled": keras.layers.Activation("linear")(entry)}))
    ending = Network((*network.stages[:-1], pooling, network.stages[-1]), network.features)
    with pytest.raises(UsageError, match="phase 'tune' trains pooling, which hold no weights"):
        learned(ending, phase_of("pooling", "head"))
    assert "top/0/kernel" in learned(ending, phase_of("top", "pooling", "head")).variables


def test_roles_ask_nothing_of_a_phase_that_trains_the_head_alone(network):
    assert set(learned(network, phase_of("head", roles=("bias",))).variables) == HEAD_NAMES


def test_an_adapters_factors_learn_and_its_kernels_change(network):
    found = learned(network, phase_of("middle", "top", "head", adapter=LowRank(rank=2)))

    kernels = {"middle/0/kernel", "top/0/kernel"}
    assert set(found.variables) == {f"{name}:{factor}" for name in kernels for factor in "ab"} | HEAD_NAMES
    assert set(found.changed) == kernels | HEAD_NAMES
    assert found.counts(network) == {"low": 0, "middle": 2 * (9 + 64), "top": 2 * (72 + 12), "head": 130}


def test_a_phase_with_an_adapter_changes_those_kernels_and_the_head_alone(network, training):
    before, made = read_arrays(network.learned), training(network)
    run_phases([phase_of("middle", "top", "head", adapter=LowRank(rank=2), rate=5e-2, epochs=3)], made)

    assert changed(before, read_arrays(network.learned)) == {"middle/0/kernel", "top/0/kernel"} | HEAD_NAMES
    assert started(made).trainable == {"low": 0, "middle": 146, "top": 168, "head": 130}
    update = (read_arrays(network.learned)["top/0/kernel"] - before["top/0/kernel"]).reshape(72, 12)
    sizes = np.linalg.svd(update.astype(np.float64), compute_uv=False)
    assert sizes[1] > 1e-4
    assert sizes[2] < 1e-5 * sizes[0]


def test_statistics_change_only_where_the_policy_is_trainable_and_only_in_stages_that_train(network):
    statistics = {name for name in name_variables(network.learned) if is_statistic(name)}
    for policy in ("frozen", "re-estimated"):
        assert not statistics & set(learned(network, phase_of("middle", "head"), policy).changed)
    found = learned(network, phase_of("middle", "head"), "trainable")

    assert statistics & set(found.changed) == {"middle/1/moving_mean", "middle/1/moving_variance"}
    assert not statistics & set(found.variables)
    assert found.training == {"middle", "head"}
    assert found.counts(network) == learned(network, phase_of("middle", "head")).counts(network)


@pytest.mark.parametrize("policy", ["frozen", "trainable"])
def test_a_phase_moves_the_statistics_that_the_policy_lets_move(network, training, policy):
    before, made = read_arrays(network.learned), training(network, batch_norm=policy)
    run_phases([phase_of("middle", "head", epochs=2, average=0.5)], made)

    moved = {"middle/1/moving_mean", "middle/1/moving_variance"} if policy == "trainable" else set()
    learning = {"middle/0/kernel", "middle/1/gamma", "middle/1/beta"} | HEAD_NAMES
    assert changed(before, read_arrays(network.learned)) == learning | moved
    done = next(event for event in read_events(made.log._path) if isinstance(event, PhaseDone))
    assert done.frozen_verified == len(before) - len(learning | moved)
    assert made.changed == learning | moved


class Tampering:
    """Changes a weight while a phase runs, as a layer that updates itself would."""

    def __init__(self, name):
        self.name, self.network = name, None

    def on_event(self, event, run):
        if isinstance(event, EpochDone):
            variable = name_variables(self.network.learned)[self.name]
            variable.assign(variable + 1e-6)


@pytest.mark.parametrize("name", ["low/0/kernel", "top/1/moving_variance"])
def test_a_weight_that_moves_though_frozen_ends_the_run_and_is_named(network, training, name):
    tampering = Tampering(name)
    made = training(network, reporters=[("tampering", tampering)])
    tampering.network = network
    with pytest.raises(HeadstartError, match=f"'tune' changed 1 weights that were frozen: {name}"):
        run_phases([phase_of("middle", "head")], made)
