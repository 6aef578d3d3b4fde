"""Many steps a call give what single steps give, however they are cut, and stop where single steps stop."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from headstart.data.order import epoch_order
from headstart.data.views import Mixed, TrainingSamples
from headstart.engine.lowering.loops import is_within_loop
from headstart.engine.network.network import Network
from headstart.engine.network.stages import read_arrays, trainable_variables
from headstart.engine.step import Step
from headstart.engine.train import device_epochs as module
from headstart.engine.train.device_epochs import DeviceEpochs, Pace, make_epochs
from headstart.engine.train.epochs import (
    Drawn,
    EpochRecord,
    Examples,
    Failure,
    StepByStep,
    Stored,
    in_order,
    size_in_order,
)
from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule
from headstart.engine.train.update_rules import Adam, RmsProp, Sgd
from headstart.specs import Stage, TaskRequest

pytestmark = pytest.mark.backend

ROWS, CHANNELS, CLASSES = 53, 80, 10
EPOCHS = 3
SEED = 5
SETTINGS = {"order": lambda epoch: epoch_order(SEED, epoch, ROWS), "batch_size": 8}


@dataclasses.dataclass
class Fixed(Pace):
    """So many steps a call, however long they take."""

    def observe(self, seconds):
        pass


def samples(views=1):
    generator = np.random.default_rng(1)
    arrays = [generator.normal(size=(ROWS, CHANNELS)).astype(np.float32) for _ in range(views)]
    return Stored(tuple({"@pooled": array} for array in arrays))


def labels():
    return np.random.default_rng(2).integers(0, CLASSES, ROWS).astype(np.int32)


class Kept:
    """Stands for running scores: keeps the rows and outputs of an epoch."""

    def __init__(self):
        self.rows, self.logits, self.losses = [], [], []

    def add(self, rows):
        assert len(rows.facts) == 0  # these samples have none
        self.rows += rows.targets["row"].tolist()
        self.logits += list(rows.outputs["logits"])
        self.losses += list(rows.losses)


@dataclasses.dataclass
class Outcome:
    """What an epoch's steps saw, and the one that was not finite."""

    steps: list[float]
    rows: list[int]
    logits: np.ndarray
    losses: np.ndarray
    failure: Failure | None


def run(epochs, epoch, watch=lambda record: None, *, kept=True):
    record = EpochRecord(Kept() if kept else None)
    failure = epochs.run(epoch, record, watch)
    seen = record.scores or Kept()
    return Outcome(record.losses, seen.rows, np.array(seen.logits), np.array(seen.losses), failure)


ADAM = Adam()


class Case:
    """A head, its optimizer, and what trains them; each case starts from the same weights."""

    def __init__(self, bench, registry, *, head="linear", dropout=0.0, loss=None, update=ADAM):
        spec = registry.get("tasks", "classification")
        task = registry.load_target(spec, spec.build)(
            TaskRequest(spec.options(dropout=dropout), targets=bench.data.values)
        )
        stage = Stage("head", task.head(head, {"pooled": (None, CHANNELS)}, 0))
        self.network = Network((bench_input(), stage), ())
        learning = trainable_variables(self.network, ("head",))
        self.optimizer = GroupedOptimizer(
            learning, {"head": 1e-2}, Schedule(EPOCHS * 7, 0.1), update=update, rules=Rules(0.01)
        )
        self.step = Step(self.network, 1, learning, self.optimizer, loss or task)

    def train(self, epochs, count=EPOCHS, **settings):
        """The outcomes of `count` epochs."""
        return [run(epochs, epoch, **settings) for epoch in range(1, count + 1)]

    def end(self):
        """All that training came to: weights, moments, and how many updates."""
        moments = (*self.optimizer.first, *self.optimizer.second)
        arrays = [*read_arrays(self.network.stages[1:]).values(), *map(keras.ops.convert_to_numpy, moments)]
        return [np.array(array) for array in arrays], self.optimizer.count

    def single(self, given=None, targets=None):
        return StepByStep(self.step, examples(given, targets), **SETTINGS)

    def scanned(self, given=None, targets=None, **more):
        return DeviceEpochs(self.step, examples(given, targets), **SETTINGS, **more)


