"""A finished run, opened from its folder: evaluate, predict, and draw its reports again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

from headstart.answer_files import AnswerFiles
from headstart.answer_jobs import AnswerJob, Left
from headstart.artefact import Artefact
from headstart.asking import Asked, parsed, read_settings
from headstart.backend import BackendChoice, activate, choose_backend, installed_backends
from headstart.cache import open_cache
from headstart.data.split_file import SPLITS, read_split
from headstart.documents import plain, read_object
from headstart.errors import REFUSED, DataError, HeadstartError, UsageError
from headstart.eventlog import read_events
from headstart.lists import in_line
from headstart.predictor import Predictor, sizes_for, verify_tiling
from headstart.recipe import Recipe
from headstart.recipes.build import build_recipe, recipe_of_run
from headstart.recipes.file import verify_form
from headstart.recipes.resolve import ResolvedRecipe, resolve_recipe
from headstart.registry import Registry, load_registry
from headstart.runs import kept_scores
from headstart.runs.answering import named_engines, predictor_in
from headstart.runs.beside import as_documents, differences
from headstart.runs.curves import draw_svg
from headstart.runs.evaluation import (
    Labelled,
    OnProgress,
    PredictionsFile,
    documents,
    open_predictions,
    score,
    score_in_tiles,
    score_once,
    scores_over,
    write_kept,
)
from headstart.runs.folder import LARGEST_RESULT, RunFolder, finished_run
from headstart.runs.inputs import Inputs
from headstart.runs.kept_scores import Scored
from headstart.runs.lock import locked
from headstart.runs.reporting import SampleView, open_reporters, replay, told_progress
from headstart.runs.run_data import ALL, RunData
from headstart.shown import Shown, as_table
from headstart.specs import (
    AUTO,
    CollectsAnswers,
    DrawsAnswers,
    EngineSpec,
    Finding,
    ListsAnswers,
    ReporterSpec,
    TakesLabelIds,
    WritesFiles,
)
from headstart.specs import Evaluation as Scores
from headstart.threads import available_threads


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """Scores of one evaluation: `document` is what `evaluate --json` prints."""

    document: Mapping[str, Any]

    def facts(self) -> Mapping[str, Any]:
        """See `Shown`."""
        told = {name: self.document.get(name) for name in ("run", "data", "samples", "backend")}
        return told | primary_metrics(self.document)


def primary_metrics(document: Mapping[str, Any]) -> dict[str, Any]:
    """The primary metric of an evaluation or a result, by split: `test_accuracy`."""
    name, metrics = document.get("primary_metric"), document.get("metrics") or {}
    return {f"{split}_{name}": values[name] for split, values in metrics.items() if name in (values or ())}


def _with_intervals(result: Mapping[str, Any], split: str) -> dict[str, str]:
    """The metrics of a split in words, each with its 95 % interval where it has one."""
    metrics, intervals = ((result.get(name) or {}).get(split) or {} for name in ("metrics", "intervals"))
    told = {name: "-" if value is None else f"{value:.4f}" for name, value in metrics.items()}
    for name, bounds in intervals.items():
        if name in told and bounds and None not in bounds:
            told[name] += f", 95 % interval {bounds[0]:.4f} to {bounds[1]:.4f}"
    return told


@dataclass(frozen=True, repr=False)
class Run(Shown):
    """A run folder with a finished artefact."""

    path: Path
    registry: Registry

    @classmethod
    def load(cls, path: str | Path, *, registry: Registry | None = None) -> Run:
        """Open a run. Raises UsageError where `path` is not the folder of a finished run."""
        folder = finished_run(path)
        verify_form(folder.recipe)
        return cls(folder.path, registry or load_registry())

    def facts(self) -> Mapping[str, Any]:
        """See `Shown`."""
        result = self._result_if_sound
        names = ("backbone", "weights", "task", "strategy", "samples", "backend")
        told = {name: result[name] for name in names if name in result}
        return {"path": str(self.path)} | told | primary_metrics(result)

    def below(self) -> str:
        """See `Shown`: the metrics on test, or on val where no sample was held out, which is said, and how the run
        learned, as far as its files tell."""
        metrics = picture = ""
        with suppress(DataError):
            why = self.result.get("no_test")
            told = _with_intervals(self.result, "val" if why else "test")
            metrics = as_table(f"val: {why}" if why else "test", told) if told else ""
        with suppress(HeadstartError):  # there is no history, or it is damaged
            picture = draw_svg(read_events(self.folder.events))
        return metrics + picture

    @property
    def folder(self) -> RunFolder:
        """The names of its files."""
        return RunFolder(self.path)

    @cached_property
    def result(self) -> Mapping[str, Any]:
        """What result.json holds."""
        return read_object(self.folder.result, LARGEST_RESULT)

    @property
    def _result_if_sound(self) -> Mapping[str, Any]:
        """The same; nothing where it is damaged, which `result` tells."""
        with suppress(DataError):
            return self.result
        return {}

    @cached_property
    def artefact(self) -> Artefact:
        """The verified artefact."""
        return Artefact.load(self.folder.artefact, registry=self.registry)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as it ran."""
        return recipe_of_run(self.folder.recipe)

    @cached_property
    def data(self) -> RunData:
        """What it reads."""
        return RunData(self.path, self.registry, self.recipe, self.artefact)

    def use_backend(self, backend: str | None) -> str:
        """Choose and set the backend: the argument, the variable, the run's own, or the first installed."""
        choice = self._backend(backend)
        activate(choice)
        return choice.name

    def _backend(self, backend: str | None) -> BackendChoice:
        own = self.recipe.backend if self.recipe.backend in installed_backends() else None
        return choose_backend(backend, own)

    def predict(
        self,
        inputs: Sequence[Any] = (),
        *,
        texts: Sequence[str] = (),
        top_k: int = 1,
        backend: str | None = None,
        out: str | Path | None = None,
        sets: Sequence[str] = (),
        engine: str = AUTO,
    ) -> list[dict[str, Any]]:
        """Answer files, folders, tables, bytes, arrays or texts: one mapping each with `input` and the task's columns.

        In the order of `inputs`, then `texts`; see `answers`, which gives them as they come.
        """
        return list(self.answers(inputs, texts=texts, top_k=top_k, backend=backend, out=out, sets=sets, engine=engine))

    def answers(
        self,
        inputs: Sequence[Any] = (),
        *,
        texts: Sequence[str] = (),
        top_k: int = 1,
        backend: str | None = None,
        out: str | Path | None = None,
        sets: Sequence[str] = (),
        engine: str = AUTO,
        jsonl: bool = False,
        on_progress: OnProgress | None = None,
        on_finding: Callable[[Finding], None] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Answer files, folders, tables, bytes, arrays or texts, one after the other: `input` and the task's columns.

        What a path or a text among `inputs` means is for the run's input kind to say: folders are searched for its
        files. A table or archive that an installed dataset opens stands for its records, in their order, each called by
        its `id`, its path as written or its place in the archive; `on_finding` hears what is to be said of it. It is
        read by the settings of the run's own dataset where that opens it, with those of `sets` above them, such as
        "dataset.folder=new". `texts` are texts even where a file is called so. With `out`, files that the task makes of
        its answers are written into that folder, see `headstart.answer_files`; what such a file holds whole, such as a
        mask, is its name in the answer.

        `sets` also hold "predict.tile=640", which cuts larger inputs into tiles, or "predict.lines=true", by which the
        lines of a text file are inputs (see `headstart.asking`), and what the task lets a finished run be asked with,
        such as "task.threshold=0.5".

        `engine` is what computes: one by name, by "auto" the fastest that repays its start where inputs are many, or
        "stock" layers, which any other is held equal to on raw samples first, once an artefact.

        With `jsonl` and `out` the answers are written to answers.jsonl in that folder, too, a line each as they come.
        Where some are there, from the same model asked in the same way, the others alone are answered and given, and
        those that could not be read are tried again: a job that was stopped goes on. Inputs are known by their names.

        An input that cannot be read, is not there or is a folder that holds nothing to be answered has nothing but
        `input` and `error`, the reason; the others are answered as without it, to the bit. Raises UsageError where none
        of the inputs is there, for a kind that reads no texts and for settings, and DataError for a table or archive
        that cannot be used: before any answer.
        """
        self.use_backend(backend)
        asked = read_settings(sets, self.artefact.task_spec)
        artefact = self._asked(asked)
        if asked.options.tiling is not None:
            verify_tiling(artefact.kind, artefact.task, asked.options.tiling)
        finder = Inputs(self.data, asked, on_finding)
        named = finder.named(inputs, texts)
        if out is not None and isinstance(artefact.task, TakesLabelIds):
            finder.look_up_ids(inputs, named)
        job = None if out is None or not jsonl else AnswerJob(Path(out), self._job(top_k, engine, sets))
        ask = partial(Predictor.answers, top_k=top_k, on_progress=on_progress, tiling=asked.options.tiling)
        with nullcontext() if job is None else locked(job.path.parent), nullcontext() if job is None else job:
            names = [name for name, _ in named]
            # An engine may take more at once than stock layers do: a multiple, so that their groups begin there too.
            widest = dataclasses.replace(artefact.predictor, sizes=sizes_for(artefact.kind))
            left = Left(range(len(names))) if job is None else job.left_of(names, widest.window)
            payloads = [named[place][1] for place in left.places]
            files = self._answer_files(artefact, named, out, job, finder)
            with (
                nullcontext() if files is None else closing(files),
                predictor_in(artefact, engine, payloads, _as_finding(on_finding), count=len(named)) as (predictor, _),
            ):
                if len(payloads) < len(named):  # a job that was not stopped began with more
                    predictor = dataclasses.replace(predictor, sizes=predictor.sizes[-1:])
                found = zip(left.places, ask(predictor, payloads), strict=True)
                for number, (place, answer) in islice(enumerate(found), left.again, None):
                    if files is not None and REFUSED not in answer:
                        answer = files.write(place, answer)
                    given = {"input": names[place], **answer}
                    if job is not None and left.is_written(number, answer):
                        job.write(given)
                    yield given
                if files is not None:
                    files.write_together()

    def _job(self, top_k: int, engine: str, sets: Sequence[str]) -> dict[str, Any]:
        """What answers depend on beside their inputs."""
        files = {name: each["sha256"] for name, each in self.artefact.manifest["files"].items()}
        model = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        return {"model": model, "top_k": top_k, "engine": engine, "settings": sorted(sets)}

    @staticmethod
    def _answer_files(
        artefact: Artefact,
        named: Sequence[tuple[str, Any]],
        out: str | Path | None,
        job: AnswerJob | None,
        finder: Inputs,
    ) -> AnswerFiles | None:
        """The files that the task makes, in `out`; a job can do without."""
        makes = isinstance(artefact.task, WritesFiles | DrawsAnswers | CollectsAnswers)
        if out is None or (job is not None and not makes):
            return None
        task = artefact.task
        if finder.label_ids and isinstance(task, TakesLabelIds):
            task = task.with_label_ids(finder.label_ids)
        goes_on = job is not None and job.is_begun
        files = AnswerFiles(Path(out), task, artefact.kind, named, goes_on=goes_on, ids=finder.ids)
        if job is not None and job.is_begun:
            files.take_up(job.answers())
        return files

    def _asked(self, asked: Asked) -> Artefact:
        """The artefact, with the options of its task that are `asked` for in place of its own."""
        if not asked.task:
            return self.artefact
        blueprint = self.artefact.blueprint
        options = parsed(self.artefact.task_spec.options, {**vars(blueprint.task_options), **asked.task}, "task")
        return dataclasses.replace(self.artefact, blueprint=dataclasses.replace(blueprint, task_options=options))

    def lines_of(self, answers: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """What `answers` gives as lines of a table, as they come: each answer, or of a task that lists answers a line
        for each thing in it; where there is none, one whose values are None."""
        task = self.artefact.task
        lists = isinstance(task, ListsAnswers) and task.lists_answers
        for answer in answers:
            if not lists or REFUSED in answer:
                yield answer
                continue
            notes = {"notes": answer["notes"]} if "notes" in answer else {}
            for row in [*task.rows(answer)] or [dict.fromkeys(task.columns)]:
                yield {"input": answer["input"], **row, **notes}

    def evaluate(
        self,
        data: str | None = None,
        *,
        split: str = "test",
        backend: str | None = None,
        engine: str = AUTO,
        predictions: Path | None = None,
        sets: Sequence[str] = (),
        on_progress: OnProgress | None = None,
    ) -> Evaluation:
        """Score one split of the run's own data (or `all` of them), or every row of other `data` under `test`.

        Each sample's key, split, target and the task's columns are written to `predictions`, a CSV file, as answers
        come. Other data is read, and `engine` and `sets` are used, as `answers` says; in tiles there is no loss. What
        is to be said of other data, or of the figures on val, is in the document, as `warnings` and `notes`. Raises
        UsageError for `test` where the run held no sample out.
        """
        asked = self._asked_of_scores(sets, data)
        choice, tiling = self._backend(backend), asked.options.tiling
        findings: tuple[Finding, ...] = ()
        lost: list[str] = []
        cache, kept = open_cache(lost.append), dict[str, Scored]()
        if data is None:
            samples, findings = self.data.own(split, is_refitted=bool(self._result_if_sound.get("refit")))
            keys_in = self._kept_as(samples, choice.name, {**asked.task, "tiling": tiling})
            kept = kept_scores.found_under(cache, map(keys_in, named_engines(engine, self.registry)))
        if data is None and len(kept) == len(samples):  # needs no framework
            if predictions is not None:
                write_kept(predictions, (kept[each.split] for each in samples))
            scored = {each.split: kept[each.split].evaluation for each in samples}
            judged = next(iter(kept.values()))
            primary_metric, higher_is_better = judged.primary_metric, judged.higher_is_better
        else:
            activate(choice)
            artefact = self._asked(asked)
            if tiling is not None:
                verify_tiling(artefact.kind, artefact.task, tiling)
            if data is not None:
                samples, findings = self.data.other(data, asked.data)
            task = artefact.task
            primary_metric, higher_is_better = task.primary_metric, task.higher_is_better
            payloads = [payload for each in samples for payload in each.payloads]

            def compute(predictor: Predictor, each: Labelled, table: PredictionsFile | None) -> Scores:
                if tiling is not None:
                    return score_in_tiles(predictor, each, tiling, predictions=table, on_progress=on_progress)
                return score(predictor, each, predictions=table, on_progress=on_progress)

            with (
                open_predictions(predictions, task) if predictions else nullcontext() as table,
                predictor_in(artefact, engine, payloads, lost.append, count=len(payloads)) as (predictor, taken),
            ):
                keys = keys_in(taken) if data is None else {}
                scored = {
                    each.split: score_once(
                        partial(compute, predictor, each),
                        task,
                        (cache, keys[each.split], lost.append) if each.split in keys else None,
                        predictions=table,
                    )
                    for each in samples
                }
        document = {
            "run": str(self.path),
            "backend": choice.name,
            "data": data or self.recipe.data,
            "samples": {each.split: len(each.keys) for each in samples},
            "primary_metric": primary_metric,
            "higher_is_better": higher_is_better,
            **documents(scored),
            "warnings": [*lost, *(finding.message for finding in findings if finding.level == "warning")],
            "notes": [finding.message for finding in findings if finding.level == "note"],
        }
        return Evaluation(plain(document))

    def _asked_of_scores(self, sets: Sequence[str], data: str | None) -> Asked:
        """The settings by which samples are scored. Raises UsageError for those that say nothing about them."""
        asked = read_settings(sets, self.artefact.task_spec)
        if asked.data and data is None:
            raise UsageError(
                f"--set {asked.data[0]} says how other data is read, and none is named",
                hint="headstart evaluate RUN DATA",
            )
        if asked.options.lines:
            raise UsageError(
                "--set predict.lines: what is scored are the samples of a dataset, as that reads them",
                hint="leave it out",
            )
        return asked

    def beside(
        self,
        other: Run,
        data: str | None = None,
        *,
        split: str = "test",
        backend: str | None = None,
        engine: str = AUTO,
        sets: Sequence[str] = (),
        on_progress: OnProgress | None = None,
    ) -> Evaluation:
        """What this run scores above the `other` on the same samples: those of a split of its own, or every labelled
        row of other `data`. `differences` has of each metric both values, their difference, its 95 % interval over
        1,000 resamples of the samples, drawn for both alike, and a p-value; see `headstart.runs.beside`.

        Raises UsageError where the two learned different tasks, where the task does not say how its scores vary from
        sample to sample, and for tiles; DataError where they do not read the same samples of other data.
        """
        asked = self._asked_of_scores(sets, data)
        if asked.options.tiling is not None:
            raise UsageError("--set predict.tile: two runs are compared without tiles", hint="leave it out")
        names = [each.artefact.task_spec.name for each in (self, other)]
        if names[0] != names[1]:
            raise UsageError(
                f"{self.path} learned {names[0]} and {other.path} {names[1]}: they share no metric",
                hint="name two runs of one task",
            )
        if split == ALL:
            raise UsageError("two runs are compared on one split", hint=f"--split {' or '.join(SPLITS)}")
        choice = self._backend(backend)
        activate(choice)
        lost: list[str] = []
        if data is None:
            samples, findings = self.data.own(split, is_refitted=bool(self._result_if_sound.get("refit")))
            others = samples
            findings += tuple(other.data.learned_from(read_split(self.folder.split).only(split).rows))
        else:
            (samples, findings), (others, more) = (each.data.other(data, asked.data) for each in (self, other))
            findings = tuple(dict.fromkeys((*findings, *more)))
        found = []
        if samples[0].keys != others[0].keys:
            alone = sorted({*samples[0].keys} ^ {*others[0].keys})
            raise DataError(
                f"{self.path} reads {len(samples[0].keys)} samples of {data}, and {other.path} {len(others[0].keys)}: "
                f"one of them alone reads {in_line(alone)}",
                hint="leave these out: two runs are compared on the same samples",
            )
        for run, (each,) in ((self, samples), (other, others)):
            artefact, count = run._asked(asked), len(each.payloads)
            with predictor_in(artefact, engine, each.payloads, lost.append, count=count) as (predictor, _):
                try:
                    found.append(scores_over(predictor, each, on_progress=on_progress))
                except DataError as exc:  # such as a class that one of them alone knows
                    raise DataError(f"{run.path}: {exc.message}", hint=exc.hint) from exc
        task = self.artefact.task
        document = {
            "run": str(self.path),
            "against": str(other.path),
            "backend": choice.name,
            "data": data or self.recipe.data,
            "samples": {each.split: len(each.keys) for each in samples},
            "primary_metric": task.primary_metric,
            "higher_is_better": task.higher_is_better,
            "differences": as_documents(differences(*found)),
            "warnings": [*lost, *(finding.message for finding in findings if finding.level == "warning")],
            "notes": [finding.message for finding in findings if finding.level == "note"],
        }
        return Evaluation(plain(document))

    def _kept_as(
        self, samples: Sequence[Labelled], backend: str, asked: Mapping[str, Any]
    ) -> Callable[[EngineSpec | None], Mapping[str, Mapping[str, Any]]]:
        """By split, what scores of the run's own samples are found by, in an engine or, for None, of stock layers; the
        contents of the samples were compared with split.csv."""
        written = read_split(self.folder.split)
        return kept_scores.keys_in(
            self.artefact.manifest["files"],
            {each.split: written.only(each.split).rows for each in samples},
            by=kept_scores.made_by(self.registry, backend, available_threads()),
            asked={name: str(value) for name, value in asked.items() if value is not None},
        )

    @contextmanager
    def told_progress(self, activity: str, unit: str, *, interactive: bool) -> Iterator[OnProgress]:
        """Whom to tell how far work with this run went, such as `answers`: the console reporter, on stderr.

        `interactive` where that is a terminal. What takes no time is not told.
        """
        with told_progress(self._view, self.registry, activity, unit, interactive=interactive) as told:
            yield told

    @property
    def _view(self) -> SampleView:
        """What reporters may see of it."""
        return SampleView(self.path, lambda: (self.data.open_records(), self.artefact.kind))

    def report(
        self, reporters: Sequence[str] | None = None, *, sets: Sequence[str] = (), interactive: bool = False
    ) -> list[str]:
        """Draw the reports again from the folder; returns a message for each reporter that raised.

        `sets` are options of reporters, above the run's own: `reporter.html.mistakes=30`. Raises UsageError for others.
        """
        specs = [self.registry.get("reporters", name) for name in reporters or self.recipe.reporters or ()]
        resolved = self._reporting(specs, sets) if sets else self.data.resolved
        opened, _ = open_reporters(specs, resolved, self.registry, interactive=interactive, live=False)
        return replay(opened, self._view)

    def _reporting(self, specs: Sequence[ReporterSpec], sets: Sequence[str]) -> ResolvedRecipe:
        """The recipe with these reporters too, and these options of theirs."""
        for each in sets:
            if not each.startswith("reporter."):
                raise UsageError(
                    f"--set {each}: a report takes settings of reporters alone",
                    hint="such as reporter.html.mistakes=30",
                )
        stated = self.data.as_built(build_recipe(flags={}, file=self.folder.recipe, sets=sets))
        own = {self.registry.get("reporters", name).name: name for name in stated.reporters or ()}
        added = [spec.name for spec in specs if spec.name not in own]
        return resolve_recipe(dataclasses.replace(stated, reporters=(*own.values(), *added)), self.registry)


def _as_finding(tell: Callable[[Finding], None] | None) -> Callable[[str], None]:
    """Whom to warn: who hears of findings."""
    return lambda message: None if tell is None else tell(Finding("warning", message))
