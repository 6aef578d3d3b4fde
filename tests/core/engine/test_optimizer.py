"""What an update does beside following its gradient: clipping, the pull to where weights began, and their average."""

import keras
import numpy as np
import pytest

from headstart.engine.device import train_step
from headstart.engine.network.stages import read_arrays, trainable_variables
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule
from headstart.engine.train.update_rules import Adam, RmsProp, Sgd

pytestmark = pytest.mark.backend

SHAPES = {
    "low/0/kernel": (3, 3, 2, 4),
    "low/1/gamma": (4,),
    "low/2/lambda": (4,),
    "head/0/kernel": (80, 5),
    "head/0/bias": (5,),
}
RATES = {"low": 1e-2, "head": 2e-2}
ADAM = Adam()
STEPS, WARMUP, DECAY = 12, 0.25, 0.05


def drawn(seed, scale=1.0):
    draw = np.random.default_rng(seed)
    return {name: (scale * draw.normal(size=shape)).astype(np.float32) for name, shape in SHAPES.items()}


def optimizer_of(start, update=ADAM, **rules):
    named = {name: keras.Variable(array) for name, array in start.items()}
    return GroupedOptimizer(named, RATES, Schedule(STEPS, WARMUP), update=update, rules=Rules(DECAY, **rules))


def arrays_of(optimizer):
    values = (keras.ops.convert_to_numpy(variable) for variable in optimizer.variables)
    return dict(zip(optimizer.names, values, strict=True))


class ByHand:
    """The same update written out in numpy, in float64."""

    def __init__(self, start, update=ADAM, *, clip=0.0, l2_sp=0.0, average=0.0):
        self.change = {Adam: self.adam, Sgd: self.sgd, RmsProp: self.rmsprop}[type(update)]
        self.momentum = getattr(update, "momentum", 0.0)
        self.values = {name: array.astype(np.float64) for name, array in start.items()}
        self.start = dict(self.values)
        self.first, self.second = ({name: np.zeros_like(v) for name, v in self.values.items()} for _ in range(2))
        self.averages, self.count = dict(self.values), 0
        self.clip, self.l2_sp, self.average = clip, l2_sp, average
        self.norms = []

    def update(self, gradients):
        norm = np.sqrt(sum((gradient.astype(np.float64) ** 2).sum() for gradient in gradients.values()))
        self.norms.append(norm)
        shrunk = min(1.0, self.clip / norm) if self.clip else 1.0
        share = 1 - min(self.average, (1 + self.count) / (10 + self.count))
        number = self.count + 1
        for name, gradient in gradients.items():
            stage, _, role = name.split("/")
            rate = Schedule(STEPS, WARMUP).rates(RATES[stage])[self.count]
            gradient = gradient.astype(np.float64) * shrunk
            moved = self.change(name, gradient, rate, number)
            old = self.values[name]
            drawn_back = self.l2_sp * (old - self.start[name]) if stage != "head" else 0.0
            is_decayed = role == "kernel" and not (self.l2_sp and stage != "head")
            decayed = DECAY * old if is_decayed else 0.0
            self.values[name] = old - moved - rate * (decayed + drawn_back)
            self.averages[name] = (1 - share) * self.averages[name] + share * self.values[name]
        self.count = number

    def adam(self, name, gradient, rate, number):
        self.first[name] = 0.9 * self.first[name] + 0.1 * gradient
        self.second[name] = 0.999 * self.second[name] + 0.001 * gradient**2
        root = np.sqrt(self.second[name]) + 1e-8  # before its bias is corrected, as Keras does it
        return rate * self.first[name] / (1 - 0.9**number) / (root / np.sqrt(1 - 0.999**number))

    def sgd(self, name, gradient, rate, number):
        self.first[name] = self.momentum * self.first[name] + rate * gradient
        return self.first[name]

    def rmsprop(self, name, gradient, rate, number):
        self.second[name] = 0.9 * self.second[name] + 0.1 * gradient**2
        return rate * gradient / np.sqrt(self.second[name] + 1e-7)


@pytest.mark.parametrize("update", [Adam(), Sgd(), Sgd(0.9), RmsProp()], ids=str)
@pytest.mark.parametrize(
    "rules",
    [{"clip": 3.0}, {"l2_sp": 5.0}, {"average": 0.5}, {"clip": 3.0, "l2_sp": 5.0, "average": 0.9}],
    ids=["clip", "l2_sp", "average", "all"],
)
def test_updates_follow_the_rules_written_out_in_numpy(apply, rules, update):
    start = drawn(0)
    optimizer, reference = optimizer_of(start, update, **rules), ByHand(start, update, **rules)
    for step in range(STEPS):
        gradients = drawn(step + 1, scale=0.05 if step % 3 else 1.0)
        apply(optimizer, list(gradients.values()))
        reference.update(gradients)

    assert min(reference.norms) < 3.0 < max(reference.norms)
    for name, array in arrays_of(optimizer).items():
        assert array == pytest.approx(reference.values[name], abs=5e-6), name
        assert np.abs(array - start[name]).max() > 1e-3
    for name, average in zip(optimizer.names, optimizer.averages, strict=False):
        assert keras.ops.convert_to_numpy(average) == pytest.approx(reference.averages[name], abs=5e-6), name


