"""A figure of reliability: how often something was tried, and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """`planted` is the bug that was put in to see it red; then failures are what is wanted."""

    promise: str
    what: str
    count: int
    failures: tuple[str, ...]
    backend: str = ""
    planted: str = ""

    @property
    def holds(self) -> bool:
        """Whether something was tried, and went well, or badly where a bug was planted."""
        return self.count > 0 and bool(self.failures) == bool(self.planted)


def figure(promise: str, what: str, tried: Iterable[str | None], *, backend: str = "", planted: str = "") -> Figure:
    """The figure of what each try came to: None, or what went wrong."""
    outcomes = list(tried)
    failures = tuple(outcome for outcome in outcomes if outcome is not None)
    return Figure(promise, what, len(outcomes), failures, backend, planted)


def seen(problem: str | None, *words: str) -> str | None:
    """What went wrong with a planted bug, where it is what the bug leads to; None where it is anything else."""
    return problem if problem is not None and all(word in problem for word in words) else None


COLUMNS = ("promise", "backend", "what", "tried", "failed", "as it should be")


def told_in_rows(figures: Iterable[Figure]) -> Iterator[tuple[str, ...]]:
    """A row of COLUMNS for each."""
    for each in figures:
        what = f"{each.what}; planted: {each.planted}" if each.planted else each.what
        holds = "yes" if each.holds else "NO"
        yield each.promise, each.backend or "none", what, str(each.count), str(len(each.failures)), holds


def write_figures(figures: Iterable[Figure], path: Path) -> None:
    """Write them as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(each) for each in figures], indent=1) + "\n", encoding="utf-8")


def read_figures(path: Path) -> list[Figure]:
    """What `write_figures` wrote; none where there is no such file."""
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    return [Figure(**{**each, "failures": tuple(each["failures"])}) for each in found]


def replaced(before: Iterable[Figure], measured: Iterable[Figure]) -> list[Figure]:
    """`before` with the figures of each promise and backend that were measured again in their place, and new ones
    behind: what is not measured any more goes."""
    groups: dict[tuple[str, str], list[Figure]] = {}
    for each in before:
        groups.setdefault((each.promise, each.backend), []).append(each)
    new: dict[tuple[str, str], list[Figure]] = {}
    for each in measured:
        new.setdefault((each.promise, each.backend), []).append(each)
    return [each for group in {**groups, **new}.values() for each in group]
