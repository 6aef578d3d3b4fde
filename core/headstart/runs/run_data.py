"""The data that a finished run is asked about: its own samples again, and other data read as it reads."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from headstart.artefact import Artefact
from headstart.data.made import made_folder
from headstart.data.split_file import SPLITS, SplitRow, read_split
from headstart.data.targets import build_target_kind, other_kind
from headstart.errors import DataError, UsageError
from headstart.recipe import Recipe
from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import ResolvedRecipe, resolve_recipe
from headstart.registry import Registry
from headstart.runs.evaluation import Labelled
from headstart.runs.folder import RunFolder
from headstart.runs.leaks import met_before
from headstart.specs import AUTO, PRETRAINED, DatasetRequest, Finding, Record, Records, TargetKind

ALL = "all"


@dataclass(frozen=True)
class RunData:
    """What the run in the folder `path` reads, by its `recipe` as it ran and its `artefact`."""

    path: Path
    registry: Registry
    recipe: Recipe
    artefact: Artefact

    @cached_property
    def resolved(self) -> ResolvedRecipe:
        """The recipe with its specs looked up again; the weights, and the preset, it started from may be gone."""
        return resolve_recipe(self.as_built(self.recipe), self.registry, trains=False)

    def as_built(self, recipe: Recipe) -> Recipe:
        """`recipe` with the network as the artefact is built: by a registered name, without weights, and so with a head
        of its own.

        Reporters that are not installed here are left out: answers do not need them.
        """
        known = {name for spec in self.registry.specs("reporters") for name in (spec.name, spec.short_name)}
        gone = {f"reporter.{name}" for name in recipe.reporters or () if name not in known}
        gone |= {f"reporter.{name.rpartition('/')[2]}" for name in gone}
        options = {table: values for table, values in recipe.options.items() if table not in gone}
        return dataclasses.replace(
            recipe,
            weights="none",
            head=self.artefact.blueprint.head if recipe.head == PRETRAINED else recipe.head,
            head_from=None,
            engine=AUTO,
            backbone=self.artefact.blueprint.backbone.name,
            reporters=tuple(name for name in recipe.reporters or () if name in known),
            options={**options, "backbone": self.recipe.table("backbone")},
        )

    def open_records(self) -> Records:
        """The run's own dataset, opened again."""
        from headstart.runs.planning import open_records

        return open_records(self.resolved, self.registry)

    def records_of(self, path: Path, sets: Sequence[str]) -> Records | None:
        """What lies in a file or folder that a dataset opens, such as a table or an archive; None for any other.

        Raises DataError for what the run cannot answer.
        """
        try:
            opens = self.registry.resolve_dataset(str(path), self.registry.targets_of(self.artefact.task_spec.name))
        except UsageError:  # an input by itself
            return None
        if path.is_dir() and opens.spec.medium not in self.artefact.blueprint.input.reads:
            return None
        options = self._opening(str(path), sets).options["dataset"]
        request = DatasetRequest(str(path), options, labelled=False, made=made_folder(opens.spec, str(path)))
        records: Records = self.registry.load_target(opens.spec, opens.spec.build)(request)
        self._verify_medium(records, str(path))
        return records

    def _opening(self, data: str, sets: Sequence[str]) -> ResolvedRecipe:
        """How other data is opened: by the run's own settings where its dataset opens it, which columns and folders are
        read among them, and by `sets`."""
        stated = build_recipe(flags={"data": data}, file=None, sets=sets)
        task = self.artefact.task_spec.name
        resolved = resolve_recipe(self.as_built(stated), self.registry, trains=False, learns=task)
        if resolved.dataset != self.resolved.dataset:
            return resolved
        table = {**self.recipe.table("dataset"), **stated.table("dataset")}
        own = dataclasses.replace(stated, options={**stated.options, "dataset": table})
        return resolve_recipe(self.as_built(own), self.registry, trains=False, learns=task)

    def _verify_medium(self, records: Records, data: str) -> None:
        """Raise DataError where the run's input kind does not read what the records hold."""
        reads = self.artefact.blueprint.input.reads
        if records.medium not in reads:
            raise DataError(f"the records of {data} are {records.medium}; this run reads {', '.join(reads)}")

    def own(self, split: str, *, is_refitted: bool) -> tuple[list[Labelled], tuple[Finding, ...]]:
        """The run's own samples, read again, each checked against the hash that split.csv keeps; and what is to be said
        of figures on them, which differs where the run `is_refitted`: its head solved again on train and val."""
        if split not in (*SPLITS, ALL):
            raise UsageError(f"unknown split {split!r}", hint=f"expected one of {', '.join((*SPLITS, ALL))}")
        written = read_split(RunFolder(self.path).split)
        sides = [each for each in (SPLITS if split == ALL else (split,)) if written.counts[each]]
        if not sides:
            other = "other labelled data is scored by `headstart evaluate RUN DATA`"
            ways = f"the head has learned from val too; {other}" if is_refitted else f"--split val scores val; {other}"
            raise UsageError(f"{self.path} has no {split} side: split.test is 0, so no sample was held out", hint=ways)
        records = {record.key: record for record in self.open_records().items}
        samples = []
        for each in sides:
            rows = written.only(each).rows
            for row in rows:
                _verify_unchanged(row, records)
            keys = tuple(row.key for row in rows)
            targets = tuple(
                row.target if isinstance(records[row.key].target, str) else records[row.key].target for row in rows
            )
            payloads = tuple(records[key].payload for key in keys)
            samples.append(Labelled(each, keys, payloads, targets, self._targets))
        return samples, tuple(_flattering(sides, is_refitted=is_refitted, is_tested=bool(written.counts["test"])))

    @cached_property
    def _targets(self) -> TargetKind:
        """The kind of targets that the run's task learns."""
        return build_target_kind(self.registry, self.artefact.task_spec.targets)

    def other(self, data: str, sets: Sequence[str]) -> tuple[list[Labelled], tuple[Finding, ...]]:
        """Every labelled row of other data, under `test`, and what is to be said of it."""
        from headstart.data.array_store import ArrayStore
        from headstart.data.prepared import prepare_unsplit
        from headstart.runs.planning import open_records

        records = open_records(self._opening(data, sets), self.registry)
        self._verify_medium(records, data)
        if not records.items or any(record.target is None for record in records.items):
            raise DataError(
                f"{data} has samples without labels, so there is nothing to score them against",
                hint="`headstart predict RUN INPUT...` answers samples without labels",
            )
        wanted = self.registry.get("targets", self.artefact.task_spec.targets)
        if refused := other_kind(records, wanted, self.registry):
            means = self.registry.get("targets", str(records.targets)).means
            raise DataError(
                refused.message, hint=f"name data with {wanted.means} a sample, or a run whose task learns {means}"
            )
        payloads = {record.key: record.payload for record in records.items}
        with tempfile.TemporaryDirectory() as scratch:
            store = ArrayStore(scratch=Path(scratch))
            checked = prepare_unsplit(records, self.artefact.kind, self._targets, store=store)
        ordered = tuple(payloads[key] for key in checked.keys)
        findings = (*checked.findings, *self.learned_from(checked.split.rows))
        return [Labelled("test", checked.keys, ordered, checked.values, self._targets)], findings

    def learned_from(self, rows: Sequence[SplitRow]) -> Iterator[Finding]:
        """A warning where contents of other data are those of train or val of the run, or of one it started from."""
        for folder, known in met_before(rows, self.path):
            which = "the run" if folder.path == self.path else f"{folder.path}, which the run started from,"
            message = f"{known} of {len(rows)} samples are among those that {which} was trained or chosen on"
            yield Finding("warning", f"{message}: scores with them say little of new samples", known)


def _flattering(sides: Sequence[str], *, is_refitted: bool, is_tested: bool) -> Iterator[Finding]:
    """A warning of figures on val that say less than they seem to."""
    if "val" in sides and is_refitted:
        yield Finding(
            "warning", "the head was solved again on train and val: figures on val are of what it learned from"
        )
    elif "val" in sides and not is_tested:
        yield Finding("warning", "no sample was held out: split.test is 0; val chose, so its figures flatter")


def _verify_unchanged(row: SplitRow, records: Mapping[str, Record]) -> None:
    """Contents must be those of the run, and targets that are no text; of texts those of the run are taken."""
    from headstart.data.hashing import content_hash, written_target

    if row.key not in records:
        raise DataError(f"{row.key} was in the run's data and is not there any more")
    record = records[row.key]
    same_target = isinstance(record.target, str) or written_target(record.target, row.key) == row.target
    if not same_target or content_hash(record.payload, row.key) != row.content_hash:
        raise DataError(
            f"{row.key} has changed since the run was made",
            hint="restore it, or score the new data with `headstart evaluate RUN DATA`",
        )
