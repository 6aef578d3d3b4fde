"""One update: true rates a stage, padding that counts for nothing, and nothing at all where a number is not finite."""

import importlib.metadata
import itertools
import math

import keras
import numpy as np
import pytest

from headstart.engine.device import forward, train_step
from headstart.engine.network.stages import read_arrays, trainable_variables
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule
from headstart.engine.train.update_rules import Adam, RmsProp, Sgd

pytestmark = pytest.mark.backend

RATES = {"low": 1e-4, "middle": 3e-4, "top": 1e-3, "head": 3e-3}
HEAD_ONLY = {"rates": {"head": 3e-3}, "start": 4}
"""Where depth does not matter: compiles in no time."""


def optimizer_of(trainable, rates, *, steps=10, warmup=0.0, weight_decay=0.0):
    return GroupedOptimizer(trainable, rates, Schedule(steps, warmup), rules=Rules(weight_decay))


def step_of(bench, network, rates=RATES, start=0, task=None, **settings):
    trainable = trainable_variables(network, tuple(rates))
    return train_step(Step(network, start, trainable, optimizer_of(trainable, rates, **settings), task or bench.task))


def pooled(bench, network, rows):
    return forward(network, 0, 4)(bench.batch(rows))


def mean_moves(before, after):
    """{name: mean |dw|} of every kernel."""
    return {name: np.abs(after[name] - before[name]).mean() for name in before if name.endswith("kernel")}


def updated(bench, network, rates=RATES):
    rows = np.arange(8)
    step, before = step_of(bench, network, rates), read_arrays(network.learned)
    step(bench.batch(rows), bench.targets("train", rows), np.ones(8, np.float32))
    step.sync()
    return before, read_arrays(network.learned)


def test_the_first_update_of_each_kernel_is_its_stages_rate(bench, network):
    moves = mean_moves(*updated(bench, network))

    assert {name.partition("/")[0] for name in moves} == set(RATES)
    for name, move in moves.items():
        assert move / RATES[name.partition("/")[0]] == pytest.approx(1, abs=0.05), name


def test_the_planted_bug_of_scaling_gradients_instead_would_be_seen(apply):
    """Under Adam a scaled gradient changes nothing: this is what the test above has to tell apart."""
    named = {f"{stage}/0/kernel": keras.Variable(np.ones((6, 6), np.float32)) for stage in RATES}
    optimizer = optimizer_of(named, dict.fromkeys(RATES, 3e-3))
    gradient = np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)
    apply(optimizer, [gradient * np.float32(rate / 3e-3) for rate in RATES.values()])

    moves = [np.abs(keras.ops.convert_to_numpy(variable) - 1).mean() for variable in named.values()]
    assert moves == pytest.approx([3e-3] * 4, rel=0.05)


@pytest.mark.slow
def test_the_first_update_of_each_kernel_is_its_stages_rate_on_published_weights(bench, small_registry):
    """Over the numbers that have a gradient: at 64 px the outer taps of a 5 x 5 kernel on a 2 x 2 map have none."""
    from pathlib import Path

    from headstart.engine.network.assemble import build_backbone, graft
    from headstart.engine.network.network import choose_features
    from headstart.engine.network.stages import assign_arrays
    from headstart.specs import Backbone, InputRequest, TensorSpec

    spec = small_registry.get("backbones", "lite0")
    origin = spec.weights[0].origin
    try:
        file = Path(importlib.metadata.distribution(origin.distribution).locate_file(origin.path))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the extra `lite` is not installed")
    reading = small_registry.get("inputs", "image")
    kind = small_registry.load_target(reading, reading.build)(
        InputRequest({**spec.weights[0].preprocess, "size": [64, 64]}, reading.options())
    )
    stages = build_backbone(
        spec, small_registry, options=spec.options(), inputs={"image": TensorSpec((64, 64, 3), "float32")}
    )
    arrays = small_registry.load_target(spec, spec.weights[0].load)(file, Backbone(stages))
    assign_arrays(stages, arrays, source=str(file))
    whole = graft(kind, stages, choose_features(spec.features, ("pooled",)), task=bench.task, head="linear", seed=0)
    rates = {stage: 1e-5 * (number + 1) for number, stage in enumerate((*spec.stages, "head"))}
    step, before = step_of(bench, whole, rates), read_arrays(whole.learned)
    step({"image": crops(8)}, {"class": np.arange(8, dtype=np.int32)}, np.ones(8, np.float32))
    step.sync()
    after = read_arrays(whole.learned)

    kernels = [name for name in before if name.endswith("kernel")]
    assert len(kernels) == 50
    for name in kernels:
        moves = np.abs(after[name] - before[name])
        assert (moves > 0).mean() > 0.05, name
        assert moves[moves > 0].mean() / rates[name.partition("/")[0]] == pytest.approx(1, abs=0.05), name


