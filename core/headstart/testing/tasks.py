"""The contract of tasks, in levels: declared, encoded without a backend, answered on one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from headstart.specs import (
    HEAD,
    Calibrates,
    ComparesTargets,
    DrawsAnswers,
    Evaluation,
    Facts,
    FeedsTargets,
    Finding,
    FitsAhead,
    FitsTargets,
    Generates,
    HasAssets,
    HoldsInFiles,
    JoinsTargets,
    KeepsTruth,
    Mix,
    MixesTargets,
    PoolsRows,
    ResamplesRows,
    Sample,
    SolvesHead,
    Stage,
    TakesLabelIds,
    TakesOverHead,
    Task,
    TaskRequest,
    TellsOfTargets,
    TellsWhatLacks,
    TrimsTargets,
    WritesFiles,
    features_of_head,
)
from headstart.testing.contract import shared
from headstart.testing.declared import Declared
from headstart.testing.target_kinds import WithTargets
from headstart.testing.values import is_same, odd_assets, plain_problem, tensors_problem

if TYPE_CHECKING:
    import keras
    import numpy as np

    Batch = Mapping[str, np.ndarray]

SEED = 7
MASK = ".mask"
EVERYTHING = 10**9
"""As `top_k`: all that an answer can hold."""
CLOSE = 1e-5
"""Of max(1, the larger of two numbers): sums in another order are rounded otherwise."""
SHAPES: Mapping[str, tuple[int, ...]] = {"pooled": (8,), "tokens": (6, 8)}
"""Features are made up with these shapes; a map is (4, 4, 8)."""
PURE = "It may depend on its arguments and the task's labels alone."


class TaskDeclared(Declared):
    """The spec of a task is complete."""

    _kind = "tasks"

    def test_the_kind_of_its_targets_is_installed(self) -> None:
        """It reads what the task encodes."""
        with self._explaining(f"targets is {self.spec.targets!r}: ", "Name an installed kind: `headstart targets`."):
            self.registry.get("targets", self.spec.targets)

    def test_its_heads_and_features_are_named(self) -> None:
        """One of each at least, no name twice; what has a closed form or features of its own is one of its heads."""
        for field in ("heads", "features"):
            names = getattr(self.spec, field)
            sound = names and len(set(names)) == len(names) and all(name.strip() for name in names)
            self._require(sound, f"{field} is {names!r}", "Name one at least, each once.")
        odd = sorted(self.spec.closed_form - set(self.spec.heads))
        self._require_none(odd, "closed_form names {odd}, which are none of its heads", "Name them in `heads` too.")
        odd = sorted(self.spec.head_features.keys() - {head.partition(":")[0] for head in self.spec.heads})
        change = "Name them in `heads` too, here without what stands after a colon."
        self._require_none(odd, "head_features names {odd}, which are none of its heads", change)


class TaskSubject(WithTargets):
    """Base of the levels that build it, from a dozen examples.

    `features` are shapes, without the batch axis, of the features that the head is built on where made-up ones do not
    fit, with "NAME.mask" for their masks; `heads` are those that are tried, all of the spec where None. `sample` is
    what an input kind reads, for a task whose answers are drawn on it. `assets` are the input kind's files, by name,
    for a task that is fitted with them. `labels` are those of a head that comes with weights, for a task that
    `comes_trained`: it is built from them and the `assets`.
    """

    features: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    heads: tuple[str, ...] | None = None
    sample: Sample | None = None
    assets: Mapping[str, Path] = MappingProxyType({})
    labels: Mapping[str, Any] | None = None

    _kind = "tasks"
    _fewest = 4

    def _built(self, request: TaskRequest) -> Task:
        what = "its own labels" if request.targets is None else f"{len(request.targets)} targets"
        return cast("Task", self._made(request, f"building it from {what}"))

    def _new(self) -> Task:
        """Built from the examples, or from the labels of a head that comes trained."""
        if self.labels is None:
            return self._built(TaskRequest(self._chosen_options(), targets=self._values(), inputs=self.inputs))
        request = TaskRequest(self._chosen_options(), labels=self.labels, assets=self.assets, inputs=self.inputs)
        return self._built(request)

    @shared
    def _task(self) -> Task:
        """The task as training uses it: bound to statistics of the training split, where it takes some."""
        task = self._new()
        if isinstance(task, FitsAhead) and not task.is_fitted:
            task = self._fitted_ahead(task)
        return task.fitted(self._encoded_by(task)) if isinstance(task, FitsTargets) else task

    def _fitted_ahead(self, task: FitsAhead) -> Task:
        """As a run fits it to its training split: here to the examples."""
        with self._raising("fitting it to its examples", "Correct `fitted_ahead`, or give more `targets`."):
            return cast("Task", task.fitted_ahead(self._training(self._values(), dict(self.assets))))

    def _rebuilt(self, task: Task) -> Task:
        """As an artefact builds it again: from its labels, written as JSON and read."""
        labels = dict(task.labels())
        self._require_sound("its labels are ", plain_problem(labels), "labels.json holds plain values.")
        assets = task.assets() if isinstance(task, HasAssets) else {}
        written = json.loads(json.dumps(labels))
        return self._built(TaskRequest(self._chosen_options(), labels=written, assets=assets, inputs=self.inputs))

    def _encoded_by(self, task: Task, rows: slice = slice(None)) -> Batch:
        values = self._values()[rows]
        keys = [f"record {row}" for row in range(len(self._values()))][rows]
        change = f"Correct `encode`, or set `facts` and `inputs` in {self._title} where it needs some."
        with self._raising("encoding its examples", change):
            return dict(task.encode(values, self._cases()[rows], keys))

    @shared
    def _encoded(self) -> Batch:
        """All examples. Skips where their form is wrong: one test is about that."""
        task = self._task()
        encoded = self._encoded_by(task)
        self._skip_where(
            tensors_problem(encoded, task.targets, rows=len(self._values())),
            f"what {self.name} encodes is not what it declares, see the test of that",
        )
        return encoded

    def _cases(self) -> list[Facts]:
        return [self.facts] * len(self._values())


class TaskEncoded(TaskSubject):
    """Encodes its targets, and is built again from its labels; needs no backend."""

    def test_what_is_fitted_to_a_training_split_is_in_its_assets(self) -> None:
        """Where it is a FitsAhead: a function of that split, all of it in `assets` and `labels`."""
        task, other = self._new(), self._new()
        if not isinstance(task, FitsAhead) or task.is_fitted or not isinstance(other, FitsAhead):
            return
        ones = [self._fitted_ahead(task), self._fitted_ahead(other)]
        self._require(
            not task.is_fitted and all(isinstance(each, FitsAhead) and each.is_fitted for each in ones),
            "is_fitted does not tell the task from the one that `fitted_ahead` gave",
            "Return a new task that says True, and leave the old one as it was.",
        )
        took = [
            {name: Path(path).read_bytes() for name, path in each.assets().items()}
            if isinstance(each, HasAssets)
            else {}
            for each in ones
        ]
        same = took[0] == took[1] and dict(ones[0].labels()) == dict(ones[1].labels())
        self._require(
            same,
            "fitted twice to the same examples, its files or labels differ",
            "It may depend on the training split alone: fix seeds and the number of threads, and write no times.",
        )
        again = self._rebuilt(ones[0])
        self._require(
            isinstance(again, FitsAhead) and again.is_fitted,
            "built from its labels and assets, it says that it is not fitted",
            "Keep in them what it took.",
        )

    def test_it_says_what_it_is(self) -> None:
        """Metric, columns and a summary of plain values."""
        task = self._task()
        sound = isinstance(task.primary_metric, str) and isinstance(task.higher_is_better, bool)
        self._require(
            sound and task.primary_metric.strip(),
            f"primary_metric is {task.primary_metric!r}, higher_is_better {task.higher_is_better!r}",
            "Name a metric of the evaluator, and say which way is better.",
        )
        columns = tuple(task.columns)
        sound = len(set(columns)) == len(columns) and not {"key", "split", "target"} & set(columns)
        self._require(sound, f"columns are {columns}", "Name each once; key, split and target are there already.")
        self._require_sound("its summary is ", plain_problem(dict(task.summary())), "Keep plain values.")

    def test_encoded_targets_are_what_it_declares(self) -> None:
        """Names, shapes and dtypes of `targets`, finite; a row does not depend on what it is encoded with."""
        task, count = self._task(), len(self._values())
        encoded = self._encoded_by(task)
        problem = tensors_problem(encoded, task.targets, rows=count)
        self._require_sound("encoded, ", problem, "Correct `encode`, or `targets` of the task.")
        for row in range(count):
            alone = self._encoded_by(task, slice(row, row + 1))
            same = is_same(alone, {name: array[row : row + 1] for name, array in encoded.items()})
            self._require(same, f"encoded alone, record {row} has other targets", PURE)

    def test_it_is_built_again_from_its_labels(self) -> None:
        """An artefact has nothing else of it: equal labels, columns, summary and encoded targets."""
        task = self._task()
        again = self._rebuilt(task)
        for name in ("labels", "summary"):
            own, other = dict(getattr(task, name)()), dict(getattr(again, name)())
            self._require(own == other, f"built from its labels, its {name} are {other}, not {own}"[:400], "Keep all.")
        self._require(tuple(task.columns) == tuple(again.columns), "its columns differ", "Keep all in the labels.")
        same = is_same(self._encoded_by(again), self._encoded_by(task))
        self._require(same, "built from its labels, it encodes otherwise", "Keep in its labels what `encode` needs.")

    def test_its_baseline_is_finite(self) -> None:
        """What an answer without a model would score."""
        encoded = self._encoded()
        found = self._task().baseline(encoded, encoded)
        odd = (name for name, value in found.items() if not (isinstance(name, str) and math.isfinite(value)))
        self._require_none(odd, "the baselines {odd} are no finite numbers", "Leave out what cannot be told.")

    def test_what_it_offers_for_training_is_sound(self) -> None:
        """FitsTargets, MixesTargets, TellsOfTargets and HasAssets, where it has their methods."""
        import numpy as np

        task, encoded, count = self._task(), self._encoded(), len(self._values())
        if isinstance(task, FitsTargets):
            given = task.sampling_weights(encoded)
            sound = given is None or (np.shape(given) == (count,) and bool((np.asarray(given) > 0).all()))
            self._require(sound, f"sampling_weights gives {given!r}"[:300], "Return (row,) numbers above 0, or None.")
        if isinstance(task, MixesTargets):
            partners = {name: array[::-1] for name, array in encoded.items()}
            mixed = task.mix(encoded, partners, np.linspace(0, 1, count, dtype=np.float32))
            sound = mixed.keys() == encoded.keys() and all(len(array) == count for array in mixed.values())
            self._require(sound, f"mixed targets are {sorted(mixed)}, or other rows", "Keep names and rows.")
        if isinstance(task, TellsOfTargets):
            keys = [f"record {row}" for row in range(count)]
            values, facts = self._values(), self._cases()
            told = [each for mixes in (False, True) for each in task.findings(values, facts, keys, mixes=mixes)]
            wrong = [each for each in told if not isinstance(each, Finding) or each.level == "error"]
            self._require(
                not wrong, f"findings gives {wrong}"[:300], "Give notes and warnings; raise what is an error."
            )
        if isinstance(task, HasAssets):
            odd = odd_assets(task.assets())
            self._require_none(odd, "assets names {odd}", "Give an existing file for each name without folders.")

    def test_joined_targets_are_those_of_whole_rows(self) -> None:
        """Where it is a JoinsTargets: of the form that is encoded, each row by itself, and as it was without a mix."""
        import numpy as np

        task, encoded, count = self._task(), self._encoded(), len(self._values())
        if not isinstance(task, JoinsTargets):
            return
        mixes = [((Mix(0.5, 0.5),), ())[row % 2] for row in range(count)]
        own, partners = ({name: array[::step].copy() for name, array in encoded.items()} for step in (1, -1))
        joined = dict(task.join(own, [partners], mixes))
        self._require(is_same(own, dict(encoded)), "join writes into the targets that it is given", "Copy them.")
        change = "Keep names, shapes and dtypes; leave out what there is no room for."
        self._require_sound("joined, ", tensors_problem(joined, task.targets, rows=count), change)
        for row in range(count):
            parts = [{name: array[row : row + 1] for name, array in of.items()} for of in (own, partners, joined)]
            alone = dict(task.join(parts[0], [parts[1]], mixes[row : row + 1]))
            self._require(is_same(alone, parts[2]), f"joined alone, record {row} has other targets", PURE)
            kept = row % 2 == 0 or is_same(parts[0], parts[2])
            self._require(kept, f"record {row} is not mixed, and has other targets", "Keep rows without a mix.")
        found = [
            np.array_equal(joined[name][::2], array[::2]) for name, array in encoded.items() if array.dtype != np.bool_
        ]
        self._require(not all(found), "mixed with others, no record has other targets", "Join those of the partners.")


class TaskAnswered(TaskSubject):
    """Builds heads on made-up features, scores and decodes what they give, on KERAS_BACKEND or the first backend."""

    def test_each_head_gives_finite_outputs(self) -> None:
        """A model from the features that it wants, by name, to a dict of named outputs (batch, ...)."""
        for name in self._heads():
            outputs = self._outputs_of(self._head(name), name)
            odd = [each for each, array in outputs.items() if array.shape[:1] != (len(self._values()),)]
            self._require(outputs and not odd, f"the outputs {odd} of head {name!r} have no batch axis", "Keep it.")
            dead = (each for each, array in outputs.items() if not _is_finite(array))
            self._require_none(dead, f"the outputs {{odd}} of head {name!r} are not finite", "Look for divisions by 0.")

    def test_its_loss_is_one_number_a_row(self) -> None:
        """(batch,) float32 and finite, in training and outside of it."""
        for training in (False, True):
            losses = self._losses(training=training)
            self._require(
                losses.shape == (len(self._values()),) and str(losses.dtype) == "float32",
                f"the loss has the shape {losses.shape} and type {losses.dtype}",
                f"Return (batch,) float32: here ({len(self._values())},).",
            )
            self._require(_is_finite(losses), "a loss is not finite", "Look for logarithms and divisions of 0.")

    def test_the_loss_of_a_row_does_not_depend_on_the_others(self) -> None:
        """Alone and in a batch, in any order: else scores would depend on how a split is cut."""
        losses, count = self._losses(), len(self._values())
        self._skip_where(
            losses.shape != (count,), f"the loss of {self.name} is not one number a row, see the test of that"
        )
        for row in range(count):
            self._require_close(self._losses(slice(row, row + 1)), losses[row : row + 1], f"the loss of record {row}")
        self._require_close(self._losses(slice(None, None, -1)), losses[::-1], "in another order, the loss")

    def test_cut_to_what_they_use_targets_have_the_same_loss(self) -> None:
        """Where it is a TrimsTargets: what stands behind the length of each row changes nothing."""
        from headstart.data.lengths import cut_to  # which imports numpy

        task, encoded = self._task(), self._encoded()
        if not isinstance(task, TrimsTargets):
            return
        lengths = tuple(task.target_lengths)
        axes = {name: spec.length_axis for name, spec in task.targets.items() if spec.length_axis is not None}
        stored = {task.targets[name].shape[axis] for name, axis in axes.items()}
        self._require(
            axes and list(lengths) == sorted(set(lengths)) and stored == {lengths[-1]},
            f"target_lengths are {lengths}, of targets whose length axes hold {sorted(stored)}",
            "Let them ascend to the size of the axes that `length_axis` names.",
        )
        used = task.used(encoded)
        sound = used.shape == (len(self._values()),) and bool(((used >= 0) & (used <= lengths[-1])).all())
        self._require(sound, f"used gives {used!r}"[:200], "Return (row,) whole numbers up to the last length.")
        for row in range(len(used)):
            whole = {name: array[row : row + 1] for name, array in encoded.items()}
            cut = cut_to(whole, axes, max(int(used[row]), 1), lengths[-1])
            found = [self._loss_of(row, targets) for targets in (whole, cut)]
            self._require_close(found[1], found[0], f"cut to the {int(used[row])} steps that it uses, the loss")

    def test_mixed_with_nothing_a_row_keeps_its_loss(self) -> None:
        """Where it is a MixesTargets: with a share of 1 of its own."""
        import numpy as np

        task, encoded = self._task(), self._encoded()
        if not isinstance(task, MixesTargets):
            return
        partners = {name: array[::-1] for name, array in encoded.items()}
        mixed = task.mix(encoded, partners, np.ones(len(self._values()), np.float32))
        found = _on_device(lambda targets, outputs: task.loss(targets, outputs, training=False), mixed, self._outputs())
        self._require_close(found, self._losses(), "mixed with a share of 1, the loss")

    def test_how_alike_targets_are_is_from_0_to_1(self) -> None:
        """Where it is a ComparesTargets: the same whichever of two comes first."""
        task, count = self._task(), len(self._values())
        if not isinstance(task, ComparesTargets):
            return
        found = _on_device(task.likeness, self._encoded())
        sound = found.shape == (count, count) and bool(((found >= 0) & (found <= 1)).all())
        self._require(
            sound, f"the likeness of {count} targets is {found.shape}, not all 0 to 1", "Give each two a share."
        )
        self._require_close(found, found.T, "the other way round, the likeness of targets")

    def test_any_cut_into_batches_gives_the_same_scores(self) -> None:
        """One batch, rows one by one, and merges in any grouping: equal metrics up to rounding, the same names."""
        import numpy as np

        whole, count = self._scored([slice(None)]).metrics(), len(self._values())
        self._require(
            self._task().primary_metric in {*whole, "loss"},
            f"its metrics are {sorted(whole)}, without its primary one, {self._task().primary_metric!r}",
            "Give it a number.",
        )
        rows = [slice(row, row + 1) for row in range(count)]
        third, half = count // 3, count // 2
        for name, found in (
            ("row by row", self._scored(rows)),
            ("merged of two", self._scored([slice(0, third)], [slice(third, count)])),
            ("merged of three", self._scored([slice(0, third)], [slice(third, half)], rows[half:])),
        ):
            metrics = found.metrics()
            self._require(metrics.keys() == whole.keys(), f"{name}, its metrics are {sorted(metrics)}", "Name all.")
            self._require_metrics(name, metrics, whole, change="Keep sums over rows, or the rows; divide at the end.")
            for drawn, values in self._resampled(found).items():
                same = np.allclose(
                    values, self._resampled(self._scored([slice(None)]))[drawn], CLOSE, CLOSE, equal_nan=True
                )
                self._require(same, f"{name}, resamples of {drawn} are others", "Draw places of rows, in their order.")

    def test_its_result_is_an_evaluation(self) -> None:
        """The same metrics, intervals from low to high, and a report of plain values."""
        import numpy as np

        evaluator = self._scored([slice(None)])
        result = evaluator.result()
        self._require(isinstance(result, Evaluation), f"result gives {type(result).__name__}", "Return Evaluation.")
        self._require_metrics("in its result", result.metrics, evaluator.metrics(), change="Give the same.")
        drawn = self._resampled(evaluator)
        self._require_none(drawn.keys() - result.metrics, "resampled gives {odd}, no metric", "Name metrics.")
        sound = (values.ndim == 1 and not np.isinf(values).any() for values in drawn.values())
        self._require(all(sound), "resampled gives numbers that are infinite, or not in one axis", "Draw rows.")
        odd = (name for name, (low, high) in result.intervals.items() if not low <= high)
        self._require_none(odd, "the intervals of {odd} do not run from low to high", "Swap their ends.")
        from headstart.documents import plain

        problem = plain_problem(plain({"report": result.report, "calibration": result.calibration}))
        self._require_sound("its report is ", problem, "Keep plain values.")

    def test_a_running_evaluator_has_a_size_that_does_not_grow(self) -> None:
        """Its state goes into checkpoints, and is all that it knows: restored, it goes on to the same metrics."""
        count = len(self._values())
        half, whole = [slice(0, count // 2)], [slice(0, count // 2), slice(count // 2, count)]
        states = [self._scored(cuts, running=True).state() for cuts in (half, whole, whole * 3)]
        sizes = [sum(array.nbytes for array in state.values()) for state in states]
        self._require(len(set(sizes)) == 1, f"its state takes {sizes} bytes as rows come", "Keep sums, not rows.")
        begun, restored = self._scored(half, running=True), self._task().evaluator(running=True)
        cast("Any", restored).restore({name: array.copy() for name, array in begun.state().items()})
        self._feed(restored, slice(count // 2, count))
        self._require_metrics(
            "restored from its state",
            restored.metrics(),
            self._scored(whole, running=True).metrics(),
            change="Put all that it knows into `state`.",
            otherwise="if it never stopped",
        )

    def test_the_truth_of_a_record_is_scored_in_any_cut(self) -> None:
        """Where it is a KeepsTruth: single rows of names that encoded targets do not have, from the record alone; with
        them the evaluator has the same metrics, whatever is merged."""
        task, encoded, count = self._task(), self._encoded(), len(self._values())
        if not isinstance(task, KeepsTruth):
            return
        truths = [self._truth_of(task, row) for row in range(count)]
        for row in reversed(range(count)):
            odd = [name for name, array in truths[row].items() if len(array) != 1]
            self._require_none(odd, "the truth of a record has other than one row in {odd}", "Return (1, ...) of each.")
            taken = sorted(truths[row].keys() & encoded.keys())
            self._require_none(taken, "the truth has {odd}, as encoded targets do", "Name its arrays otherwise.")
            same = is_same(truths[row], self._truth_of(task, row))
            self._require(same, f"asked in another order, the truth of record {row} is another one", PURE)
        whole, *halves = (task.evaluator() for _ in range(3))
        for row, truth in enumerate(truths):
            for evaluator in (whole, halves[2 * row // count]):
                self._feed(evaluator, slice(row, row + 1), truth)
        halves[0].merge(halves[1])
        metrics = whole.metrics()
        sound = task.primary_metric in {*metrics, "loss"}
        self._require(sound, f"scored against the truth, its metrics are {sorted(metrics)}", "Give the primary one.")
        change = "Keep sums over rows, or the rows; divide at the end."
        self._require_metrics("merged of two, against the truth", halves[0].metrics(), metrics, change=change)

    def test_each_row_has_one_answer_with_its_columns(self) -> None:
        """Values that JSON takes, or arrays; `rows` gives 0 to n rows of predictions.csv with exactly `columns`."""
        from headstart.documents import plain

        task = self._task()
        for top_k in (1, EVERYTHING):
            answers = self._answers(task, top_k)
            for answer in answers:
                change = "Decode to plain values, lists and arrays."
                self._require_sound("an answer is ", plain_problem(plain(answer)), change)
        for answer in self._answers(task, EVERYTHING):
            for row in task.rows(answer):
                self._require(
                    row.keys() == set(task.columns), f"a row has {sorted(row)}, not {task.columns}"[:300], "Fill them."
                )
            files = dict(task.files(answer)) if isinstance(task, WritesFiles) else {}
            odd = [name for name, data in files.items() if name[:1] != "." or not isinstance(data, bytes)]
            self._require(not odd, f"files gives {odd}", 'Give bytes by suffix, such as ".png".')
            held = task.in_files if isinstance(task, HoldsInFiles) else {}
            lost = [part for part, suffix in held.items() if part in answer and suffix not in files]
            self._require(not lost, f"in_files names files for {lost} that `files` does not give", "Give or drop them.")

    def test_answers_are_drawn_on_their_sample(self) -> None:
        """Where it is a DrawsAnswers: bytes by suffix, the same each time, and the sample stays as it is."""
        task = self._task()
        if not isinstance(task, DrawsAnswers):
            return
        sample = self.sample
        if sample is None:
            change = f"Set `sample` in {self._title}: Sample(VALUE), with what the input kind reads."
            self._fail("there is no sample to draw answers on", change)
        before = deepcopy(sample.value)
        for answer in self._answers(task, EVERYTHING):
            with self._raising("drawing an answer", "Correct `drawn`; an answer may hold nothing at all."):
                drawn, again = (dict(task.drawn(answer, sample)) for _ in range(2))
            odd = [name for name, data in drawn.items() if name[:1] != "." or not isinstance(data, bytes)]
            self._require(drawn and not odd, f"drawn gives {odd or 'nothing'}", 'Give bytes by suffix, such as ".png".')
            self._require(drawn == again, "drawn twice, an answer gives other bytes", PURE)
        self._require(is_same(before, sample.value), "drawing writes into the sample", "Draw on a copy.")

    def test_the_task_of_an_artefact_answers_the_same(self) -> None:
        """Built again from its labels, also once it is calibrated."""
        task = self._task()
        tasks = [task, *([self._calibrated(task)] if isinstance(task, Calibrates) else [])]
        for each in tasks:
            again = self._answers(self._rebuilt(each), EVERYTHING)
            self._require(
                is_same(self._answers(each, EVERYTHING), again),
                "built from its labels, it answers otherwise",
                "Keep in its labels all that `decode` needs.",
            )

    def test_pooled_rows_are_one_row(self) -> None:
        """Where it is a PoolsRows: several rows of one record become one that can be answered."""
        task, outputs = self._task(), self._final()
        if not isinstance(task, PoolsRows):
            return
        pooled = task.pool({name: array[:3] for name, array in outputs.items()}, self._cases()[:3])
        odd = (name for name, array in pooled.items() if len(array) != 1)
        self._require_none(odd, "pooled, {odd} have other than one row", "Return (1, ...) of each.")
        self._require(
            len(task.decode(pooled, self._cases()[:1], 1)) == 1, "it has no answer", "Give what decode reads."
        )

    def test_heads_in_closed_form_are_solved(self) -> None:
        """Where the spec has `closed_form`: kernel (channel, output) and bias (output,) float32 and finite, each time
        the same."""
        import numpy as np

        task, encoded = self._task(), self._encoded()
        if not self.spec.closed_form:
            return
        if not isinstance(task, SolvesHead):
            self._fail("closed_form names heads, and the task has no `solve`", "Offer SolvesHead, or name none.")
        self._backend()
        from headstart.engine.linear.rows import Part, Rows

        feature = np.asarray(next(iter(self._features(self.spec.features).values())), np.float32)
        rows = Rows((Part((feature,), encoded),))
        found = [next(iter(task.solve(rows, (1.0,)))) for _ in range(2)]
        for name, axes in (("kernel", 2), ("bias", 1)):
            first, again = (np.asarray(each.weights[name]) for each in found)
            sound = first.ndim == axes and str(first.dtype) == "float32" and _is_finite(first)
            self._require(sound, f"its {name} has the shape {first.shape} and type {first.dtype}", "See Solved.")
            self._require(np.array_equal(first, again), f"solved twice, its {name} differs", PURE)

    def test_a_head_that_goes_on_from_one_of_its_own_labels_is_that_head(self) -> None:
        """Where it is a TakesOverHead: of a task with the same labels all is kept, to the bit, and nothing is added."""
        import numpy as np

        task = self._task()
        if not isinstance(task, TakesOverHead):
            return
        for name in self._heads():
            model = self._head(name)
            from headstart.engine.network.stages import read_arrays

            first = read_arrays([Stage(HEAD, model)])
            learned = {each: array + np.ones_like(array) for each, array in first.items()}
            with self._raising(f"taking over the head {name!r}", "Correct `take_over`."):
                taken = task.take_over(self._rebuilt(task), learned, first)
            odd = [each for each in {**first, **taken.arrays} if not is_same(taken.arrays.get(each), learned.get(each))]
            self._require_none(odd, f"of the head {name!r} {{odd}} are not what was learned", "Keep what both know.")
            told = (tuple(taken.added), tuple(taken.left_out))
            self._require(taken.kept, f"of the head {name!r} nothing is kept", "Name it, or raise a DataError.")
            self._require(
                told == ((), ()), f"of the head {name!r} it adds and leaves out {told}", "Both know the same."
            )

    def test_numbers_of_labels_are_kept_with_them(self) -> None:
        """Where it is a TakesLabelIds: an artefact's task has them again, and a name that it lacks ends nothing."""
        task = self._task()
        if not isinstance(task, TakesLabelIds):
            return
        with self._raising("giving it numbers of labels", "Correct `with_label_ids`."):
            numbered = task.with_label_ids({"no-such-label": 3})
        same = dict(self._rebuilt(numbered).labels()) == dict(numbered.labels())
        self._require(same, "rebuilt, it has other labels", "Keep the numbers in `labels`.")

    def _heads(self) -> Sequence[str]:
        return self.spec.heads if self.heads is None else self.heads

    def _features(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Made-up features (row, ...) of these names, with masks of which each row has another length."""
        import numpy as np

        generator, count = np.random.default_rng(SEED), len(self._values())
        found: dict[str, np.ndarray] = {}
        for name in names:
            shape = self.features.get(name, SHAPES.get(name, (4, 4, 8)))
            found[name] = generator.standard_normal((count, *shape)).astype(np.float32)
            masked = self.features.get(name + MASK, shape[:1] if name == "tokens" else None)
            if masked is not None:
                places = np.arange(math.prod(masked)).reshape(masked)
                found[name + MASK] = np.stack([places <= row % math.prod(masked) for row in range(count)])
        return found

    def _head(self, name: str) -> keras.Model:
        self._backend()
        features = self._features(features_of_head(self.spec, name))
        shapes = {each: (None, *array.shape[1:]) for each, array in features.items()}
        change = f"Correct `head`, or set `features` in {self._title} to shapes that fit."
        with self._raising(f"building the head {name!r} on {shapes}", change):
            model = self._task().head(name, shapes, SEED)
        sound = isinstance(model.input, dict) and isinstance(model.output, dict)
        self._require(sound, f"the head {name!r} is no model from a dict to a dict", "keras.Model({...}, {...}).")
        return model

    def _outputs_of(
        self, model: keras.Model, head: str, rows: slice = slice(None), targets: Batch | None = None
    ) -> dict[str, np.ndarray]:
        """What a head gives in inference mode, fed with targets where the task does that: with `targets`, or those of
        the examples."""
        made = self._features(features_of_head(self.spec, head))
        task, features = self._task(), {name: array[rows] for name, array in made.items()}
        encoded = targets or {name: array[rows] for name, array in self._encoded().items()}

        def run(features: Mapping[str, Any], targets: Mapping[str, Any]) -> Mapping[str, Any]:
            given = {**features, **(task.head_inputs(targets) if isinstance(task, FeedsTargets) else {})}
            missing = sorted(model.input.keys() - given.keys())
            self._require(not missing, f"its head takes {missing}", "Take features of the spec, or offer FeedsTargets.")
            return cast("Mapping[str, Any]", model({name: given[name] for name in model.input}, training=False))

        return cast("dict[str, np.ndarray]", _on_device(run, features, encoded))

    @shared
    def _first_head(self) -> keras.Model:
        return self._head(self._heads()[0])

    @shared
    def _outputs(self) -> dict[str, np.ndarray]:
        """What the first head gives for the examples; of a task that generates, fed with their targets."""
        return self._outputs_of(self._first_head(), self._heads()[0])

    @shared
    def _final(self) -> dict[str, np.ndarray]:
        """What answers are decoded from: the generated outputs, where the task is a Generates."""
        task = self._task()
        if not isinstance(task, Generates):
            return self._outputs()
        head, made = self._first_head(), self._features(features_of_head(self.spec, self._heads()[0]))
        from headstart.engine.generation import generate

        with self._raising("generating an answer", "Correct `start` and `step`; see Generates."):
            found = _on_device(lambda features: generate(task, head, features), made)
        return cast("dict[str, np.ndarray]", found)

    def _losses(self, rows: slice = slice(None), *, training: bool = False) -> np.ndarray:
        targets = {name: array[rows] for name, array in self._encoded().items()}
        outputs = {name: array[rows] for name, array in self._outputs().items()}
        with self._raising(f"the loss of {len(next(iter(outputs.values())))} rows", "Use keras.ops."):
            found = _on_device(lambda *both: self._task().loss(*both, training=training), targets, outputs)
        return cast("np.ndarray", found)

    def _loss_of(self, row: int, targets: Batch) -> np.ndarray:
        """The loss (1,) of one example, its head fed with `targets`."""
        outputs = self._outputs_of(self._first_head(), self._heads()[0], slice(row, row + 1), targets)
        found = _on_device(lambda *both: self._task().loss(*both, training=False), targets, outputs)
        return cast("np.ndarray", found)

    @shared
    def _all_losses(self) -> np.ndarray:
        return self._losses()

    def _scored(self, *parts: Sequence[slice], running: bool = False) -> Any:
        """An evaluator for each part, fed cut by cut, all merged into the first."""
        evaluators = []
        for cuts in parts:
            evaluators.append(self._task().evaluator(running=running))
            for rows in cuts:
                self._feed(evaluators[-1], rows)
        first, *others = evaluators
        for other in others:
            first.merge(other)
        return first

    @staticmethod
    def _resampled(evaluator: Any) -> Mapping[str, np.ndarray]:
        """What it says of resamples; nothing where it does not offer that."""
        return evaluator.resampled() if isinstance(evaluator, ResamplesRows) else {}

    def _feed(self, evaluator: Any, rows: slice, truth: Mapping[str, np.ndarray] = MappingProxyType({})) -> None:
        outputs, losses = self._final(), self._all_losses()
        targets, cut = ({name: array[rows] for name, array in each.items()} for each in (self._encoded(), outputs))
        with self._raising("the evaluator's update", "It takes any rows, one at a time too."):
            evaluator.update({**targets, **truth}, cut, self._cases()[rows], losses[rows])

    def _truth_of(self, task: KeepsTruth, row: int) -> dict[str, np.ndarray]:
        with self._raising(f"the truth of record {row}", "Correct `truth`."):
            return dict(task.truth(self._values()[row], self._cases()[row], f"record {row}"))

    def _answers(self, task: Task, top_k: int) -> list[dict[str, Any]]:
        with self._raising(f"decode with top_k={top_k}", "It takes any top_k from 1 on."):
            answers = [dict(each) for each in task.decode(self._final(), self._cases(), top_k)]
        self._require(
            len(answers) == len(self._values()),
            f"decode gives {len(answers)} answers for {len(self._values())} rows",
            "Give one answer a row, in order.",
        )
        return answers

    def _calibrated(self, task: Any) -> Task:
        calibrator = task.calibrator()
        calibrator.update(self._encoded(), self._final())
        found = calibrator.found()
        self._require_sound("what its calibrator found is ", plain_problem(dict(found)), "Keep plain values.")
        if isinstance(calibrator, TellsWhatLacks):
            told = calibrator.lacking()
            self._require(told is None or isinstance(told, str), f"lacking() is {told!r}", "Return a text or None.")
        return cast("Task", task.calibrated(json.loads(json.dumps(dict(found)))))

    def _require_metrics(
        self,
        where: str,
        found: Mapping[str, float],
        expected: Mapping[str, float],
        *,
        change: str,
        otherwise: str = "of one batch",
    ) -> None:
        """Equal up to rounding; `where` and `otherwise` say what each of the two is of."""
        for name, value in expected.items():
            other = found.get(name, math.nan)
            both_unknown = name in found and math.isnan(other) and math.isnan(value)
            self._require(
                both_unknown or abs(other - value) <= CLOSE * max(1.0, abs(value)),
                f"{where}, {name} is {other:g}, and {otherwise} {value:g}",
                change,
            )

    def _require_close(self, found: np.ndarray, expected: np.ndarray, what: str) -> None:
        import numpy as np

        apart = np.abs(found.astype(np.float64) - expected)
        self._require(
            (apart <= CLOSE * np.maximum(1.0, np.abs(expected))).all(),
            f"{what} is {found[:3]}, not {expected[:3]}",
            "Compute each row from that row alone: no mean over the batch, no statistics of it.",
        )


class TaskContract(TaskDeclared, TaskEncoded, TaskAnswered):
    """All that a task must do. Set `name`, and write `targets` where their kind gives no examples."""


def _on_device(compute: Callable[..., Any], *batches: Mapping[str, np.ndarray]) -> Any:
    """What `compute` gives for batches as backend tensors, copied into arrays: one, or several by name."""
    import keras
    import numpy as np

    from headstart.engine.device import without_gradients

    with without_gradients():
        tensors = [{name: keras.ops.convert_to_tensor(array) for name, array in each.items()} for each in batches]
        if keras.backend.backend() == "jax":  # as in training; by itself each operation is a program to compile
            import jax

            compute = jax.jit(compute)
        found = compute(*tensors)
    return keras.tree.map_structure(lambda each: np.array(keras.ops.convert_to_numpy(each), copy=True), found)


def _is_finite(array: np.ndarray) -> bool:
    import numpy as np

    return bool(np.isfinite(array).all())
