"""The ranking as a story: sources are found, their features computed once each, asked by every score, put in order.

Records of train and val are looked at, those of test never. What is computed is kept: the samples as they were
prepared, the features, which a run on the same backbone trains its head on, and the scores; so a ranking that was
stopped goes on, and a second one starts no framework.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.cache import open_cache
from headstart.data.array_store import ArrayStore
from headstart.engine.features.export import Exporters
from headstart.errors import DataError, HeadstartError, InterruptedRunError, MissingWeightsError, UsageError
from headstart.recipe import Recipe
from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import Ready, make_ready
from headstart.registry import Registry, load_registry
from headstart.runs.fitting import explained_backend_errors
from headstart.runs.leaks import met_before
from headstart.runs.planning import Groundwork, Plan, encoded, lay_ground, open_records, plan_on
from headstart.shown import Shown
from headstart.specs import Baseline, Finding, ScoreSpec, TellsTargets
from headstart.transfer.ranking.candidates import Absent, Candidate, candidates_here, distinct, named_candidate
from headstart.transfer.ranking.kept import KIND, key_of, known_facts, row_of, writing
from headstart.transfer.ranking.recommending import deciding, in_order, recommend
from headstart.transfer.ranking.rows import Row
from headstart.transfer.ranking.scoring import measure_all, observed_in_forms, sound
from headstart.weights.fetching import OTHER_WAYS

OnProgress = Callable[[str, str, int, int], None]
"""Called with (source, activity, done, total)."""


class NotRankable(UsageError):
    """The task says nothing that a score could measure."""


@dataclass(frozen=True)
class Stated:
    """What a user said of a ranking: `flags` by name with underscores, a recipe's `file`, and `sets`."""

    flags: Mapping[str, Any]
    file: Path | None = None
    sets: Sequence[str] = ()

    def recipe(self, source: Candidate | None = None, **flags: Any) -> Recipe:
        """The recipe of a run on all that was said, with further `flags`; from a source where one is given."""
        of_source = {} if source is None else {"backbone": source.backbone, "weights": source.weights_flag}
        return build_recipe(flags={**self.flags, **of_source, **flags}, file=self.file, sets=self.sets)


@dataclass(frozen=True, repr=False)
class Ranking(Shown):
    """Sources in order, the best first; `by` is the score that put them so, `specs` are all. `sure` is the chance, from
    a half to one, that the recommended one is better than the next in other records of the same kind; None where there
    is no next."""

    data: str
    backend: str
    task: str
    by: ScoreSpec
    specs: tuple[ScoreSpec, ...]
    rows: tuple[Row, ...]
    absent: tuple[Absent, ...]
    samples: Mapping[str, int]
    recommended: Row | None
    reason: str
    sure: float | None
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0

    def facts(self) -> Mapping[str, Any]:
        """See `Shown`."""
        best = None if self.recommended is None else self.recommended.candidate.name
        return {"data": self.data, "sources": len(self.rows), "by": self.by.short_name, "recommended": best}

    @property
    def baselines(self) -> dict[str, Baseline]:
        """By score, what answers that look at no feature get, where the score tells."""
        each = ((name, found.baseline) for row in self.rows for name, found in row.scores.items())
        return {name: baseline for name, baseline in each if baseline is not None}

    def document(self) -> dict[str, Any]:
        """What `headstart rank --json` prints."""
        return {
            "data": self.data,
            "backend": self.backend,
            "task": self.task,
            "by": self.by.short_name,
            "samples": dict(self.samples),
            "rows": [row.document() for row in self.rows],
            "baselines": {name: dataclasses.asdict(each) for name, each in self.baselines.items()},
            "not_here": [dataclasses.asdict(each) for each in self.absent],
            "recommended": None if self.recommended is None else self.recommended.candidate.name,
            "reason": self.reason,
            "sure": self.sure,
            "seconds": self.seconds,
            "warnings": [finding.message for finding in self.findings if finding.level == "warning"],
            "notes": [finding.message for finding in self.findings if finding.level == "note"],
        }


