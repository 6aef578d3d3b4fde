"""Sources put in order for a task by what their features are worth: computed once each, asked by every score.

Records of train and val are looked at, those of test never. What is computed is kept: the samples as they were
prepared, the features, which a run on the same backbone trains its head on, and the scores; so a ranking that was
stopped goes on, and a second one starts no framework."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any, cast

import numpy as np
from threadpoolctl import threadpool_limits

from headstart.cache import open_cache
from headstart.data.array_store import ArrayStore
from headstart.documents import as_bytes
from headstart.engine.network.blueprint import describe
from headstart.environment import processor
from headstart.errors import DataError, HeadstartError, InterruptedRunError, UsageError
from headstart.host.discovery import installed_release, installed_version
from headstart.lineage import UNKNOWN
from headstart.lists import in_line
from headstart.recipe import Recipe
from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import Ready, make_ready
from headstart.registry import Registry, load_registry
from headstart.runs.fitting import explained_backend_errors
from headstart.runs.leaks import met_before
from headstart.runs.planning import Groundwork, Plan, encoded, lay_ground, open_records, plan_on
from headstart.shown import Shown
from headstart.specs import (
    Finding,
    Observed,
    Score,
    Scored,
    ScoreRequest,
    ScoreSpec,
    TellsTargets,
    features_of_head,
)
from headstart.threads import available_threads
from headstart.transfer.candidates import Absent, Candidate, candidates_here, distinct, named_candidate
from headstart.weights.source import find

RESAMPLES = 60
"""Of the bootstrap: the deviation of so many is known to a tenth."""
NORMAL_95 = NormalDist().inv_cdf(0.975)
SURE, LIKELY = 0.95, 0.8
"""From which chance on, of being better in other samples of the same kind, a source is called surely or likely
better."""
FASTER = 1.3
"""How many times as fast another source is that is worth a word where the two cannot be told apart."""
SMALL = 2**24
"""Numbers of features below which scores take one thread: several would wait for each other longer than they
compute."""
KIND, FACTS = "scores", "scores.json"
OnProgress = Callable[[str, str, int, int], None]
"""Called with (source, activity, done, total)."""


class NotRankable(UsageError):
    """The task says nothing that a score could measure."""


@dataclass(frozen=True)
class Found:
    """What one score says of one source: its value, its 95 % interval, and its resamples for comparisons in pairs."""

    value: float
    interval: tuple[float, float]
    resampled: tuple[float, ...] = ()


@dataclass(frozen=True)
class Row:
    """A source and what is known of it. `scores` are by short name; `refused` says of those that are not there why.

    `rate` is samples a second in `engine`, `met` how many of the records a run was trained or chosen on before.
    `problem` says why there are no scores at all.
    """

    candidate: Candidate
    channels: int = 0
    rate: float | None = None
    engine: str | None = None
    scores: Mapping[str, Found] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    met: int = 0
    seconds: float = 0.0
    problem: str | None = None

    def document(self) -> dict[str, Any]:
        """As plain values: each score with its interval, and its value by itself."""
        candidate, weights = self.candidate, self.candidate.weights
        return {
            "name": candidate.name,
            "backbone": candidate.spec.name,
            "weights": candidate.weights_flag,
            "trained_on": None if weights is None else weights.trained_on,
            "licence": candidate.spec.licence if weights is None else weights.licence,
            "source_accuracy": candidate.source_accuracy,
            "parameters": candidate.spec.parameters,
            "bytes": None if weights is None else weights.size,
            "channels": self.channels,
            "samples_per_second": self.rate,
            "engine": self.engine,
            "scores": {name: {"value": each.value, "ci95": list(each.interval)} for name, each in self.scores.items()},
            **{name: each.value for name, each in self.scores.items()},
            "refused": dict(self.refused),
            "met": self.met,
            "seconds": self.seconds,
            "problem": self.problem,
        }


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

    def document(self) -> dict[str, Any]:
        """What `headstart rank --json` prints."""
        return {
            "data": self.data,
            "backend": self.backend,
            "task": self.task,
            "by": self.by.short_name,
            "samples": dict(self.samples),
            "rows": [row.document() for row in self.rows],
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
    with explained_backend_errors():
        for source in sources:
            try:
                row, ground = _ranked(source, stated, registry, _Told(source.name, on_progress))
            except KeyboardInterrupt as exc:
                kept = f"stopped at {source.name}; what was computed is kept"
                raise InterruptedRunError(kept, hint="the same command goes on from there") from exc
            except HeadstartError as error:
                if first is None and isinstance(error, DataError | NotRankable):
                    raise  # of the data or its task, which are the same for all
                problem = problem or error
                row = Row(source, problem=error.message)
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


def deciding(registry: Registry, name: str | None) -> ScoreSpec:
    """The score that puts sources in order: the one called `name`, or the one that is marked. Raises UsageError."""
    if name is not None:
        spec: ScoreSpec = registry.get("scores", name)
        return spec
    marked = [spec for spec in registry.specs("scores") if spec.decides]
    if len(marked) != 1:
        names = in_line([spec.name for spec in marked]) or "none"
        raise UsageError(f"which score decides is not clear: {names} is marked", hint="name one with --by")
    (only,) = marked
    return cast("ScoreSpec", only)


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


@dataclass(frozen=True)
class _Told:
    """Whom to tell how far a source is."""

    source: str
    on_progress: OnProgress

    def as_it_goes(self, activity: str, before: int = 0, whole: int | None = None) -> Callable[[int, int], None]:
        """What hears (done, total) of an activity, or of a part of it after `before` of `whole`."""
        return lambda done, total: self.on_progress(self.source, activity, before + done, whole or total)


def _ranked(source: Candidate, stated: Stated, registry: Registry, told: _Told) -> tuple[Row, Groundwork]:
    """One source: from the cache where it was scored before, else its features are computed, once, and asked."""
    started = time.monotonic()
    ready = make_ready(stated.recipe(source), registry)
    cache = open_cache()
    with tempfile.TemporaryDirectory(prefix="headstart-rank-") as folder:
        scratch = Path(folder)
        ground = lay_ground(ready, scratch, on_progress=told.as_it_goes("reading"))
        if not isinstance(ground.task, TellsTargets):
            raise NotRankable(
                f"backbones cannot be ranked for the task {ground.resolved.task.short_name}: it does not say what a "
                "score could measure",
                hint="`headstart compare` measures them by training",
            )
        rows = np.concatenate([ground.data.firsts(side) for side in ("train", "val")])
        targets = encoded(ground.task, ground.target_kind, ground.data, rows, scratch)
        forms = {form: _sound(values) for form, values in ground.task.forms(targets).items()}
        owners = ground.data.owners[rows]
        met = _met(source, ground, owners)
        key = _key(source, ground, ready, forms, owners)
        if known := _known(key):
            row = dataclasses.replace(_read(source, known), met=met, seconds=time.monotonic() - started)
            return row, ground
        plan = plan_on(ground, ready, scratch)
        features, answers, rate, engine = _computed(plan, owners, registry, told)
        observed = _observed(features, forms, _groups(ground, owners), answers)
        # products of small matrices are fastest on one thread
        with threadpool_limits(1, user_api="blas") if features.size < SMALL else contextlib.nullcontext():
            scores, refused = measure_all(observed, registry)
        row = Row(source, features.shape[1], rate, engine, scores, refused)
        try:
            cache.add(KIND, key, _writing(row), {"backbone": source.name, "records": len(owners)})
        except HeadstartError as exc:
            if type(exc) is not HeadstartError:  # the disk's fault alone costs no more than time
                raise
    return dataclasses.replace(row, met=met, seconds=time.monotonic() - started), ground


def _computed(
    plan: Plan, owners: np.ndarray, registry: Registry, told: _Told
) -> tuple[np.ndarray, np.ndarray | None, float | None, str]:
    """What the source makes of the records `owners` (record, channel) float32, what its own head answers (record,
    answer) or None, samples a second, and the engine."""
    from headstart.engine.features.export import Exporters
    from headstart.engine.features.extract import features_of, flattened, plain_rows
    from headstart.runs.execution import load_weights, open_extractor
    from headstart.runs.own_head import answers_of_own_head

    def ignore(message: str) -> None:
        """What is odd about the cache, a run says."""

    with Exporters(registry) as exporters:
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


def _sound(values: np.ndarray) -> np.ndarray:
    """Classes renumbered so that each has a record, or the columns of numbers that vary."""
    if np.issubdtype(values.dtype, np.integer):
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    return values[:, np.ptp(values, axis=0) > 0.0]


def _groups(ground: Groundwork, owners: np.ndarray) -> np.ndarray:
    """A number for each record (record,), equal for those of one group, and for copies."""
    rows = ground.data.split.rows
    names = [rows[owner].group or rows[owner].content_hash for owner in owners]
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _observed(
    features: np.ndarray, forms: Mapping[str, np.ndarray], groups: np.ndarray, answers: np.ndarray | None
) -> dict[str, Observed]:
    """What scores are asked about, by the form of its targets; resamples weigh the records of a group alike."""
    by_group = np.random.default_rng(0).standard_exponential((RESAMPLES, int(groups.max()) + 1))
    weights = by_group[:, groups]
    weights *= len(groups) / weights.sum(axis=1, keepdims=True)
    first: Observed | None = None
    found = {}
    for form, targets in forms.items():
        if first is None:
            found[form] = first = Observed(features, form, targets, groups, weights, answers)
        else:
            found[form] = dataclasses.replace(first, form=form, targets=targets)
    return found


def measure_all(observed: Mapping[str, Observed], registry: Registry) -> tuple[dict[str, Found], dict[str, str]]:
    """What every score says, by short name, and of those that say nothing why. Raises PluginError where one gives what
    is no number."""
    found: dict[str, Found] = {}
    refused: dict[str, str] = {}
    for spec in registry.specs("scores"):
        form = next((each for each in spec.reads if each in observed), None)
        if form is None:
            refused[spec.short_name] = f"it is defined on {' or '.join(spec.reads)}; the task has {', '.join(observed)}"
            continue
        if spec.asks_head and observed[form].answers is None:
            refused[spec.short_name] = "the source's own head is not at hand"
            continue
        score: Score = registry.load_target(spec, spec.build)(ScoreRequest(spec.options()))
        try:
            scored = score.measure(observed[form])
        except DataError as error:
            refused[spec.short_name] = error.message
            continue
        found[spec.short_name] = _with_interval(scored, spec, registry)
    return found, refused


def _with_interval(scored: Scored, spec: ScoreSpec, registry: Registry) -> Found:
    """The value, and what it would be in 95 of 100 sets of records, by the deviation of the resamples: what these are
    shifted by comes of records that weigh more than once."""
    resampled = np.asarray(scored.resampled, np.float64)
    if not (math.isfinite(scored.value) and np.isfinite(resampled).all()):
        raise registry.failure(spec, f"gave {scored.value} for finite features")
    half = NORMAL_95 * float(resampled.std(ddof=1))
    low, high = scored.value - half, scored.value + half
    low = low if spec.low is None else max(low, spec.low)
    high = high if spec.high is None else min(high, spec.high)
    return Found(float(scored.value), (low, high), tuple(resampled.tolist()))


def in_order(rows: Sequence[Row], by: ScoreSpec) -> tuple[Row, ...]:
    """The highest score first, of equal ones the faster; then what has none, in its order."""
    scored = [row for row in rows if by.short_name in row.scores]
    others = [row for row in rows if by.short_name not in row.scores]
    return (*sorted(scored, key=lambda row: (-row.scores[by.short_name].value, -(row.rate or 0.0))), *others)


def recommend(rows: Sequence[Row], by: ScoreSpec) -> tuple[Row | None, str, float | None]:
    """Of rows in order, the source to take, why, and how sure that is; None where no source can be recommended.

    A run that was trained on some of the records is passed over: it knows their answers.
    """
    name = by.short_name
    scored = [row for row in rows if name in row.scores]
    fresh = [row for row in scored if not row.met]
    if not scored:
        reasons = dict.fromkeys(row.problem or row.refused.get(name, "") for row in rows)
        return None, f"{by.name} says nothing of any source: {in_line([each for each in reasons if each])}", None
    if not fresh:
        return None, "every source is a run that was trained or chosen on some of these records", None
    best, *others = fresh
    low, high = best.scores[name].interval
    said = f"{best.candidate.name} has the highest {name}, {best.scores[name].value:.3f} ({low:.3f} to {high:.3f})"
    if known := [row.candidate.name for row in scored if row.met]:
        said += f"; {in_line(known)} met some of these records before and is passed over"
    if not others:
        return best, f"{said}; there is no other to compare it with", None
    second = others[0]
    sure = chance(best.scores[name], second.scores[name])
    gap = best.scores[name].value - second.scores[name].value
    word = "surely" if sure >= SURE else "likely" if sure >= LIKELY else "perhaps"
    said += f"; {word} better than {second.candidate.name} ({gap:+.3f}, chance {sure:.0%})"
    equal = [row for row in others if chance(best.scores[name], row.scores[name]) < SURE]
    fast = max((row for row in equal if row.rate), key=lambda row: row.rate or 0.0, default=None)
    if fast is not None and best.rate and fast.rate and fast.rate >= FASTER * best.rate:
        said += (
            f"; {fast.candidate.name} cannot be told from it and computes {fast.rate / best.rate:.1f} times as many "
            "samples a second"
        )
    for other, spoken in _other_favourites(fresh, best, name):
        said += f"; {spoken} would take {other}"
    return best, said, sure


def _other_favourites(rows: Sequence[Row], best: Row, by: str) -> list[tuple[str, str]]:
    """Which sources other scores put first, and which scores these are."""
    found: dict[str, list[str]] = {}
    for name in best.scores:
        if name == by or not all(name in row.scores for row in rows):
            continue
        favourite = max(rows, key=lambda row: row.scores[name].value)
        if favourite is not best:
            found.setdefault(favourite.candidate.name, []).append(name)
    return [(source, ", ".join(names)) for source, names in found.items()]


def chance(one: Found, other: Found) -> float:
    """The chance that `one` is above `other` in other records of the same kind, from resamples of the same weights."""
    gaps = np.array(one.resampled) - np.array(other.resampled)
    deviation = float(gaps.std(ddof=1))
    if deviation == 0.0:
        return 0.5 if one.value == other.value else float(one.value > other.value)
    return NormalDist().cdf((one.value - other.value) / deviation)


def _met(source: Candidate, ground: Groundwork, owners: np.ndarray) -> int:
    """How many of the records a run, or one that it started from, was trained or chosen on."""
    if source.run is None:
        return 0
    rows = [ground.data.split.rows[owner] for owner in owners]
    return max((known for _, known in met_before(rows, source.run)), default=0)


def _key(
    source: Candidate, ground: Groundwork, ready: Ready, forms: Mapping[str, np.ndarray], owners: np.ndarray
) -> dict[str, Any]:
    """What scores hang on, known before anything is built: the source, the records, and who computes."""
    weights, resolved = source.weights, ground.resolved
    documents = describe(dataclasses.replace(ground.backbone, features=features_of_head(resolved.task, resolved.head)))
    rows = hashlib.sha256()
    for owner in owners:
        row = ground.data.split.rows[owner]
        rows.update(as_bytes(f"{row.content_hash} {row.group}\n"))
    for form, values in sorted(forms.items()):
        rows.update(f"{form} {values.dtype.str} {values.shape}\n".encode())
        rows.update(np.ascontiguousarray(values).data)
    recipe = resolved.recipe
    return {
        "network": documents["model.json"],
        "input": documents["preprocess.json"],
        "weights": None if weights is None else [weights.algorithm, weights.digest, weights.size, weights.load],
        "file": _file_of(source),
        "records": rows.hexdigest(),
        "count": len(owners),
        "computed": {
            "backend": ready.choice.name,
            "engine": recipe.engine,
            "precision": recipe.precision,
            "strategy": recipe.strategy,
            "threads": recipe.threads or available_threads(),
            "machine": processor(),
            "seed": recipe.seed if weights is None else 0,
        },
        "versions": {name: installed_release(name) for name in ("keras", ready.choice.name)}
        | {"headstart": installed_version()},
        "scores": sorted([spec.name, spec.version] for spec in ready.registry.specs("scores")),
        "resamples": RESAMPLES,
    }


def _file_of(source: Candidate) -> list[Any] | None:
    """The file of weights whose digest nobody states, by its path, size and time of change."""
    weights = source.weights
    if weights is None or weights.digest != UNKNOWN:
        return None
    path = find(source.spec, weights)
    if path is None:
        return None
    facts = path.stat()
    return [str(path), facts.st_size, facts.st_mtime_ns]


def _known(key: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept of a source that was scored before."""
    place = open_cache().get(KIND, key)
    if place is None:
        return None
    try:
        document: dict[str, Any] = json.loads((place / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # another process may have cleared it
        return None
    return document


def _writing(row: Row) -> Callable[[Path], None]:
    """Writes what hangs on the source and the records alone into a folder."""
    document = {
        "channels": row.channels,
        "rate": row.rate,
        "engine": row.engine,
        "refused": dict(row.refused),
        "scores": {name: dataclasses.asdict(each) for name, each in row.scores.items()},
    }

    def write(folder: Path) -> None:
        (folder / FACTS).write_text(json.dumps(document), encoding="utf-8")

    return write


def _read(source: Candidate, document: Mapping[str, Any]) -> Row:
    scores = {
        name: Found(each["value"], (each["interval"][0], each["interval"][1]), tuple(each["resampled"]))
        for name, each in document["scores"].items()
    }
    return Row(source, document["channels"], document["rate"], document["engine"], scores, document["refused"])