def crops(count):
    """(count, 64, 64, 3) uint8: pieces of the two photographs that come with scikit-learn."""
    from sklearn.datasets import load_sample_images

    pictures, generator = load_sample_images().images, np.random.default_rng(0)
    tops, lefts = generator.integers(0, 360, count), generator.integers(0, 570, count)
    places = zip(tops, lefts, strict=True)
    return np.stack([pictures[i % 2][y : y + 64, x : x + 64] for i, (y, x) in enumerate(places)])


def test_decay_shrinks_kernels_by_rate_times_decay_and_leaves_biases_and_norms_alone(network, apply):
    """With a gradient of 0, Adam's step is 0, and w becomes w (1 - rate x decay) (Loshchilov & Hutter 2019, eq. 12)."""
    trainable = trainable_variables(network, tuple(RATES))
    for variable in trainable.values():
        variable.assign(np.ones(variable.shape, np.float32))
    optimizer = optimizer_of(trainable, RATES, weight_decay=0.1)
    apply(optimizer, [np.zeros(variable.shape, np.float32) for variable in trainable.values()])

    for name, array in read_arrays(network.learned).items():
        if name.endswith("kernel"):
            assert array == pytest.approx(1 - 0.1 * RATES[name.partition("/")[0]], abs=1e-7), name
        elif name in trainable:
            assert (array == 1).all(), name


@pytest.mark.parametrize(("steps", "warmup"), [(40, 0.25), (40, 0.0), (1, 0.1), (3, 0.9)])
def test_rates_rise_in_a_line_and_fall_as_a_cosine_to_zero(steps, warmup):
    rate = Schedule(steps, warmup).rates(2e-3)
    rising = max(1, round(warmup * steps)) if warmup else 0

    for step in range(steps + 1):
        if step < rising:
            expected = 2e-3 * (1 / 25 + (1 - 1 / 25) * step / rising)
        else:
            share = min(1.0, (step - rising) / max(1, steps - rising))
            expected = 2e-3 * (1 + math.cos(math.pi * share)) / 2
        assert rate[step] == pytest.approx(expected, abs=1e-8), step


def test_several_steps_follow_an_independent_adamw(apply):
    """The update rule written out in numpy, for one kernel, over a warm-up and a cosine."""
    named = {"head/0/kernel": keras.Variable(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))}
    optimizer = optimizer_of(named, {"head": 0.01}, steps=8, warmup=0.25, weight_decay=0.05)
    rate = Schedule(8, 0.25).rates(0.01)
    weights = np.linspace(-1, 1, 12).reshape(3, 4)
    first, second = np.zeros((3, 4)), np.zeros((3, 4))
    generator = np.random.default_rng(3)
    for step in range(8):
        gradient = generator.normal(size=(3, 4)).astype(np.float32)
        apply(optimizer, [gradient])
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        corrected = first / (1 - 0.9 ** (step + 1)) / (np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8)
        weights = weights - rate[step] * (0.05 * weights + corrected)

    assert keras.ops.convert_to_numpy(named["head/0/kernel"]) == pytest.approx(weights, abs=2e-6)