def examples(given=None, targets=None):
    """Samples with their classes, and the number of each row beside them."""
    given = given or samples()
    return Examples(given, {"class": labels() if targets is None else targets, "row": np.arange(given.count)})


def bench_input():
    image = keras.Input((4,), name="x")
    return Stage("input", keras.Model({"x": image}, {"x": keras.layers.Identity()(image)}))


@pytest.fixture
def case(bench, small_registry):
    return lambda **settings: Case(bench, small_registry, **settings)


def assert_same(ours, theirs, backend):
    """To the bit on JAX; PyTorch multiplies matrices of views and of copies in different orders."""
    (given, count), (expected, other) = ours, theirs
    assert count == other
    for one, two in zip(given, expected, strict=True):
        if backend == "jax":
            assert np.array_equal(one, two)
        else:
            assert np.abs(one - two).max() <= 1e-6 * np.abs(two).max()
    assert max(np.abs(array).max() for array in given) > 0.01


@pytest.mark.parametrize(
    "head",
    [
        {"head": "linear"},
        {"head": "mlp:16"},
        {"head": "mlp:16", "dropout": 0.4},
        *({"head": "mlp:16", "update": update} for update in (Sgd(), Sgd(0.9), RmsProp())),
    ],
    ids=["linear", "mlp", "drop", "sgd", "momentum", "rmsprop"],
)
def test_both_forms_come_to_the_same_weights_moments_and_outputs(case, backend, head):
    one, other = case(**head), case(**head)
    given, expected = one.train(one.scanned(samples(2))), other.train(other.single(samples(2)))

    assert_same(one.end(), other.end(), backend)
    for ours, theirs in zip(given, expected, strict=True):
        assert ours.rows == theirs.rows
        assert sorted(ours.rows) == list(range(ROWS))
        assert theirs.logits.std() > 0.01
        assert ours.logits == pytest.approx(theirs.logits, abs=1e-6)
        assert ours.losses == pytest.approx(theirs.losses, abs=1e-5)
        assert ours.losses.mean() == pytest.approx(np.average(ours.steps, weights=[8] * 6 + [ROWS - 48]), rel=1e-5)
        assert ours.failure is theirs.failure is None


def test_an_epoch_follows_softmax_regression_written_out_in_numpy(case):
    one = case()
    weights = [array.astype(np.float64) for array in read_arrays(one.network.stages[1:]).values()]
    assert [array.shape for array in weights] == [(CHANNELS, CLASSES), (CLASSES,)]
    one.train(one.scanned(), 1)
    rates = Schedule(EPOCHS * 7, 0.1).rates(1e-2)
    features, targets = samples().views[0]["@pooled"].astype(np.float64), labels()
    moments = [(np.zeros_like(array), np.zeros_like(array)) for array in weights]
    order = epoch_order(SEED, 1, ROWS)
    for step in range(7):
        rows = order[8 * step : 8 * step + 8]
        scores = features[rows] @ weights[0] + weights[1]
        flow = np.exp(scores - scores.max(axis=1, keepdims=True))
        flow = (flow / flow.sum(axis=1, keepdims=True) - np.eye(CLASSES)[targets[rows]]) / len(rows)
        for place, gradient in enumerate((features[rows].T @ flow, flow.sum(axis=0))):
            first, second = moments[place]
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            moments[place] = first, second
            moved = first / (1 - 0.9 ** (step + 1)) / (np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8)
            decay = 0.01 if place == 0 else 0.0
            weights[place] = weights[place] - rates[step] * (decay * weights[place] + moved)

    for given, expected in zip(read_arrays(one.network.stages[1:]).values(), weights, strict=True):
        assert expected.std() > 0.01
        assert given == pytest.approx(expected, abs=1e-5)


