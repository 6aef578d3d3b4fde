"""Phases end to end on a small network: what learns, what stays, what is kept, and how training stops."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from headstart.engine.closed_form import Held, is_surer, scored
from headstart.engine.device import forward, loss_step
from headstart.engine.linear.rows import Part, Rows
from headstart.engine.network.stages import (
    count_by_stage,
    hash_frozen,
    read_arrays,
    trainable_variables,
    verify_frozen,
)
from headstart.engine.scoring import scores_of
from headstart.engine.train.phases import run_phases
from headstart.engine.train.trainer import Trainer
from headstart.errors import HeadstartError
from headstart.eventlog import read_events
from headstart.events import CheckpointSaved, EpochDone, PhaseDone, PhaseStarted
from headstart.manifest import CHECKPOINT, read_manifest
from headstart.specs import Phase, Solved
from headstart.weights.files import read_safetensors

pytestmark = pytest.mark.backend


def gradient(*train, **settings):
    rates = dict.fromkeys(train, settings.pop("rate", 1e-2))
    return Phase(name="tune", train=train, solver="gradient", rates=rates, **settings)


def closed_form(*strengths, **settings):
    return Phase(name="probe", train=("head",), solver="closed_form", strengths=strengths, **settings)


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


def test_the_chosen_stages_learn_and_every_other_weight_and_statistic_stays_to_the_bit(network, training):
    made = training(network)
    before = read_arrays(network.learned)
    run_phases([gradient("middle", "head", epochs=2)], made)

    learned = changed(before, read_arrays(network.learned))
    assert learned == {"middle/0/kernel", "middle/1/gamma", "middle/1/beta", "head/0/kernel", "head/0/bias"}
    (started,) = (event for event in read_events(made.log._path) if isinstance(event, PhaseStarted))
    assert started.trainable == {"low": 0, "middle": 3 * 3 * 8 * 8 + 16, "top": 0, "head": 12 * 10 + 10}
    assert started.cut == "middle"
    (done,) = (event for event in read_events(made.log._path) if isinstance(event, PhaseDone))
    assert done.frozen_verified == len(before) - len(learned)
    assert done.trained == {"middle": 3 * 3 * 8 * 8 + 16, "head": 12 * 10 + 10}  # the optimizer's own


def test_a_frozen_weight_or_statistic_that_moved_is_named(network):
    frozen = hash_frozen(network, trainable_variables(network, ("top", "head")))
    assert verify_frozen(network, frozen, "tune") == 12

    for name in ("low/0/kernel", "top/1/moving_mean"):
        variable = trainable_or_not(network)[name]
        kept = keras.ops.convert_to_numpy(variable).copy()
        variable.assign(kept + 1e-6)
        with pytest.raises(HeadstartError, match=f"'tune' changed 1 weights that were frozen: {name}"):
            verify_frozen(network, frozen, "tune")
        variable.assign(kept)


def trainable_or_not(network):
    from headstart.engine.network.stages import name_variables

    return name_variables(network.learned)


def test_of_samples_that_are_mixed_the_loss_is_told_that_was_trained_on(bench, network, training):
    """Against their own labels, half of the truth, a network that learned every mixture would look bad."""
    made = training(network, view=bench.view_of("mixup"))
    heard = []
    real = made.log.progress

    def progress(*args, **more):
        heard.append(more["metrics"]["loss"])
        return real(*args, **more)

    made.log.progress = progress
    run_phases([gradient("top", "head", epochs=1)], made)
    (done,) = (event for event in read_events(made.log._path) if isinstance(event, EpochDone))
    assert set(done.train) == {"loss"}
    assert done.train["loss"] == pytest.approx(heard[-1])
    assert "accuracy" in done.val


def test_numbers_that_the_optimizer_lost_are_named_by_their_stage(network, training, monkeypatch):
    real = Trainer.__init__

    def forgetful(self, phase, context, trainable, place):
        fewer = {name: variable for name, variable in trainable.variables.items() if name != "middle/1/beta"}
        real(self, phase, context, dataclasses.replace(trainable, variables=fewer), place)

    monkeypatch.setattr(Trainer, "__init__", forgetful)
    with pytest.raises(HeadstartError, match=r"'tune' trained other numbers .* middle \(584 instead of 592\)"):
        run_phases([gradient("middle", "head", epochs=1)], training(network))


def test_a_phase_that_moved_what_was_frozen_is_never_saved_as_complete(bench, network, training):
    """Or a run that goes on would take it over, unproven."""
    made = ranked(bench, training(network), [0.0, 0.5, 0.6])
    real, weight = made.task.evaluator, trainable_or_not(network)["low/0/kernel"]

    def drifting(**settings):
        weight.assign(weight + 1e-6)
        return real(**settings)

    made.task.evaluator = drifting
    with pytest.raises(HeadstartError, match="'tune' changed 1 weights that were frozen: low/0/kernel"):
        run_phases([gradient("head", epochs=2)], made)
    states = [read_manifest(folder, schema=CHECKPOINT)["state"] for folder in made.checkpoints.folder.iterdir()]
    assert states
    assert not any(state["complete"] for state in states)
    assert not any(isinstance(event, PhaseDone) for event in read_events(made.log._path))


def test_statistics_never_count_as_trainable(network):
    assert count_by_stage(network, trainable_variables(network, ("low", "middle", "top", "head"))) == {
        "low": 3 * 3 * 3 * 8 + 16,
        "middle": 3 * 3 * 8 * 8 + 16,
        "top": 3 * 3 * 8 * 12 + 24,
        "head": 12 * 10 + 10,
    }


def test_the_closed_form_chooses_on_val_and_solves_again_on_train_and_val(bench, network, training):
    """Logistic regressions recomputed with scikit-learn on features that are computed here."""
    strengths = (10.0, 1.0, 0.1, 0.01)
    made = training(network)
    (result,) = run_phases([closed_form(*strengths, refit=True)], made)

    pooled = forward(network, 0, 4)
    features = {
        split: np.concatenate([pooled(bench.batch(np.array([row] * 8)))["@pooled"][:1] for row in rows])
        for split, rows in ((split, bench.data.indices(split)) for split in ("train", "val"))
    }
    targets = {split: bench.targets(split)["class"] for split in features}
    expected = {strength: val_scores(features, targets, strength) for strength in strengths}
    ridge, *path = [event for event in read_events(made.log._path) if isinstance(event, EpochDone)]
    assert (ridge.solver, {event.solver for event in path}) == ("ridge", {"logistic"})
    assert [event.strength for event in path] == sorted(strengths, reverse=True)
    for event in path:
        assert event.val["accuracy"] == pytest.approx(expected[event.strength][0])
        assert event.val["loss"] == pytest.approx(-expected[event.strength][1], rel=1e-3)

    best = min([ridge, *path], key=lambda event: event.val["loss"])
    assert (result.solver, result.strength, result.best) == (best.solver, best.strength, best.val)
    assert best.best
    assert result.solver == "logistic"
    both = np.concatenate([features["train"], features["val"]])
    labels = np.concatenate([targets["train"], targets["val"]])
    refitted = solved(both, labels, result.strength)
    arrays = read_arrays(network.stages[-1:])
    logits = both @ arrays["head/0/kernel"] + arrays["head/0/bias"]
    reference = refitted(both)
    assert logits - logits.mean(axis=1, keepdims=True) == pytest.approx(
        reference - reference.mean(axis=1, keepdims=True), abs=5e-3
    )


def test_views_are_rows_below_one_another(bench, network, training):
    """A head solved on two drawn views beside the plain one is the task's own on those three arrays."""
    made = training(network, view=bench.view())
    (result,) = run_phases([closed_form(0.1, views=2)], made)
    views = made.source.training(4, views=2, fresh=False).samples.views
    rows = Rows((Part(tuple(view["@pooled"] for view in views), bench.targets("train")),))
    assert len(rows) == 3 * len(bench.targets("train")["class"])
    same = [one for one in bench.task.solve(rows, (0.1,)) if one.solver == result.solver]
    assert np.array_equal(read_arrays(network.stages[-1:])["head/0/kernel"], same[0].weights["kernel"])


