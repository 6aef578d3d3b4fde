"""What is wrong with annotations, collected by kind: each kind becomes one finding that names all its cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from headstart.data.targets import plural
from headstart.lists import in_line
from headstart.specs import Finding

MOST_NAMED = 3


@dataclass(frozen=True)
class Fault:
    """A kind of fault: of a `noun`, such as "box" or "picture", told as `what` follows it, at its `level`; the `hint`
    says what to do. What is `faulty` can be left out where the user says so, which then is a warning."""

    noun: str
    what: str
    hint: str
    level: Literal["error", "warning", "note"] = "error"
    faulty: bool = False


@dataclass
class Told:
    """Collects cases of faults, and findings of other kinds."""

    cases: dict[Fault, list[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, fault: Fault, case: str) -> None:
        """One more case, in words."""
        self.cases.setdefault(fault, []).append(case)

    def all(self, *, dropped: bool = False) -> Iterator[Finding]:
        """One finding a kind of fault; where what is faulty is `dropped`, a warning that says so."""
        yield from self.findings
        for fault, cases in self.cases.items():
            nouns = fault.noun if len(cases) == 1 else plural(fault.noun)
            out = dropped and fault.faulty
            what = f"{len(cases)} {nouns} {fault.what}{', left out' if out else ''}"
            message = f"{what}: {in_line(cases, MOST_NAMED, between='; ')}"
            hint = None if out else fault.hint
            yield Finding("warning" if out else fault.level, message, len(cases), hint, tuple(cases))


def as_notes(messages: Mapping[str, int]) -> Iterator[Finding]:
    """A note for each message, with how many it is about, where there are any."""
    return (Finding("note", message, count) for message, count in messages.items() if count)
