"""Scores come batch by batch: any cut gives the same, nothing holds a split's outputs, and val chooses as before."""

import dataclasses
import math

import keras
import numpy as np
import pytest

from headstart.engine.batch import take
from headstart.engine.closed_form import Held, scored
from headstart.engine.device import forward, loss_step, score_step
from headstart.engine.linear.rows import Part, Rows
from headstart.engine.network.network import Network
from headstart.engine.scoring import ScoredRows, Scores, by_record, found_by_calibrator, pooled, scores_of
from headstart.engine.step import Step
from headstart.engine.train.checkpoints import Checkpoints
from headstart.engine.train.phases import run_phases
from headstart.engine.train.trainer import Trainer
from headstart.errors import PluginError
from headstart.eventlog import read_events
from headstart.events import EpochDone
from headstart.specs import Evaluation, Phase, Solved, Stage, TensorSpec
from headstart.weights.files import read_safetensors
from headstart_plugins._heads.loss_alone import LossAlone

pytestmark = pytest.mark.backend

ROWS, CLASSES = 29, 10


def rows_of(seed=0, count=ROWS):
    """So many rows."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(count, CLASSES)).astype(np.float32)
    targets = {"class": draw.integers(0, CLASSES, count).astype(np.int32)}
    return ScoredRows(targets, {"logits": logits}, draw.random(count))


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("cuts", [(), (1,), (5, 6, 20), tuple(range(1, ROWS))])
def test_batches_cut_anywhere_and_merged_score_as_one_pass(bench, cuts, running):
    whole, merged = Scores(bench.task, running=running), Scores(bench.task, running=running)
    whole.add(rows_of())
    for start, stop in zip((0, *cuts), (*cuts, ROWS), strict=True):
        part = Scores(bench.task, running=running)
        part.add(rows_of().only(slice(start, stop)))
        merged.merge(part)

    expected = whole.metrics()
    assert expected["loss"] == pytest.approx(rows_of().losses.mean())
    assert merged.metrics() == pytest.approx(expected)
    assert set(expected) == set(merged.metrics()) >= {"loss", "accuracy"}


def test_an_evaluators_own_loss_stands_in_metrics_and_result(bench):
    class Own:
        def update(self, targets, outputs, facts, losses):
            assert list(facts) == [{}] * ROWS

        def metrics(self):
            return {"loss": 7.0}

        def result(self):
            return Evaluation(self.metrics(), report={"rows": ROWS})

    class Task:
        def evaluator(self, *, running=False):
            return Own()

    scores = Scores(Task())
    scores.add(rows_of())
    assert scores.metrics() == {"loss": 7.0}
    assert scores.result() == Evaluation({"loss": 7.0}, report={"rows": ROWS})


@pytest.mark.parametrize("cuts", [(), (2,), (1, 3, 4)])
def test_rows_of_one_record_count_once_wherever_batches_are_cut(bench, cuts):
    """Rows 0 to 2 are one record, 3 and 4 each their own."""
    rows, alone = dataclasses.replace(rows_of(count=5), owners=np.array([8, 8, 8, 3, 5])), Scores(bench.task)
    rows.targets["class"][:3] = 4
    batches = [rows.only(slice(start, stop)) for start, stop in zip((0, *cuts), (*cuts, 5), strict=True)]
    pooled = scores_of(bench.task, batches)
    logits = rows.outputs["logits"]
    alone.add(
        ScoredRows(
            {"class": rows.targets["class"][2:]},
            {"logits": np.concatenate([logits[:3].mean(axis=0, keepdims=True), logits[3:]])},
            np.array([rows.losses[:3].mean(), *rows.losses[3:]]),
        )
    )
    assert pooled.metrics() == pytest.approx(alone.metrics())


class Words:
    """A task of sequences, whose evaluator knows the loss alone."""

    targets = {"next": TensorSpec((4,), "int32", length_axis=0)}
    target_lengths = (4,)

    def used(self, targets):
        return (targets["next"] > 0).sum(axis=1)

    def evaluator(self, *, running=False):
        return LossAlone()


def test_rows_of_one_record_may_be_longer_in_one_batch_than_in_the_next(bench):
    """As sequences are that are cut to the longest of their batch."""
    rows = rows_of(count=2)
    batches = [
        dataclasses.replace(rows.only(slice(place, place + 1)), owners=np.zeros(1, np.int64), facts=[{}])
        for place in range(2)
    ]
    longer = np.ones((1, 7, 2), np.float32)
    batches[0].outputs["each"], batches[1].outputs["each"] = longer[:, :4], longer
    (record,) = by_record(bench.task, batches)
    np.testing.assert_array_equal(record.outputs["each"][0, :, 0], [1, 1, 1, 1, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("running", [False, True])
def test_a_row_whose_target_has_no_length_has_no_share_of_the_mean_loss(running):
    targets = np.zeros((4, 4), np.int32)
    targets[0, 0] = targets[3, :2] = 5
    rows = ScoredRows({"next": targets}, {}, np.array([3.0, 0.0, 0.0, 5.0]))

    assert scores_of(Words(), [rows], running=running).metrics() == {"loss": 4.0}
    owned = dataclasses.replace(rows, facts=[{}] * 4, owners=np.array([0, 1, 1, 2]))
    assert scores_of(Words(), [owned], running=running).metrics() == {"loss": 4.0}
    none = scores_of(Words(), [rows.only(slice(1, 3))], running=running)
    assert math.isnan(none.metrics()["loss"])
    assert math.isnan(none.result().metrics["loss"])


def test_solved_heads_are_judged_by_record_with_what_is_known_of_its_rows(bench):
    class Task:
        def evaluator(self, *, running=False):
            return self

        def update(self, targets, outputs, facts, losses):
            seen.append((outputs["logits"].tolist(), [dict(each) for each in facts], losses.tolist()))

        def metrics(self):
            return {}

    seen, identity = [], {"kernel": np.eye(2, dtype=np.float32), "bias": np.zeros(2, np.float32)}
    features = np.array([[1, 0], [3, 0], [0, 5]], np.float32)
    rows = Rows((Part((features,), {"class": np.zeros(3, np.int32)}),))
    held = Held(rows, [{"row": row} for row in range(3)], np.array([4, 4, 6]))
    given = scored(Solved("none", 1.0, identity), held, lambda _, outputs: outputs["logits"].sum(axis=1))
    scores = scores_of(Task(), given)

    assert scores.metrics() == {"loss": (2 + 5) / 2}
    assert seen == [([[2.0, 0.0]], [{"row": 0}], [2.0]), ([[0.0, 5.0]], [{"row": 2}], [5.0])]


def test_a_task_is_calibrated_on_records_as_it_answers_them():
    class Task:
        def calibrator(self):
            return self

        def update(self, targets, outputs):
            seen.extend(outputs["logits"].tolist())

        def found(self):
            return {"records": len(seen)}

        def lacking(self):
            return "no threshold"

    seen, told, logits = [], [], np.array([[1, 0], [3, 0], [0, 5]], np.float32)
    rows = ScoredRows({}, {"logits": logits}, np.zeros(3), owners=np.array([4, 4, 6]))
    assert found_by_calibrator(Task(), [rows.only(slice(0, 1)), rows.only(slice(1, 3))], told.append) == {"records": 2}
    assert told == ["no threshold"]
    assert seen == [[2.0, 0.0], [0.0, 5.0]]


def test_pooled_rows_have_the_same_outputs_however_many_they_are():
    outputs = {"logits": np.ones((2, 3), np.float32), "tokens": np.ones((2, 4), np.int32)}
    two = pooled(object(), outputs, [{}, {}])
    one = pooled(object(), take(outputs, slice(0, 1)), [{}])
    assert set(two) == set(one) == {"logits"}


def test_several_rows_of_a_record_are_refused_of_a_task_that_generates_and_does_not_pool():
    class Translation:
        search = None

        def start(self, head, features):
            """Of no use here."""

        def step(self, head, state, last, position):
            """Of no use here."""

    tokens = {"tokens": np.zeros((2, 5), np.int32)}
    with pytest.raises(PluginError, match="Translation generates an answer for each row, and a record here has 2 rows"):
        pooled(Translation(), tokens, [{}] * 2)
    assert list(pooled(Translation(), take(tokens, slice(1)), [{}])) == ["tokens"]


def test_a_score_step_answers_as_inference_does_with_losses_that_nothing_regularises(bench, network):
    rows = np.arange(8)
    made = score_step(network, 0, dataclasses.replace(bench.task, label_smoothing=0.5))
    found, logits = made(bench.batch(rows), bench.targets("train", rows)), forward(network, 0, 5)(bench.batch(rows))

    assert found.outputs["logits"] == pytest.approx(logits["logits"], abs=1e-5)
    plain = bench.targets("train", rows)["class"]
    logs = logits["logits"].astype(np.float64)
    expected = np.log(np.exp(logs).sum(axis=1)) - logs[np.arange(8), plain]
    assert found.losses == pytest.approx(expected, rel=1e-4)
    assert loss_step(bench.task)(bench.targets("train", rows), logits) == pytest.approx(expected, rel=1e-4)


class Wide:
    """A task whose head gives much beside its logits, and which counts the bytes of outputs that are alive."""

    def __init__(self, task, width):
        self._task, self._width = task, width

    def __getattr__(self, name):
        return getattr(self._task, name)

    def head(self, name, features, seed):
        plain = self._task.head(name, features, seed)
        wide = keras.layers.Dense(self._width, use_bias=False, kernel_initializer="zeros", name="wide")
        return keras.Model(plain.input, {**plain.output, "wide": wide(plain.input["pooled"])})


def widened(bench, made, width):
    task = Wide(bench.task, width)
    stage = Stage("head", task.head("linear", {"pooled": (None, 12)}, 0))
    network = Network((*made.network.stages[:-1], stage), made.network.features)
    made.source.network = network
    return dataclasses.replace(made, network=network, fast=network, task=task)


TUNE = Phase(name="tune", train=("head",), solver="gradient", rates={"head": 1e-2}, epochs=1)


class Reading(Checkpoints):
    """Reads the arrays of each checkpoint as soon as it is there."""

    def save(self, step, groups, **settings):
        path = super().save(step, groups, **settings)
        found = {file.stem: read_safetensors(file) for file in path.glob("*.safetensors")}
        self.saved = {**getattr(self, "saved", {}), step: found}
        return path


def test_a_checkpoint_in_the_middle_of_an_epoch_holds_no_outputs(bench, training):
    """Those of a head of 3 and of 300 more outputs differ by their weights alone."""
    sizes = []
    for width in (3, 300):
        made = widened(bench, training(bench.network(), checkpoint_every=2), width)
        made.checkpoints = Reading(made.checkpoints.folder)
        run_phases([TUNE], made)
        saved = made.checkpoints.saved
        assert set(saved) >= {2, 4}
        sizes.append({step: sum(each.nbytes for each in saved[step]["epoch"].values()) for step in (2, 4)})
        names = {name for group in saved[4].values() for name in group}
        assert not [name for name in names if "logits" in name or "wide" in name]

    assert sizes[0] == sizes[1]
    assert sizes[0][4] - sizes[0][2] == 2 * 8  # two losses more


def test_validation_and_training_hold_the_outputs_of_a_few_batches_alone(bench, training, monkeypatch):
    """Each batch's outputs are gone when the one after the next is there."""
    import gc
    import weakref

    alive, most = [], []
    real = Scores.add

    def add(self, rows):
        logits = rows.outputs["logits"]
        alive.append(weakref.ref(logits if logits.base is None else logits.base))  # a batch without padding is a view
        gc.collect()
        most.append(sum(each() is not None for each in alive))
        return real(self, rows)

    monkeypatch.setattr(Scores, "add", add)
    made = training(bench.network(), batch_size=2)
    monkeypatch.setattr("headstart.engine.train.epochs.LARGE", 1)
    phase = Phase(name="tune", train=("top", "head"), solver="gradient", rates={"top": 1e-3, "head": 1e-3}, epochs=1)
    gc.freeze()  # what is there already is not searched at each batch
    try:
        run_phases([phase], made)
    finally:
        gc.unfreeze()

    assert len(most) > 20
    assert max(most) <= 2