def test_records_of_several_rows_count_once_where_a_head_is_chosen(bench):
    random = np.random.default_rng(0)
    features, classes = random.normal(size=(5, 12)).astype(np.float32), np.array([1, 1, 1, 4, 4], np.int32)
    kernel = random.normal(size=(12, 10)).astype(np.float32)
    given = Solved("ridge", 0.1, {"kernel": kernel, "bias": np.zeros(10, np.float32)})
    rows = Rows((Part((features,), {"class": classes}),))
    held = Held(rows, owners=np.array([7, 7, 7, 9, 9]))
    found = scores_of(bench.task, scored(given, held, loss_step(bench.task))).metrics()
    logits = features @ kernel
    of_rows = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(5), classes]
    assert found["loss"] == pytest.approx(np.mean([of_rows[:3].mean(), of_rows[3:].mean()]), rel=1e-5)
    pooled = np.array([logits[:3].mean(axis=0), logits[3:].mean(axis=0)])
    assert found["accuracy"] == (pooled.argmax(axis=1) == [1, 4]).mean()


def test_the_surer_of_two_heads_has_the_lower_loss_and_then_the_better_metric(bench):
    def scores(loss, accuracy):
        return {"loss": loss, "accuracy": accuracy}

    assert is_surer(bench.task, scores(0.5, 0.8), scores(0.6, 0.9))
    assert not is_surer(bench.task, scores(0.6, 0.9), scores(0.5, 0.8))
    assert is_surer(bench.task, scores(0.5, 0.9), scores(0.5, 0.8))
    assert not is_surer(bench.task, scores(0.5, 0.8), scores(0.5, 0.8))


