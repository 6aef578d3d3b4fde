"""Sources in order, which one to take, why, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import cast

import numpy as np

from headstart.errors import UsageError
from headstart.lists import in_line
from headstart.registry import Registry
from headstart.specs import ScoreSpec
from headstart.transfer.ranking.rows import Found, Row

SURE, LIKELY = 0.95, 0.8
"""From which chance on, of being better in other samples of the same kind, a source is called surely or likely
better."""
FASTER = 1.3
"""How many times as fast another source is that is worth a word where the two cannot be told apart."""


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
    baseline = best.scores[name].baseline
    if baseline is not None and low <= baseline.value:
        said += f"; that is not surely better than {baseline.value:.3f}, which is {baseline.says}"
    if not others:
        return best, f"{said}; there is no other to compare it with", None
    second = others[0]
    sure = chance(best.scores[name], second.scores[name])
    gap = best.scores[name].value - second.scores[name].value
    word = "surely" if sure >= SURE else "likely" if sure >= LIKELY else "perhaps"
    told = f"{sure:.0%}" if sure < 0.995 else "over 99%"
    said += f"; {word} better than {second.candidate.name} ({gap:+.3f}, chance {told})"
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