def rank(
    data: str | Path | None = None,
    *,
    recipe: str | Path | None = None,
    backbone: Sequence[str] = (),
    by: str | None = None,
    sets: Sequence[str] = (),
    registry: Registry | None = None,
    on_row: Callable[[Row], None] = lambda row: None,
    on_progress: OnProgress = lambda source, activity, done, total: None,
    **settings: Any,
) -> Ranking:
    """Put sources in order for `data`, or the data of a `recipe`: those named as `backbone`, or all whose weights lie
    here and whose input kind reads it, finished runs below runs/ among them.

    `settings` are those of `headstart rank` with underscores (`limit=`, `backend=`, ...), `sets` its `--set`; `by` is
    the score that decides. `on_row` hears of each source as soon as it is done. Raises UsageError where there is none
    or the task cannot be scored, InterruptedRunError after SIGINT, and the errors of a run on the first source where it
    is the data's fault."""
    started = time.monotonic()
    registry = registry or load_registry()
    decides = deciding(registry, by)
    flags = {**settings, "data": str(data) if data is not None else None}
    stated = Stated(flags, Path(recipe) if recipe is not None else None, tuple(sets))
    ready = make_ready(stated.recipe(), registry)
    sources, absent = _sources((backbone,) if isinstance(backbone, str) else backbone, ready)
    rows: list[Row] = []
    first: Groundwork | None = None
    problem: HeadstartError | None = None
    said: dict[str, Finding] = {}
    with explained_backend_errors(), Exporters(registry, kept=True) as exporters:
        for source in sources:
            try:
                row, ground = _ranked(source, stated, registry, exporters, _Told(source.name, on_progress))
            except KeyboardInterrupt as exc:
                kept = f"stopped at {source.name}; what was computed is kept"
                raise InterruptedRunError(kept, hint="the same command goes on from there") from exc
            except HeadstartError as error:
                if isinstance(error, MissingWeightsError) and error.hint:  # there is no --weights here
                    random = f"rank it from random ones as --backbone {source.spec.name}:none"
                    error.hint = error.hint.replace(OTHER_WAYS, random)
                if first is None and isinstance(error, DataError | NotRankable):
                    raise  # of the data or its task, which are the same for all
                problem = problem or error
                row = Row(source, problem=error.message + (f" ({error.hint})" if error.hint else ""))
            else:
                first = first or ground
                said |= {finding.message: finding for finding in (*ground.data.findings, *ground.told)}
            rows.append(row)
            on_row(row)
    if first is None:
        raise problem or AssertionError("sources without a problem have read the data")
    ordered = in_order(rows, decides)
    best, reason, sure = recommend(ordered, decides)
    return Ranking(
        data=str(ready.resolved.stated.data),
        backend=ready.choice.name,
        task=first.resolved.task.short_name,
        by=decides,
        specs=registry.specs("scores"),
        rows=ordered,
        absent=absent,
        samples=first.data.split.counts,
        recommended=best,
        reason=reason,
        sure=sure,
        findings=tuple(said.values()),
        seconds=time.monotonic() - started,
    )


def _sources(named: Sequence[str], ready: Ready) -> tuple[tuple[Candidate, ...], tuple[Absent, ...]]:
    """The sources to rank, those that are named or all that are here, and those that are not. Raises UsageError where
    there is none."""
    resolved, registry = ready.resolved, ready.registry
    if named:
        return distinct([named_candidate(ref, registry) for ref in named]), ()
    medium = open_records(resolved, registry).medium or resolved.dataset.medium
    if medium is None:
        raise UsageError(
            f"{resolved.recipe.data} does not say what its samples are, so nothing is known to read them",
            hint="name sources with --backbone",
        )
    found, absent = candidates_here(registry, medium, backend=ready.choice.name)
    if not found:
        ways = [each.get for each in absent if each.get]
        hint = f"such as `{ways[0]}`" if ways else "name one with --backbone, or install a plugin that brings some"
        raise UsageError(f"no weights are on this machine that fit {resolved.recipe.data}", hint=hint)
    return distinct(found), tuple(absent)


@dataclass(frozen=True)
class _Told:
    """Whom to tell how far a source is."""

    source: str
    on_progress: OnProgress

    def as_it_goes(self, activity: str, before: int = 0, whole: int | None = None) -> Callable[[int, int], None]:
        """What hears (done, total) of an activity, or of a part of it after `before` of `whole`."""
        return lambda done, total: self.on_progress(self.source, activity, before + done, whole or total)