def solved(features, targets, strength):
    """Logits of scikit-learn's own regression on features scaled as the task documents."""
    scaler = StandardScaler().fit(features.astype(np.float64))
    scaler.scale_ = np.maximum(np.sqrt(scaler.var_), np.sqrt(scaler.var_.mean()))
    model = LogisticRegression(C=1 / (strength * len(features)), tol=1e-8, max_iter=10000)
    model.fit(scaler.transform(features), targets)
    return lambda rows: model.decision_function(scaler.transform(rows))


def val_scores(features, targets, strength):
    """(accuracy, -loss): larger is better in both."""
    logits = solved(features["train"], targets["train"], strength)(features["val"])
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    rows = np.arange(len(logits))
    return (logits.argmax(axis=1) == targets["val"]).mean(), logs[rows, targets["val"]].mean()


def test_without_refit_the_head_has_not_seen_val(bench, network, training):
    made = training(network)
    made = dataclasses.replace(
        made, targets={**made.targets, "val": {"class": np.roll(made.targets["val"]["class"], 1)}}
    )
    run_phases([closed_form(0.1)], made)
    first = read_arrays(network.stages[-1:])
    run_phases([closed_form(0.1)], training(network))

    assert not changed(first, read_arrays(network.stages[-1:]))


class Ranked:
    """A task whose validation accuracy is given: at a phase's start, then epoch by epoch; all else is real."""

    def __init__(self, task, accuracies):
        self._task, self._accuracies, self.seen = task, list(accuracies), 0

    def __getattr__(self, name):
        return getattr(self._task, name)

    def evaluator(self, *, running=False):
        real = self._task.evaluator(running=running)
        return real if running else RankedEvaluator(self, real)

    def next_accuracy(self):
        self.seen += 1
        return self._accuracies[self.seen - 1]


class RankedEvaluator:
    """Gives the next accuracy in place of its own."""

    def __init__(self, task, real):
        self._task, self.update, self._real = task, real.update, real

    def metrics(self):
        return {**self._real.metrics(), "accuracy": self._task.next_accuracy()}


def ranked(bench, made, accuracies):
    return dataclasses.replace(made, task=Ranked(bench.task, accuracies))


class Watching:
    """A reporter that reads the checkpoints at hand whenever one was saved: weights by the folder's name."""

    def __init__(self):
        self.folder, self.seen = None, []

    def on_event(self, event, run):
        if isinstance(event, CheckpointSaved):
            paths = sorted(self.folder.iterdir())
            self.seen.append({path.name: read_safetensors(path / "weights.safetensors") for path in paths})