KERAS_OWN = {
    "adamw": lambda **given: keras.optimizers.AdamW(epsilon=1e-8, **given),
    "adam": lambda **given: keras.optimizers.Adam(epsilon=1e-8, **given),
    "sgd": keras.optimizers.SGD,
    "sgd with momentum": lambda **given: keras.optimizers.SGD(momentum=0.9, **given),
    "rmsprop": keras.optimizers.RMSprop,
}
UPDATES = {"adamw": Adam(), "adam": Adam(), "sgd": Sgd(), "sgd with momentum": Sgd(0.9), "rmsprop": RmsProp()}


def keras_own(kind, variables, names, rate, decay):
    """Keras' own optimizer of the same settings, at a constant rate or by a schedule of its own."""
    optimizer = KERAS_OWN[kind](learning_rate=rate, weight_decay=decay)
    optimizer.exclude_from_weight_decay(
        var_list=[variable for variable, name in zip(variables, names, strict=True) if not name.endswith("kernel")]
    )
    optimizer.build(variables)
    return optimizer


def keras_schedule(schedule, peak):
    """The same rates by what Keras has for it."""
    if schedule.kind == "constant":
        return peak
    falling = schedule.steps - schedule.rising
    given = {"warmup_target": peak, "warmup_steps": schedule.rising} if schedule.rising else {}
    return keras.optimizers.schedules.CosineDecay(peak / 25 if schedule.rising else peak, falling, **given)


def applied(optimizer):
    """An optimizer's update, compiled on JAX, where step by step it takes a hundred times as long."""
    if keras.backend.backend() == "torch":
        return optimizer.apply
    import jax

    run = jax.jit(optimizer.stateless_apply)

    def apply(gradients):
        state, weights = optimizer.variables, optimizer._trainable_variables
        updated = run([each.value for each in state], gradients, [each.value for each in weights])
        for variable, value in zip([*weights, *state], [*updated[0], *updated[1]], strict=True):
            variable.assign(value)

    return apply


@pytest.mark.parametrize("schedule", [Schedule(40, 0.2), Schedule(40, kind="constant")], ids=lambda each: each.kind)
@pytest.mark.parametrize("kind", KERAS_OWN)
def test_forty_steps_of_several_groups_are_those_of_keras_own_optimizer(apply, kind, schedule):
    generator = np.random.default_rng(0)
    shapes = {"low/0/kernel": (3, 3, 2, 4), "low/0/bias": (4,), "head/0/kernel": (7, 5), "head/0/bias": (5,)}
    start = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    ours, theirs = ({name: keras.Variable(array) for name, array in start.items()} for _ in range(2))
    rates = {"low": 1e-3, "head": 1e-2}
    optimizer = GroupedOptimizer(ours, rates, schedule, update=UPDATES[kind], rules=Rules(0.05))
    own = {
        stage: keras_own(
            kind,
            [theirs[name] for name in shapes if name.startswith(stage)],
            [name for name in shapes if name.startswith(stage)],
            keras_schedule(schedule, rates[stage]),
            0.05,
        )
        for stage in rates
    }
    updates = {stage: applied(optimizer) for stage, optimizer in own.items()}
    for _ in range(40):
        gradients = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        apply(optimizer, list(gradients.values()))
        for stage, other in updates.items():
            other([keras.ops.convert_to_tensor(gradients[name]) for name in shapes if name.startswith(stage)])
        for name in shapes:
            given, expected = (keras.ops.convert_to_numpy(each[name]) for each in (ours, theirs))
            scale = np.abs(expected).max()
            assert np.abs(given - expected).max() <= 2e-6 * scale, name
    moved = {name: np.abs(keras.ops.convert_to_numpy(ours[name]) - start[name]).max() for name in shapes}
    assert min(moved.values()) > 1e-3