def mixed_samples():
    """Row 0 with row 2 by 3 to 1, row 1 as it is, row 2 with row 0 by 1 to 3; classes 4, 1 and 7."""
    mixed = Mixed(np.array([2, 1, 0]), np.array([0.75, 1.0, 0.25], np.float32))
    blended = np.zeros((3, CLASSES), np.float32)
    blended[[0, 0, 1, 2, 2], [4, 7, 1, 7, 4]] = 0.75, 0.25, 1.0, 0.25, 0.75
    return Stored(({"@pooled": samples().views[0]["@pooled"][:3]},), (mixed,)), np.array([4, 1, 7], np.int32), blended


def test_targets_are_blended_as_their_samples_are_mixed(case):
    given, targets, blended = mixed_samples()
    rows = np.array([2, 0, 1, 2])
    found = examples(given, targets).targets_of(case().step.task, 1, rows)["class"]
    assert found.tolist() == blended[rows].tolist()
    plain = examples(dataclasses.replace(given, mixed=()), targets).targets_of(case().step.task, 1, rows)["class"]
    assert plain.tolist() == [7, 4, 1, 7]


@pytest.mark.parametrize("form", ["single", "scanned"])
def test_the_loss_of_mixed_samples_is_that_of_blended_targets(case, form):
    given, targets, blended = mixed_samples()
    one, settings = case(), {"order": lambda epoch: np.arange(3), "batch_size": 3}
    weights, bias = (array.astype(np.float64) for array in read_arrays(one.network.stages[1:]).values())
    scores = given.views[0]["@pooled"] @ weights + bias
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    form_of = {"single": StepByStep, "scanned": DeviceEpochs}[form]
    (outcome,) = one.train(form_of(one.step, examples(given, targets), **settings), 1, kept=False)

    assert outcome.steps == pytest.approx([-(blended * logs).sum(axis=1).mean()], rel=1e-5)


def test_how_steps_are_cut_into_calls_changes_no_bit(case):
    ends = []
    for pace in (Fixed(1), Fixed(3), Fixed(1000)):
        one = case(head="mlp:16", dropout=0.4)
        one.train(one.scanned(pace=pace))
        ends.append(one.end())

    for arrays, count in ends[1:]:
        assert count == ends[0][1] == EPOCHS * 7
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(arrays, ends[0][0], strict=True))


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_call_takes_no_more_steps_than_there_is_room_for_their_outputs(case, backend, monkeypatch, steps):
    """One at least; the numbers are the same."""
    one, other, reached = case(), case(), []
    other.train(other.scanned(pace=Fixed(1000)), 1)
    monkeypatch.setattr(f"headstart.engine.{backend}.scan.ROOM_FOR_OUTPUTS", steps * 8 * 4 * CLASSES)
    run(one.scanned(pace=Fixed(1000)), 1, lambda record: reached.append(record.steps))

    assert reached[0] <= steps + 1
    assert reached[-1] == 7
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(one.end()[0], other.end()[0], strict=True))


def test_jax_reads_a_file_in_place_and_copies_little_else(case, backend, tmp_path, monkeypatch):
    """A page begins at a multiple of 64 bytes; an array one number further on does not."""
    mapped = np.memmap(tmp_path / "features", np.float32, "w+", shape=(ROWS + 1, CHANNELS))
    shifted = mapped.reshape(-1)[1 : 1 + ROWS * CHANNELS].reshape(ROWS, CHANNELS)
    held = case().scanned().trains
    assert held.can_hold([{"@pooled": mapped[:ROWS]}, {"@pooled": shifted}], {"class": labels()})
    if backend == "jax":
        monkeypatch.setattr("headstart.engine.jax.scan.ROOM_ON_CPU", 4 * ROWS * CHANNELS)
        assert held.can_hold([{"@pooled": mapped[:ROWS]}] * 9, {})
        assert not held.can_hold([{"@pooled": shifted}] * 2, {})
    tensors, _ = held.put({"@pooled": mapped[:ROWS]}, {"class": labels()})
    pointer = tensors["@pooled"].unsafe_buffer_pointer() if backend == "jax" else tensors["@pooled"].data_ptr()
    assert pointer == mapped.ctypes.data