def test_the_best_epoch_by_val_is_restored_and_best_and_last_are_kept(bench, network, training):
    watching = Watching()
    made = ranked(bench, training(network, reporters=[("watching", watching)]), [0.0, 0.1, 0.6, 0.3, 0.2, 0.1])
    watching.folder = made.checkpoints.folder
    (result,) = run_phases([gradient("head", epochs=5)], made)

    steps = result.steps // 5
    assert result.best_epoch == 2
    names = [
        [f"step.{steps * epoch}" for epoch in epochs] for epochs in ([0], [0, 1], [1, 2], [2, 3], [2, 3, 4], [4, 5])
    ]
    assert [set(each) for each in watching.seen] == [set(each) for each in names]
    final = read_arrays(network.stages[-1:])
    best, end = watching.seen[-2][f"step.{2 * steps}"], watching.seen[-1]
    assert not changed(best, final)
    assert changed(end[f"step.{4 * steps}"], final) == {"head/0/kernel", "head/0/bias"}
    assert not changed(end[f"step.{5 * steps}"], final)


def test_a_phase_that_only_makes_it_worse_ends_where_it_began_and_says_so(bench, network, training):
    before = read_arrays(network.learned)
    made = ranked(bench, training(network), [0.9, 0.1, 0.2])
    (result,) = run_phases([gradient("middle", "head", epochs=2)], made)

    assert result.best_epoch == 0
    assert result.best["accuracy"] == 0.9
    assert not changed(before, read_arrays(network.learned))
    assert made.log.warnings == ["no epoch of phase 'tune' was better on val than its start, which is kept"]


def test_where_val_has_few_answers_the_last_epoch_is_kept_and_that_is_said(bench, network, training, monkeypatch):
    count = len(bench.data.indices("val"))
    monkeypatch.setattr("headstart.engine.train.trainer.FEW", count + 1)
    made = ranked(bench, training(network), [0.9, 0.1, 0.2, 0.1])
    (result,) = run_phases([gradient("middle", "head", epochs=3, patience=1)], made)

    assert (result.best_epoch, result.best["accuracy"], result.reason) == (3, 0.1, "all epochs")
    assert made.log.warnings == [
        f"val has {count} samples, too few to choose an epoch of phase 'tune' on: the last is kept"
    ]


