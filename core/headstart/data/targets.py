"""Which kind of targets records have: what their dataset says, or what the offered kinds recognise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import DatasetSpec, Finding, Recognised, Records, TargetKind, TargetRequest, TargetSpec

if TYPE_CHECKING:
    from headstart.registry import Registry


@dataclass(frozen=True, kw_only=True)
class FoundTargets(Recognised):
    """The kind of some records' targets, and why it is that one."""

    spec: TargetSpec


def build_target_kind(registry: Registry, name: str) -> TargetKind:
    """The kind of targets called `name`, full or bare, with its default options. Raises like `Registry.get`."""
    spec = registry.get("targets", name)
    kind: TargetKind = registry.load_target(spec, spec.build)(TargetRequest(spec.options()))
    return kind


def find_targets(records: Records, registry: Registry) -> FoundTargets:
    """The kind that the dataset names, or the offered one that is surest of the targets.

    Of equally sure ones the first by name, told in the reason. Raises DataError where none recognises them.
    """
    if records.targets is not None:
        spec = registry.get("targets", records.targets)
        said = f"the dataset says that its targets are of the kind {spec.short_name!r}"
        return FoundTargets(spec=spec, reason=said, confidence=1.0)
    found: list[FoundTargets] = []
    for spec in registry.specs("targets"):
        recognised = build_target_kind(registry, spec.name).recognise(records)
        if recognised is not None:
            found.append(FoundTargets(spec=spec, **vars(recognised)))
    if not found:
        offered = ", ".join(spec.name for spec in registry.specs("targets")) or "none is installed"
        raise DataError(
            f"no kind of targets recognises those of the data; there are: {offered}",
            hint="name a task with --task, or install a plugin that offers the kind",
        )
    highest = max(each.confidence for each in found)
    chosen, *others = [each for each in found if each.confidence == highest]
    tie = "".join(f"; {other.spec.name} is as sure" for other in others)
    return replace(chosen, reason=chosen.reason + tie, could_differ=chosen.could_differ or bool(others))


def kinds_of(dataset: DatasetSpec, registry: Registry) -> tuple[TargetSpec, ...]:
    """The installed kinds that the targets of a dataset can be of; none where only the opened data says."""
    return tuple(spec for spec in registry.specs("targets") if {spec.name, spec.short_name} & {*dataset.targets})


def other_kind(records: Records, wanted: TargetSpec, registry: Registry) -> Finding | None:
    """An error where the dataset says that its targets are of a kind that is not read as the `wanted` one."""
    if records.targets is None:
        return None
    told = why_other((registry.get("targets", records.targets),), wanted, registry, medium=records.medium)
    return None if told is None else Finding("error", told[0], len(records.items), told[1])


def why_other(
    given: Sequence[TargetSpec], wanted: TargetSpec, registry: Registry, *, medium: str | None
) -> tuple[str, str] | None:
    """Why nobody reads targets of any of the `given` kinds as the `wanted` one, and what to do instead; None where
    those of one are read so. `medium` is that of the data, None for any."""
    if any(wanted.name in (kind.name, *kind.read_as) for kind in given):
        return None
    means = " or ".join(kind.means for kind in given)
    names = {name for kind in given for name in (kind.name, kind.short_name)}
    tasks = [f"--task {spec.short_name}" for spec in registry.specs("tasks") if spec.targets in names]
    such = f", such as {tasks[0]}" if tasks else ""
    others = [
        f"{spec.short_name}:PATH"
        for spec in registry.specs("datasets")
        if spec.takes_path and medium in (None, spec.medium) and wanted in kinds_of(spec, registry)
    ]
    opened = f"; data with {wanted.means} a sample is opened as {in_line(others)}" if others else ""
    return (
        f"the data has {means} a sample (the dataset says so); this task learns {wanted.means} of each",
        f"leave --task out, or name one for {means}{such}{opened}",
    )


def plural(noun: str) -> str:
    """More than one of something: "classes", "labels", "boxes"."""
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def rarest(strata: Sequence[tuple[str, ...]]) -> list[str]:
    """Of each record's strata the one with the fewest records, of equal ones the first by name; "" where it has
    none."""
    counts = Counter(name for names in strata for name in names)
    return [min(names, key=lambda name: (counts[name], name), default="") for names in strata]