@pytest.mark.parametrize(("kind", "falls_alike"), [("constant", True), ("cosine", False)])
def test_pytorchs_own_momentum_is_another_one_where_the_rate_falls(apply, backend, kind, falls_alike):
    """It keeps the rate out of the velocity: why its kernel is not used, and why Keras is what is compared with."""
    if backend != "torch":
        pytest.skip("one framework a process")
    import torch

    named = {"head/0/kernel": keras.Variable(np.zeros((3, 4), np.float32))}
    schedule = Schedule(20, kind=kind)
    optimizer = GroupedOptimizer(named, {"head": 0.1}, schedule, update=Sgd(0.9))
    theirs = torch.nn.Parameter(torch.zeros(3, 4))
    other = torch.optim.SGD([theirs], 0.1, momentum=0.9)
    generator = np.random.default_rng(0)
    for rate in schedule.rates(0.1)[:20]:
        gradient = generator.normal(size=(3, 4)).astype(np.float32)
        apply(optimizer, [gradient])
        other.param_groups[0]["lr"] = rate
        theirs.grad = torch.tensor(gradient)
        other.step()
    difference = np.abs(keras.ops.convert_to_numpy(named["head/0/kernel"]) - theirs.detach().numpy()).max()
    assert (difference < 1e-5) == falls_alike
    assert falls_alike or difference > 0.05


@pytest.mark.parametrize("kind", UPDATES)
def test_no_more_is_held_of_a_weight_than_the_update_reads(apply, kind):
    named = {f"head/0/{name}": keras.Variable(np.ones(4, np.float32)) for name in ("kernel", "bias")}
    optimizer = GroupedOptimizer(named, {"head": 0.1}, Schedule(9), update=UPDATES[kind])
    apply(optimizer, [np.ones(4, np.float32)] * 2)
    held = {"adamw": (2, 2), "adam": (2, 2), "sgd": (0, 0), "sgd with momentum": (2, 0), "rmsprop": (0, 2)}[kind]
    assert (len(optimizer.first), len(optimizer.second)) == held


@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_a_constant_rate_stays_at_its_peak_after_the_warm_up(warmup):
    rates = Schedule(40, warmup, "constant").rates(2e-3)
    rising = round(40 * warmup)
    assert (rates[rising:] == 2e-3).all()
    assert rates[:rising] == pytest.approx(Schedule(40, warmup).rates(2e-3)[:rising], rel=1e-12)


def padded(rows, size):
    mask = np.zeros(size, np.float32)
    mask[: len(rows)] = 1
    return np.pad(rows, (0, size - len(rows)), mode="edge"), mask


def test_rows_of_padding_count_for_nothing(bench):
    rows = np.arange(5)
    results = []
    for batch_rows, mask in ((rows, np.ones(5, np.float32)), padded(rows, 8)):
        network = bench.network()
        before = read_arrays(network.learned)
        step = step_of(bench, network)
        stepped = step(bench.batch(batch_rows), bench.targets("train", batch_rows), mask)
        step.sync()
        after = read_arrays(network.learned)
        results.append((stepped.loss, {name: after[name] - before[name] for name in before}))

    (loss, moved), (padded_loss, padded_moved) = results
    assert loss == pytest.approx(padded_loss, rel=1e-5)
    for name, rate in ((name, RATES[name.partition("/")[0]]) for name in moved):
        # Adam's first step is the gradient's sign: a gradient near 0 may flip it, a wrong mask flips many.
        assert (np.abs(moved[name] - padded_moved[name]) > 0.1 * rate).mean() < 0.02, name


def test_what_padding_holds_does_not_matter(bench, network):
    rows, mask = padded(np.arange(5), 8)
    step = step_of(bench, network, {"head": 1e-12}, start=4)
    count = len(bench.data.indices("train"))
    losses = [
        step(pooled(bench, network, each), bench.targets("train", each), mask).loss
        for each in (rows, np.concatenate([rows[:5], [40, 41, 42]]).clip(max=count - 1))
    ]

    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def cross_entropies(targets, logits):
    """(batch,) float64, written out."""
    logs = logits.astype(np.float64) - np.log(np.exp(logits.astype(np.float64)).sum(axis=1, keepdims=True))
    return -logs[np.arange(len(logs)), targets["class"]]


def test_a_step_reports_what_the_batch_saw_before_the_update(bench, network):
    rows = np.arange(8)
    expected = forward(network, 0, 5)(bench.batch(rows))["logits"]
    targets = bench.targets("train", rows)
    step = step_of(bench, network, **HEAD_ONLY)
    stepped = step(pooled(bench, network, rows), targets, np.ones(8, np.float32))

    assert stepped.outputs["logits"] == pytest.approx(expected, abs=1e-4 * max(1, expected.std()))
    assert stepped.loss == pytest.approx(cross_entropies(targets, expected).mean(), rel=1e-4)
    assert stepped.losses == pytest.approx(cross_entropies(targets, expected), rel=1e-4)
    assert stepped.finite