@pytest.mark.parametrize("block", [1, 2 * 8 * 4 * CHANNELS, 2**20])
def test_samples_that_do_not_stay_on_the_device_come_to_the_same(case, backend, monkeypatch, tmp_path, block):
    monkeypatch.setattr(module, "BLOCK", block)
    mapped = np.memmap(tmp_path / "features", np.float32, "w+", shape=(ROWS, CHANNELS))
    mapped[:] = samples().views[0]["@pooled"]
    one, other = case(), case()
    monkeypatch.setattr(module, "scan", lambda step: without_room(step))
    epochs = one.scanned(Stored(({"@pooled": mapped},)))
    monkeypatch.undo()
    given, expected = one.train(epochs), other.train(other.scanned())

    assert_same(one.end(), other.end(), backend)
    assert [each.rows for each in given] == [each.rows for each in expected]
    assert given[-1].logits == pytest.approx(expected[-1].logits, abs=1e-6)


def without_room(step):
    from headstart.engine.device import scan

    made = scan(step)
    made.can_hold = lambda views, targets: False
    return made


class RootOnOneRow:
    """A finite loss; its gradient is not where the target is `bad`: the root of something that is 0."""

    def __init__(self, bad):
        self.bad = bad

    def loss(self, targets, outputs, *, training):
        ops, targets = keras.ops, targets["class"]
        plain = ops.sparse_categorical_crossentropy(ops.minimum(targets, 9), outputs["logits"], from_logits=True)
        zero_there = ops.where(targets == self.bad, ops.sum(outputs["logits"], axis=1) * 0.0, 1.0)
        return plain + ops.where(targets == self.bad, zero_there**0.5, 0.0)


@pytest.mark.slow_on_jax
@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("pace", [1, 3, 1000])
def test_the_step_that_is_not_finite_is_named_and_changes_nothing(case, backend, what, pace):
    given, targets = samples(), labels()
    if what == "loss":
        given.views[0]["@pooled"][20] = np.nan
    else:
        targets[20] = 77
    settings = {"loss": RootOnOneRow(77)} if what == "gradient" else {}
    one, other = case(**settings), case(**settings)
    (ours,) = one.train(one.scanned(given, targets, pace=Fixed(pace)), 1)
    (theirs,) = other.train(other.single(given, targets), 1)

    assert theirs.failure.step > 1
    assert ours.failure.step == theirs.failure.step
    assert np.array_equal(ours.failure.rows, theirs.failure.rows)
    assert 20 in ours.failure.rows
    assert np.isnan(ours.failure.loss) == (what == "loss")
    assert np.isnan(theirs.failure.loss) == (what == "loss")
    assert one.optimizer.count == theirs.failure.step - 1
    assert_same(one.end(), other.end(), backend)
    assert ours.rows == theirs.rows
    assert len(ours.logits) == 8 * (theirs.failure.step - 1)


@pytest.mark.parametrize(
    ("what", "update"),
    [
        ("loss", Sgd(0.9)),
        ("gradient", RmsProp()),
        *(
            pytest.param(what, update, marks=pytest.mark.slow_on_jax)
            for what, update in (("loss", Sgd()), ("loss", RmsProp()), ("gradient", Sgd()), ("gradient", Sgd(0.9)))
        ),
    ],
    ids=str,
)
def test_whatever_the_optimizer_is_a_step_that_is_not_finite_changes_nothing(case, backend, what, update):
    given, targets = samples(), labels()
    if what == "loss":
        given.views[0]["@pooled"][20] = np.nan
    else:
        targets[20] = 77
    settings = {"loss": RootOnOneRow(77)} if what == "gradient" else {}
    one, other = (case(update=update, **settings) for _ in range(2))
    (ours,) = one.train(one.scanned(given, targets, pace=Fixed(1000)), 1)
    (theirs,) = other.train(other.single(given, targets), 1)

    assert ours.failure.step == theirs.failure.step > 1
    assert one.optimizer.count == theirs.failure.step - 1
    assert_same(one.end(), other.end(), backend)


