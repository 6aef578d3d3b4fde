"""The sources that a task could start from: published weights that lie on this machine, and runs of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from headstart.errors import HeadstartError, UsageError
from headstart.host.registry import matching
from headstart.recipe import NONE
from headstart.registry import Registry
from headstart.runs.folder import RUNS, RunFolder
from headstart.specs import BackboneSpec, LocalFile, WeightsSpec
from headstart.suggest import suggestion
from headstart.weights.source import as_argument, assets_by_name, find


@dataclass(frozen=True)
class Candidate:
    """A source: what `--backbone` and `--weights` take for it, and the run that it is, where it is one."""

    name: str
    backbone: str
    spec: BackboneSpec
    weights: WeightsSpec | None
    run: Path | None = None

    @property
    def weights_flag(self) -> str:
        """What `--weights` takes."""
        return NONE if self.weights is None else self.weights.name

    @property
    def source_accuracy(self) -> float | None:
        """What it reached on the task that it was trained on, where that is known: of a run its test accuracy."""
        if self.weights is not None and self.weights.source_accuracy is not None:
            return self.weights.source_accuracy
        if self.run is None:
            return None
        try:
            result = json.loads(RunFolder(self.run).result.read_text(encoding="utf-8"))
            value = (result["metrics"]["test"] or {}).get("accuracy")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Absent:
    """A source that is not ranked: its `name`, why, and the command that would bring it where there is one."""

    name: str
    reason: str
    get: str | None = None


def named_candidate(ref: str, registry: Registry) -> Candidate:
    """The source that `--backbone REF` means: of several sets of weights the first that lies here, else the first; or
    the set that REF:SET names, REF:none for random ones. Raises as `resolve_backbone` does, UsageError for no such
    set."""
    name, colon, wanted = ref.rpartition(":")
    if colon and matching(registry.specs("backbones"), name):
        spec: BackboneSpec = registry.resolve_backbone(name)
        sets = {each.name: each for each in spec.weights}
        if wanted not in (*sets, NONE):
            raise UsageError(f"{spec.name} has no weights {wanted!r}", hint=f"{suggestion(wanted, [*sets, NONE])}")
        return Candidate(ref, name, spec, sets.get(wanted))
    spec = registry.resolve_backbone(ref)
    weights = next((each for each in spec.weights if is_here(spec, each)), next(iter(spec.weights), None))
    return _candidate(ref, spec, weights)


def candidates_here(
    registry: Registry, medium: str, *, runs: Path = RUNS, backend: str
) -> tuple[list[Candidate], list[Absent]]:
    """Every source whose input kind reads data of `medium`: those that can be used now, and those that cannot, with the
    reason. Looks at names and headers only, and fetches nothing."""
    present: list[Candidate] = []
    absent: list[Absent] = []
    for spec in registry.specs("backbones"):
        if not _reads(registry, spec, medium):
            continue
        for weights in spec.weights:
            name = as_argument(spec, weights)
            if reason := spec.refuses.get(backend):
                absent.append(Absent(name, f"does not run on {backend}: {reason}"))
            elif is_here(spec, weights):
                present.append(_candidate(spec.name, spec, weights))
            else:
                absent.append(Absent(name, "not here", f"headstart weights get {name}"))
    for path in _finished(runs):
        try:
            candidate = named_candidate(str(path), registry)
        except HeadstartError as error:
            absent.append(Absent(str(path), error.message))
            continue
        if _reads(registry, candidate.spec, medium):
            present.append(candidate)
    return present, absent


def is_here(spec: BackboneSpec, weights: WeightsSpec) -> bool:
    """Whether a set of weights lies on this machine, and all files that go with it."""
    parts = chain([weights], assets_by_name(weights).values())
    return all(find(spec, each) is not None for each in parts)


def distinct(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Each source once, in their order. Raises UsageError where one was named twice."""
    kept: dict[str, Candidate] = {}
    for candidate in found:
        if candidate.name in kept:
            raise UsageError(f"--backbone {candidate.name} is named twice", hint="name each source once")
        kept[candidate.name] = candidate
    return tuple(kept.values())


def _candidate(ref: str, spec: BackboneSpec, weights: WeightsSpec | None) -> Candidate:
    run = None
    if weights is not None and isinstance(weights.origin, LocalFile):
        name, path = ref, Path(ref).expanduser()
        run = path if RunFolder(path).recipe.is_file() else None
    else:
        name = ref if weights is None or len(spec.weights) == 1 else f"{ref}:{weights.name}"
    return Candidate(name, ref, spec, weights, run)


def _reads(registry: Registry, spec: BackboneSpec, medium: str) -> bool:
    try:
        registry.input_for(spec, medium=medium)
    except UsageError:
        return False
    return True


def _finished(runs: Path) -> Iterator[Path]:
    """The folders of finished runs below `runs`, sorted."""
    if not runs.is_dir():
        return
    for path in sorted(runs.iterdir()):
        folder = RunFolder(path)
        if folder.recipe.is_file() and folder.result.is_file() and folder.artefact.is_dir():
            yield path