def test_training_metrics_after_going_on_within_an_epoch_are_those_of_a_run_that_was_not_stopped(bench, training):
    class Stopped(Exception):
        pass

    class Stopping(Checkpoints):
        def save(self, step, *given, **settings):
            path = super().save(step, *given, **settings)
            if step == 2:
                raise Stopped
            return path

    whole = training(bench.network(), checkpoint_every=2)
    run_phases([TUNE], whole)
    made = training(bench.network(), checkpoint_every=2)
    made.checkpoints = Stopping(made.checkpoints.folder)
    with pytest.raises(Stopped):
        run_phases([TUNE], made)
    again = training(bench.network(), checkpoint_every=2)
    again.checkpoints = Checkpoints(made.checkpoints.folder)
    run_phases([TUNE], again, again.checkpoints.load_last(pytest.fail))

    (expected,), (found,) = (
        [dict(event.train) for event in read_events(each.log._path) if isinstance(event, EpochDone)]
        for each in (whole, again)
    )
    assert found == expected
    assert {"loss", "accuracy"} <= set(found)


@pytest.mark.parametrize("refit", [False, True])
def test_the_last_phase_calibrates_on_what_val_chose_before_a_refit(bench, training, refit):
    made = training(bench.network())
    probe = Phase(name="probe", train=("head",), solver="closed_form", strengths=(0.1,), refit=refit)
    first, last = run_phases([probe, dataclasses.replace(probe, name="again")], made)

    assert (first.found, first.before_refit) == ({}, {})
    assert last.found["temperature"] > 0
    if refit:
        assert last.before_refit["metrics"]["accuracy"] == last.best["accuracy"]
        assert set(last.before_refit["calibration"]) == {"ece", "nll"}
    else:
        assert last.before_refit == {}
    again = made.checkpoints.load(made.checkpoints.last).facts["results"][-1]
    assert again["found"] == last.found