def test_progress_is_told_after_each_call_and_an_interrupt_acts_there(case):
    one, told = case(), []
    epochs = one.scanned(pace=Fixed(2))
    run(epochs, 1, lambda record: told.append(list(record.losses)))
    assert [len(losses) for losses in told] == [2, 4, 6, 7]
    assert all(0 < loss < 20 for loss in told[-1])

    def interrupt(record):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(epochs, 2, interrupt)


def test_only_a_head_on_stored_features_takes_many_steps_a_call(case):
    one = case()
    drawn = Drawn(TrainingSamples(samples().views[0], (), np.arange(ROWS)))
    assert isinstance(make_epochs(one.step, examples(), **SETTINGS), DeviceEpochs)
    assert isinstance(make_epochs(one.step, examples(drawn), **SETTINGS), StepByStep)
    below = dataclasses.replace(one.step, start=0)
    assert isinstance(make_epochs(below, examples(), **SETTINGS), StepByStep)
    # batches of targets that are cut to their longest row have no one shape
    cutting = dataclasses.replace(one.step, task=SimpleNamespace(target_lengths=(2, 4), used=len))
    assert isinstance(make_epochs(cutting, examples(), **SETTINGS), StepByStep)


def test_jax_compiles_one_loop_for_all_calls_and_blocks(case, backend, monkeypatch):
    if backend != "jax":
        pytest.skip("PyTorch compiles nothing")
    monkeypatch.setattr(module, "BLOCK", 3 * 8 * 4 * CHANNELS)
    monkeypatch.setattr(module, "scan", lambda step: without_room(step))
    one = case()
    epochs = one.scanned(pace=Fixed(2))
    one.train(epochs, 2)

    assert epochs.trains._fast._cache_size() == 1


def test_torch_plays_back_what_is_the_same_each_time_and_nothing_else(case, backend):
    if backend != "torch":
        pytest.skip("JAX traces by itself")

    class Looks(RootOnOneRow):
        def loss(self, targets, outputs, *, training):
            return super().loss(targets, outputs, training=training) * (
                2.0 if float(outputs["logits"].sum()) > 0 else 1.0
            )

    made = [case(), case(head="mlp:16", dropout=0.4), case(loss=Looks(77))]
    eager = []
    for one in made:
        epochs = one.scanned()
        one.train(epochs, 1)
        eager.append(epochs.trains._gradients == epochs.trains._eager)

    assert eager == [False, True, True]


def test_on_jax_a_step_knows_whether_it_is_within_a_loop(case, backend):
    """There lowered convolutions take a form of their own."""

    class Seen(RootOnOneRow):
        def loss(self, targets, outputs, *, training):
            seen.add(is_within_loop())
            return super().loss(targets, outputs, training=training)

    for made, within in ((Case.single, False), (Case.scanned, backend == "jax")):
        seen = set()
        one = case(loss=Seen(77))
        one.train(made(one), 1)
        assert seen == {within}


@pytest.mark.parametrize(
    ("seconds", "steps"), [([0.01] * 3, 8 * 4**3), ([0.2], 8), ([1.0], 4), ([100.0], 1), ([0.01, 5.0], 3)]
)
def test_a_call_is_made_to_last_about_half_a_second(seconds, steps):
    pace = Pace()
    for each in seconds:
        pace.observe(each)

    assert pace.steps == steps


@pytest.mark.parametrize("large", [1, 4 * CHANNELS * 20, 2**20])
def test_rows_in_order_come_once_each_in_batches_of_one_size(monkeypatch, large):
    monkeypatch.setattr("headstart.engine.train.epochs.LARGE", large)
    found = list(in_order(samples(), size_in_order(samples(), 8)))

    assert len({len(tensors["@pooled"]) for _, tensors, _ in found}) == 1
    assert len(found) == {1: 7, 4 * CHANNELS * 20: 3, 2**20: 1}[large]
    joined = np.concatenate([tensors["@pooled"][:count] for _, tensors, count in found])
    assert np.array_equal(joined, samples().views[0]["@pooled"])