def test_rows_of_one_record_are_one_answer_of_val(bench, network, training):
    count = len(bench.data.indices("val"))
    made = ranked(bench, training(network, owners={"val": np.arange(count) * 9 // count}), [0.9, 0.1, 0.2])
    (result,) = run_phases([gradient("head", epochs=2)], made)

    assert result.best_epoch == 2
    assert made.log.warnings[0].startswith("val has 9 samples, too few")


def test_the_checkpoint_of_the_start_is_kept_where_no_epoch_of_the_next_phase_is_better(bench, network, training):
    watching = Watching()
    made = ranked(bench, training(network, reporters=[("watching", watching)]), [0.0, 0.9, 0.9, 0.1, 0.2, 0.1])
    watching.folder = made.checkpoints.folder
    first, second = run_phases([gradient("head", epochs=1), gradient("head", epochs=3)], made)

    assert second.best_epoch == 0
    steps = first.steps
    assert set(watching.seen[-2]) == {f"step.{steps * epoch}" for epoch in (1, 2, 3)}
    assert set(watching.seen[-1]) == {f"step.{steps * epoch}" for epoch in (3, 4)}
    for saved in (watching.seen[-2][f"step.{steps}"], watching.seen[-1][f"step.{4 * steps}"]):
        assert not changed(saved, read_arrays(network.stages[-1:]))


def test_patience_ends_a_phase_that_no_longer_gets_better(bench, network, training):
    made = ranked(bench, training(network), [0.0, 0.2, 0.5, 0.4, 0.3, 0.9])
    (result,) = run_phases([gradient("head", epochs=5, patience=2)], made)

    assert (result.best_epoch, result.reason) == (2, "no better for 2 epochs")
    assert made.task.seen == 1 + 4


def test_each_checkpoint_is_whole_and_only_those_of_the_last_phase_remain(bench, network, training):
    made = ranked(bench, training(network), [0.0, 0.5, 0.1, 0.0, 0.3, 0.2, 0.1])
    run_phases([gradient("head", epochs=2), gradient("top", "head", epochs=3)], made)

    folders = sorted(made.checkpoints.folder.iterdir())
    facts = [read_manifest(folder, schema=CHECKPOINT)["state"] for folder in folders]
    assert [(each["phase"], each["complete"]) for each in facts] == [(1, False), (1, True)]
    assert facts[0]["trainer"]["epoch"] == 3
    assert [(each["steps"], each["best_epoch"]) for each in facts[1]["results"]] == [(10, 1), (15, 1)]
    told = [event.path for event in read_events(made.log._path) if isinstance(event, CheckpointSaved)]
    assert told == [f"step.{step}" for step in (0, 5, 10, 15, 20, 25)]
    assert {folder.name for folder in folders} == set(told[-2:])


def test_a_second_run_of_a_phase_gives_the_same_bits(bench, training):
    ends = []
    for _ in range(2):
        network = bench.network()
        run_phases([closed_form(1.0, 0.1), gradient("top", "head", epochs=2)], training(network))
        ends.append(read_arrays(network.learned))

    assert not changed(*ends)


def test_what_is_stored_is_computed_once_and_forgotten_where_weights_below_may_change(network, training):
    made = training(network)
    seen = made.source.plain(4, "train").samples.views[0]["@pooled"]
    assert made.source.plain(4, "train").samples.views[0]["@pooled"] is seen

    run_phases([gradient("low", "middle", "top", "head", epochs=1), closed_form(0.1)], made)

    renewed = made.source.plain(4, "train").samples.views[0]["@pooled"]
    rows = made.source.data.indices("train")
    now = forward(network, 0, 4)({name: array[rows] for name, array in made.source.data.tensors.items()})
    assert np.abs(renewed - seen).max() > 1e-3
    assert renewed == pytest.approx(now["@pooled"], abs=1e-4 * max(1.0, float(now["@pooled"].std())))


def test_events_of_a_phase_are_plain_json(network, training):
    made = training(network)
    run_phases([gradient("head", epochs=1)], made)

    kinds = [json.loads(line)["event"] for line in made.log._path.read_text().splitlines()]
    assert kinds[0] == "PhaseStarted"
    assert kinds[-3:] == ["EpochDone", "PhaseDone", "CheckpointSaved"]


class Deaf:
    """A task whose loss depends on no answer."""

    def __init__(self, task):
        self._task = task

    def __getattr__(self, name):
        return getattr(self._task, name)

    def loss(self, targets, outputs, *, training):
        outputs = {name: 0.0 * each for name, each in outputs.items()}
        return self._task.loss(targets, outputs, training=training)


HELD = pytest.mark.parametrize(
    "settings",
    [{}, {"optimizer": "sgd"}, {"optimizer": "sgd", "momentum": 0.9}],
    ids=["two moments", "no moments", "one moment"],
)


@pytest.mark.slow_on_jax
@HELD
def test_stages_to_which_no_gradient_comes_are_warned_of(bench, network, training, settings):
    made = training(network)
    rates = {"top": 1e-3, "head": 1e-3}
    phase = Phase(name="tune", train=("top", "head"), solver="gradient", rates=rates, **settings)
    run_phases([phase], dataclasses.replace(made, task=Deaf(bench.task)))
    assert any(message.startswith("no gradient came to top, head in phase 'tune'") for message in made.log.warnings)


@pytest.mark.slow_on_jax
@HELD
def test_stages_to_which_gradients_come_are_not(network, training, settings):
    made = training(network)
    rates = {"top": 1e-3, "head": 1e-3}
    run_phases([Phase(name="tune", train=("top", "head"), solver="gradient", rates=rates, **settings)], made)
    assert not [message for message in made.log.warnings if "no gradient" in message]
    (started,) = (event for event in read_events(made.log._path) if isinstance(event, PhaseStarted))
    assert (started.steps, started.warmup) == (5, 1)  # a tenth of five, and one at least
