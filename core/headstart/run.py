"""A finished run, opened from its folder: evaluate, predict, and draw its reports again."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.artefact import Artefact
from headstart.errors import DataError, UsageError
from headstart.recipe import Recipe, build_recipe
from headstart.registry import Registry, load_registry
from headstart.runs.folder import RunFolder

if TYPE_CHECKING:
    from headstart.data.split_file import SplitRow
    from headstart.recipes.resolve import ResolvedRecipe
    from headstart.runs.evaluation import Labelled, Scored
    from headstart.specs import Records

ALL = "all"
SPLITS = ("train", "val", "test")
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """Scores of one evaluation: `document` is what `evaluate --json` prints."""

    document: Mapping[str, Any]
    scored: Sequence[Scored]
    artefact: Artefact

    def write_predictions(self, path: Path) -> None:
        """Write key, split, target and the task's columns of every scored sample."""
        from headstart.runs.evaluation import write_predictions

        write_predictions(path, self.artefact.task, self.scored)


@dataclass(frozen=True)
class Run:
    """A run folder with a finished artefact."""

    path: Path
    registry: Registry

    @classmethod
    def load(cls, path: str | Path, *, registry: Registry | None = None) -> Run:
        """Open a run. Raises UsageError where `path` is not the folder of a finished run."""
        folder = RunFolder(Path(path))
        if not folder.path.exists():
            raise UsageError(f"no such run: {path}", hint="`headstart fit DATA` makes one below runs/")
        if not (folder.artefact.is_dir() and folder.recipe.is_file() and folder.result.is_file()):
            known = folder.recipe.is_file() or folder.events.is_file()
            hint = "it did not finish; see its events.jsonl" if known else "expected a folder that `headstart fit` made"
            raise UsageError(f"{path} is not a finished run", hint=hint)
        return cls(folder.path, registry or load_registry())

    @property
    def folder(self) -> RunFolder:
        """The names of its files."""
        return RunFolder(self.path)

    @cached_property
    def result(self) -> Mapping[str, Any]:
        """What result.json holds."""
        document: Mapping[str, Any] = json.loads(self.folder.result.read_text(encoding="utf-8"))
        return document

    @cached_property
    def artefact(self) -> Artefact:
        """The verified artefact."""
        return Artefact.load(self.folder.artefact, registry=self.registry)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as it ran."""
        return build_recipe(flags={}, file=self.folder.recipe, sets=())

    @cached_property
    def resolved(self) -> ResolvedRecipe:
        """The recipe with its specs looked up again; the weights, and the preset, it started from may be gone."""
        from headstart.recipes.resolve import resolve_recipe

        return resolve_recipe(self._from_the_artefact(self.recipe), self.registry)

    def _from_the_artefact(self, recipe: Recipe) -> Recipe:
        """`recipe` with the backbone as the artefact is built: by a registered name, without weights or a path.

        Reporters that are not installed here are left out: answers do not need them.
        """
        known = {name for spec in self.registry.specs("reporters") for name in (spec.name, spec.short_name)}
        gone = {f"reporter.{name}" for name in recipe.reporters or () if name not in known}
        gone |= {f"reporter.{name.rpartition('/')[2]}" for name in gone}
        options = {table: values for table, values in recipe.options.items() if table not in gone}
        return dataclasses.replace(
            recipe,
            weights="none",
            engine="auto",
            backbone=self.artefact.blueprint.backbone.name,
            reporters=tuple(name for name in recipe.reporters or () if name in known),
            options={**options, "backbone": self.recipe.table("backbone")},
        )

    def use_backend(self, backend: str | None) -> str:
        """Choose and set the backend: the argument, the variable, the run's own, or the first installed."""
        from headstart.backend import activate, choose_backend, installed_backends

        own = self.recipe.backend if self.recipe.backend in installed_backends() else None
        choice = choose_backend(backend, own)
        activate(choice)
        return choice.name

    def predict(self, inputs: Sequence[Any], *, top_k: int = 1, backend: str | None = None) -> list[dict[str, Any]]:
        """Answer files, folders, bytes or arrays: one mapping each with `input` and the task's columns.

        Folders are searched for files of the run's input kind. Raises UsageError for a path that is not there and
        DataError naming a file that cannot be read.
        """
        self.use_backend(backend)
        found = [raw for each in inputs for raw in self._expand(each)]
        answers = self.artefact.predict(found, top_k=top_k)
        names = [_name_of(raw, number) for number, raw in enumerate(found)]
        return [{"input": name, **answer} for name, answer in zip(names, answers, strict=True)]

    def _expand(self, raw: Any) -> list[Any]:
        if not isinstance(raw, str | Path):
            return [raw]
        path = Path(raw)
        if not path.exists():
            raise UsageError(f"no such file or folder: {raw}")
        found: list[Any] = list(self.artefact.kind.find(path))
        if not found:
            raise DataError(f"{raw} holds nothing that this run's input kind reads")
        return found

    def evaluate(
        self,
        data: str | None = None,
        *,
        split: str = "test",
        backend: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Evaluation:
        """Score one split of the run's own data (or `all` of them), or every row of other `data` under `test`."""
        from headstart.runs.evaluation import measure, plain, score

        name = self.use_backend(backend)
        samples = self._own(split) if data is None else self._other(data)
        predictor = self.artefact.predictor
        scored = [score(predictor, each, on_progress) for each in samples]
        measured = measure(self.artefact.task, scored)
        document = {
            "run": str(self.path),
            "backend": name,
            "data": data or self.recipe.data,
            "samples": {each.split: len(each.keys) for each in scored},
            "primary_metric": self.artefact.task.primary_metric,
            "higher_is_better": self.artefact.task.higher_is_better,
            **measured,
        }
        return Evaluation(plain(document), scored, self.artefact)

    def _own(self, split: str) -> list[Labelled]:
        """The run's own samples, read again, each checked against the hash that split.csv keeps."""
        from headstart.data.split_file import read_split
        from headstart.runs.evaluation import Labelled

        if split not in (*SPLITS, ALL):
            raise UsageError(f"unknown split {split!r}", hint=f"expected one of {', '.join((*SPLITS, ALL))}")
        written = read_split(self.folder.split)
        payloads = {record.key: record.payload for record in self.open_records().items}
        samples = []
        for each in SPLITS if split == ALL else (split,):
            rows = written.only(each).rows
            for row in rows:
                _verify_unchanged(row, payloads)
            keys = tuple(row.key for row in rows)
            samples.append(
                Labelled(each, keys, tuple(payloads[key] for key in keys), tuple(row.target for row in rows))
            )
        return samples

    def open_records(self) -> Records:
        """The run's own dataset, opened again."""
        from headstart.runs.planning import open_records

        return open_records(self.resolved, self.registry)

    def _other(self, data: str) -> list[Labelled]:
        """Every labelled row of other data, under `test`."""
        from headstart.data.prepared import prepare_unsplit
        from headstart.recipes.resolve import resolve_recipe
        from headstart.runs.evaluation import Labelled
        from headstart.runs.planning import open_records

        other = build_recipe(flags={"data": data}, file=None, sets=())
        resolved = resolve_recipe(self._from_the_artefact(other), self.registry)
        if resolved.dataset == self.resolved.dataset:  # read as the run read its own: nested classes, columns, ...
            options = {**resolved.options, "dataset": self.resolved.options["dataset"]}
            resolved = dataclasses.replace(resolved, options=options)
        records = open_records(resolved, self.registry)
        if not records.items or any(record.target is None for record in records.items):
            raise DataError(
                f"{data} has samples without labels, so there is nothing to score them against",
                hint="`headstart predict RUN INPUT...` answers samples without labels",
            )
        payloads = {record.key: record.payload for record in records.items}
        with tempfile.TemporaryDirectory() as scratch:
            form = self.artefact.task_spec.targets
            checked = prepare_unsplit(records, self.artefact.kind, form=form, scratch=Path(scratch))
        return [Labelled("test", checked.keys, tuple(payloads[key] for key in checked.keys), checked.targets)]

    def report(self, reporters: Sequence[str] | None = None, *, interactive: bool = False) -> list[str]:
        """Draw the reports again from the folder; returns a message for each reporter that raised."""
        from headstart.runs.reporting import SampleView, open_reporters, replay

        specs = [self.registry.get("reporters", name) for name in reporters or self.recipe.reporters or ()]
        opened = open_reporters(specs, self.resolved, self.registry, interactive=interactive, live=False)
        return replay(opened, SampleView(self.path, self._samples))

    def _samples(self) -> tuple[dict[str, Any], Any]:
        payloads = {record.key: record.payload for record in self.open_records().items}
        return payloads, self.artefact.kind


def _name_of(raw: Any, number: int) -> str:
    """A path as it is; bytes and arrays by their position, for their contents are no name."""
    return str(raw) if isinstance(raw, str | Path) else f"{type(raw).__name__} {number}"


def _verify_unchanged(row: SplitRow, payloads: Mapping[str, Any]) -> None:
    from headstart.data.hashing import content_hash

    if row.key not in payloads:
        raise DataError(f"{row.key} was in the run's data and is not there any more")
    if content_hash(payloads[row.key], row.key) != row.content_hash:
        raise DataError(
            f"{row.key} has changed since the run was made",
            hint="restore it, or score the new data with `headstart evaluate RUN DATA`",
        )