def test_a_gradient_phase_calibrates_on_its_best_epoch(bench, training):
    made = training(bench.network())
    (result,) = run_phases([TUNE], made)
    calibrator = bench.task.calibrator()
    rows = np.arange(len(made.targets["val"]["class"]))
    val = made.source.plain(0, "val").samples.take(0, rows)
    calibrator.update(made.targets["val"], forward(made.network, 0, 5)(val))
    assert result.found["temperature"] == pytest.approx(calibrator.found()["temperature"], rel=1e-3)


class Forced:
    """A task whose head sees the classes: its logits are those of the answer."""

    def __init__(self, task):
        self._task = task
        self.evaluator, self.loss = task.evaluator, task.loss

    def head_inputs(self, targets):
        return {"hint": 20.0 * keras.ops.one_hot(targets["class"], CLASSES)}


def test_a_head_that_is_fed_targets_gets_them_in_training_and_scoring(bench, network):
    from headstart.engine.device import train_step
    from headstart.engine.network.stages import trainable_variables
    from headstart.engine.train.optimizer import GroupedOptimizer, Schedule

    pooled, hint = keras.Input((12,), name="pooled"), keras.Input((CLASSES,), name="hint")
    logits = keras.layers.Dense(CLASSES, kernel_initializer="zeros")(pooled) + hint
    head = Stage("head", keras.Model({"pooled": pooled, "hint": hint}, {"logits": logits}))
    made, task, rows = Network((*network.stages[:-1], head), network.features), Forced(bench.task), np.arange(8)
    targets = bench.targets("train", rows)
    scored = score_step(made, 0, task)(bench.batch(rows), targets)
    learning = trainable_variables(made, ("head",))
    optimizer = GroupedOptimizer(learning, {"head": 1e-3}, Schedule(9))
    stepped = train_step(Step(made, 0, learning, optimizer, task))(bench.batch(rows), targets, np.ones(8, np.float32))

    for outputs in (scored.outputs, stepped.outputs):
        assert (outputs["logits"].argmax(axis=1) == targets["class"]).all()
    assert scored.losses.max() < 1e-3
    assert stepped.loss < 1e-3


def test_a_val_loss_that_is_not_finite_ends_the_run(bench, training, monkeypatch):
    """Outputs may be finite where the loss is not."""
    from headstart.errors import DivergedError

    real = Trainer.__init__

    def broken(self, *given):
        real(self, *given)
        score = self._score

        def scored(tensors, targets):
            found = score(tensors, targets)
            return dataclasses.replace(found, losses=np.full_like(found.losses, np.inf))

        self._score = scored

    monkeypatch.setattr(Trainer, "__init__", broken)
    with pytest.raises(DivergedError, match="answers on val are not finite"):
        run_phases([TUNE], training(bench.network()))