@pytest.mark.parametrize("rule", ["clip", "l2_sp", "average"])
def test_each_rule_makes_a_difference_that_the_test_above_would_see(rule):
    start, given = drawn(0), {"clip": 3.0, "l2_sp": 5.0, "average": 0.9}
    whole, without = ByHand(start, **given), ByHand(start, **{**given, rule: 0.0})
    for step in range(STEPS):
        for each in (whole, without):
            each.update(drawn(step + 1, scale=0.05 if step % 3 else 1.0))
    kind = "averages" if rule == "average" else "values"
    differences = [np.abs(getattr(whole, kind)[name] - getattr(without, kind)[name]).max() for name in SHAPES]

    assert max(differences) > 1e-3


def test_a_clipped_update_is_pytorchs_own(apply, backend):
    if backend != "torch":
        pytest.skip("the test above compares JAX's with numpy's")
    import torch

    start, gradients = drawn(0), drawn(1, scale=10.0)
    optimizer = optimizer_of(start, clip=0.7)
    apply(optimizer, list(gradients.values()))
    theirs = {name: torch.nn.Parameter(torch.tensor(array)) for name, array in start.items()}
    for name, parameter in theirs.items():
        parameter.grad = torch.tensor(gradients[name])
    torch.nn.utils.clip_grad_norm_(list(theirs.values()), 0.7)
    groups = [
        {
            "params": [parameter],
            "lr": Schedule(STEPS, WARMUP).rates(RATES[name.partition("/")[0]])[0],
            "weight_decay": DECAY if name.endswith("kernel") else 0.0,
        }
        for name, parameter in theirs.items()
    ]
    torch.optim.AdamW(groups, eps=1e-8 / np.sqrt(0.001)).step()  # it adds epsilon to the corrected root

    moments = dict(zip(optimizer.names, optimizer.first, strict=True))
    for name, array in arrays_of(optimizer).items():
        assert array == pytest.approx(theirs[name].detach().numpy(), abs=1e-6), name
        clipped = 0.1 * theirs[name].grad.numpy()
        assert keras.ops.convert_to_numpy(moments[name]) == pytest.approx(clipped, abs=1e-7)
    norm = np.sqrt(sum((keras.ops.convert_to_numpy(each) ** 2).sum() for each in optimizer.first))
    assert norm == pytest.approx(0.07, rel=1e-4)


def test_without_a_moving_average_none_is_held(apply):
    optimizer = optimizer_of(drawn(0))
    apply(optimizer, list(drawn(1).values()))

    assert list(optimizer.averages) == []


def test_after_many_updates_the_average_changes_by_its_decay_alone():
    optimizer = optimizer_of(drawn(0), average=0.99)
    shares = optimizer.average_share(np.arange(2000))

    assert shares[:3] == pytest.approx([1 - 1 / 10, 1 - 2 / 11, 1 - 3 / 12])
    assert shares[-1] == pytest.approx(0.01)
    assert (np.diff(shares) <= 0).all()


class NoGradient:
    """A loss of 0, whose gradients are 0."""

    def loss(self, targets, outputs, *, training):
        return keras.ops.sum(outputs["logits"], axis=1) * 0.0


def test_without_a_gradient_the_backbone_goes_back_towards_its_start_and_the_head_stays(bench, network):
    """w - w0 becomes (1 - rate x l2_sp) (w - w0), through the compiled step with its own layout of weights."""
    rates = {"middle": 1e-2, "top": 2e-2, "head": 3e-2}
    trainable = trainable_variables(network, tuple(rates))
    rules = Rules(l2_sp=4.0)
    optimizer = GroupedOptimizer(trainable, rates, Schedule(9), rules=rules)
    step = train_step(Step(network, 0, trainable, optimizer, NoGradient()))
    start, draw = read_arrays(network.learned), np.random.default_rng(0)
    for name, variable in trainable.items():
        variable.assign(start[name] + draw.normal(size=start[name].shape).astype(np.float32))
    away = read_arrays(network.learned)
    step.reload()
    rows = np.arange(8)
    assert step(bench.batch(rows), bench.targets("train", rows), np.ones(8, np.float32)).finite
    step.sync()

    for name, array in read_arrays(network.learned).items():
        rate = rates.get(name.partition("/")[0], 0.0)
        kept = 1 - 4.0 * rate if name in trainable and not name.startswith("head") else 1.0
        assert array - start[name] == pytest.approx(kept * (away[name] - start[name]), abs=2e-6), name


def test_an_optimizer_that_begins_again_makes_the_same_updates_again(apply):
    start = drawn(0)
    optimizer = optimizer_of(start, clip=3.0, average=0.9)
    ends = []
    for _ in range(2):
        for name, variable in zip(optimizer.names, optimizer.variables, strict=True):
            variable.assign(start[name])
        optimizer.begin_again()
        for step in range(3):
            apply(optimizer, list(drawn(step + 1).values()))
        tensors = [*optimizer.variables, *optimizer.first, *optimizer.second, *optimizer.averages]
        ends.append([np.array(keras.ops.convert_to_numpy(each)) for each in tensors])

    assert optimizer.count == 3
    assert all(np.array_equal(one, other) for one, other in zip(*ends, strict=True))