def _ranked(
    source: Candidate, stated: Stated, registry: Registry, exporters: Exporters, told: _Told
) -> tuple[Row, Groundwork]:
    """One source: from the cache where it was scored before, else its features are computed, once, and asked."""
    started = time.monotonic()
    ready = make_ready(stated.recipe(source), registry)
    cache = open_cache()
    with tempfile.TemporaryDirectory(prefix="headstart-rank-") as folder:
        scratch = Path(folder)
        ground = lay_ground(ready, scratch, on_progress=told.as_it_goes("reading"))
        if not isinstance(ground.task, TellsTargets):
            spec = ground.resolved.task
            hint = "`headstart compare` measures them by training"
            if spec.comes_trained:
                hint = "`headstart fit` each, and `headstart evaluate` them on one test set"
            raise NotRankable(
                f"backbones cannot be ranked for the task {spec.short_name}: it does not say what a score could "
                "measure",
                hint=hint,
            )
        rows = np.concatenate([ground.data.firsts(side) for side in ("train", "val")])
        targets = encoded(ground.task, ground.target_kind, ground.data, rows, scratch)
        forms = {form: sound(values) for form, values in ground.task.forms(targets).items()}
        owners = ground.data.owners[rows]
        met = _met(source, ground, owners)
        key = key_of(source, ground, ready, forms, owners)
        if known := known_facts(key):
            row = dataclasses.replace(row_of(source, known), met=met, seconds=time.monotonic() - started)
            return row, ground
        plan = plan_on(ground, ready, scratch)
        features, answers, rate, engine = _computed(plan, owners, exporters, told)
        observed = observed_in_forms(features, forms, _groups(ground, owners), answers)
        scores, refused = measure_all(observed, registry)
        row = Row(source, features.shape[1], rate, engine, scores, refused)
        try:
            cache.add(KIND, key, writing(row), {"backbone": source.name, "records": len(owners)})
        except HeadstartError as exc:
            if type(exc) is not HeadstartError:  # the disk's fault alone costs no more than time
                raise
    return dataclasses.replace(row, met=met, seconds=time.monotonic() - started), ground


def _met(source: Candidate, ground: Groundwork, owners: np.ndarray) -> int:
    """How many of the records a run, or one that it started from, was trained or chosen on."""
    if source.run is None:
        return 0
    rows = [ground.data.split.rows[owner] for owner in owners]
    return max((known for _, known in met_before(rows, source.run)), default=0)


def _computed(
    plan: Plan, owners: np.ndarray, exporters: Exporters, told: _Told
) -> tuple[np.ndarray, np.ndarray | None, float | None, str]:
    """What the source makes of the records `owners` (record, channel) float32, what its own head answers (record,
    answer) or None, samples a second, and the engine."""
    from headstart.engine.features.extract import features_of, flattened, plain_rows
    from headstart.runs.execution import load_weights, open_extractor
    from headstart.runs.own_head import answers_of_own_head

    def ignore(message: str) -> None:
        """What is odd about the cache, a run says."""

    sides = [plan.data.indices(side) for side in ("train", "val")]
    resolved = plan.resolved
    exporters.foresee(resolved.backbone, resolved.engine, sum(map(len, sides)))
    load_weights(plan)
    extractor = open_extractor(plan, exporters, ignore)
    opened = extractor.open(len(plan.network.stages) - 1)
    store = ArrayStore(extractor.place.cache, plan.scratch, ignore)
    parts, heads, total = [], [], sum(map(len, sides))
    for place, side in enumerate(sides):
        before = sum(map(len, sides[:place]))
        tell = told.as_it_goes("features", before, total)
        arrays = features_of(opened, plain_rows(plan.data, side), store, tell)
        parts.append(_a_record(flattened(arrays, plan.network.features), plan.data.owners[side]))
        heads.append(answers_of_own_head(plan, arrays, plan.data.owners[side]))
    decided = extractor.decided
    short = decided.engine.rpartition("/")[2]
    measured = decided.measured.get(f"{short} {decided.precision}")
    answers = np.concatenate([each for each in heads if each is not None]) if heads[0] is not None else None
    return np.concatenate(parts), answers, None if measured is None else measured.rate, short


def _a_record(rows: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """The mean of each record's rows, in their order; as they are where each has one."""
    firsts = np.unique(owners, return_index=True)[1]
    if len(firsts) == len(owners):
        return np.asarray(rows)
    counts = np.diff(np.append(firsts, len(owners)))[:, None]
    return np.asarray(np.add.reduceat(rows.astype(np.float64), firsts) / counts, np.float32)


def _groups(ground: Groundwork, owners: np.ndarray) -> np.ndarray:
    """A number for each record (record,), equal for those of one group, and for copies."""
    rows = ground.data.split.rows
    names = [rows[owner].group or rows[owner].content_hash for owner in owners]
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)