class RootLoss:
    """A finite loss whose gradient is not: the root of something that is 0."""

    def __init__(self, power):
        self.power = power

    def loss(self, targets, outputs, *, training):
        zeros = keras.ops.sum(outputs["logits"], axis=1) * 0.0
        return zeros**self.power


def test_a_gradient_that_is_not_finite_changes_nothing(bench, network):
    rows = np.arange(8)
    before = read_arrays(network.learned)
    step = step_of(bench, network, task=RootLoss(0.5), **HEAD_ONLY)
    stepped = step(pooled(bench, network, rows), bench.targets("train", rows), np.ones(8, np.float32))
    step.sync()
    after = read_arrays(network.learned)

    assert stepped.loss == 0.0
    assert not stepped.finite
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_loss_that_is_not_finite_changes_nothing_not_even_the_moments(bench):
    """Two networks see the same good batch, one of them a bad batch before it: both end alike."""
    rows = np.arange(8)
    targets, mask = bench.targets("train", rows), np.ones(8, np.float32)
    ends = []
    for bad_first in (False, True):
        network = bench.network()
        step = step_of(bench, network, **HEAD_ONLY)
        if bad_first:
            assert not step({"@pooled": np.full((8, 12), np.nan, np.float32)}, targets, mask).finite
        step(pooled(bench, network, rows), targets, mask)
        step.sync()
        ends.append(read_arrays(network.learned))

    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_jax_compiles_one_step_for_a_ragged_epoch(bench, network, backend):
    if backend != "jax":
        pytest.skip("PyTorch compiles nothing")
    from headstart.data.order import batches, epoch_order
    from headstart.data.views import TrainingSamples
    from headstart.engine.train.epochs import Drawn

    step = step_of(bench, network, **HEAD_ONLY)
    samples = Drawn(TrainingSamples(pooled(bench, network, np.arange(21)), (), np.arange(21)))
    for epoch in (1, 2):
        for picked, mask in batches(epoch_order(0, epoch, samples.count), 8):
            step(samples.take(epoch, picked), bench.targets("train", picked), mask)

    assert step._run._cache_size() == 1


def test_variables_stay_readable_while_a_step_holds_their_successors(bench, network):
    """JAX gives the memory of a step's inputs to its outputs; the variables must not be among them."""
    rows = np.arange(8)
    step = step_of(bench, network, **HEAD_ONLY)
    arguments = (pooled(bench, network, rows), bench.targets("train", rows), np.ones(8, np.float32))
    seen = [read_arrays(network.learned)["head/0/kernel"]]
    for _ in range(3):
        step(*arguments)
        read_arrays(network.learned)
        step.sync()
        seen.append(read_arrays(network.learned)["head/0/kernel"])

    assert all(not np.array_equal(one, other) for one, other in itertools.pairwise(seen))


def test_dropout_draws_anew_each_step_in_training_and_never_in_inference(bench, small_registry):
    from headstart.engine.network.network import Network
    from headstart.specs import Stage, TaskRequest

    spec = small_registry.get("tasks", "classification")
    task = small_registry.load_target(spec, spec.build)(
        TaskRequest(spec.options(dropout=0.5), targets=bench.data.values)
    )
    network = bench.network()
    head = Stage("head", task.head("mlp:64", {"pooled": (None, 12)}, 0))
    network = Network((*network.stages[:-1], head), network.features)
    rows = np.arange(8)
    step = step_of(bench, network, {"head": 1e-12}, start=4, task=task)
    arguments = (pooled(bench, network, rows), bench.targets("train", rows), np.ones(8, np.float32))
    losses = [step(*arguments).loss for _ in range(3)]
    step.sync()
    answers = [forward(network, 0, 5)(bench.batch(rows))["logits"] for _ in range(2)]

    assert len(set(losses)) == 3
    assert np.array_equal(*answers)
