"""What is wrong with annotations, collected by kind: each kind becomes one finding that names all its cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from headstart.lists import in_line
from headstart.specs import Finding

MOST_NAMED = 3
DROP = "mend the annotations, or leave these boxes out with --set dataset.faulty=drop"


@dataclass(frozen=True)
class Fault:
    """A kind of fault: of a `noun`, "box" or "picture", told as `what` follows it. One that is `faulty` is an error
    unless such boxes are dropped; others have their own `level`."""

    noun: Literal["box", "picture", "annotation"]
    what: str
    hint: str = DROP
    level: Literal["error", "warning", "note"] = "error"
    faulty: bool = False


NO_NUMBERS = Fault("box", "whose coordinates are not four finite numbers", faulty=True)
UNKNOWN_CLASS = Fault("box", "of a class that the annotations do not name", faulty=True)
NO_PICTURE = Fault("annotation", "of a picture that the annotations do not list", faulty=True)
INVERTED = Fault("box", "inverted, with its right before its left or its bottom above its top", faulty=True)
FLAT = Fault("box", "without area", faulty=True)
OUTSIDE = Fault("box", "outside of its picture", faulty=True)
REPEATED = Fault(
    "box",
    "equal to one before it in its picture, class and corners",
    "each counts as an object that has to be found; --set dataset.faulty=drop leaves out all but one",
    "warning",
)
STICKS_OUT = Fault(
    "box",
    "sticking out of its picture by more than a pixel",
    "they are kept as they are written, and cut at the border where augmentation moves them",
    "warning",
)
TINY = Fault("box", "narrower or lower than a pixel", "no network could see them; are their units right?", "warning")
ABSENT = Fault(
    "picture",
    "annotated and not there",
    "say where the pictures are: --set dataset.images=FOLDER; or --set dataset.unreadable=SHARE leaves some out",
    "warning",
)
OTHER_SIZE = Fault(
    "picture",
    "of another size than its annotations state",
    "use the pictures that were annotated; or --set dataset.sizes=adapt scales the boxes, and =ignore takes them as "
    "they are",
)
TURNED = Fault(
    "picture",
    "that EXIF turns, with boxes of the size before that",
    "pictures are read upright: --set dataset.sizes=adapt turns the boxes along; =ignore takes them as they are",
)
MAYBE_TURNED = Fault(
    "picture",
    "that EXIF turns or mirrors, with annotations that do not tell by their size whether they knew of it",
    "look at them in the report: boxes are taken for those of the upright picture",
    "warning",
)


@dataclass
class Told:
    """Collects cases of faults, and findings of other kinds."""

    cases: dict[Fault, list[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, fault: Fault, case: str) -> None:
        """One more case, in words."""
        self.cases.setdefault(fault, []).append(case)

    def all(self, *, dropped: bool) -> Iterator[Finding]:
        """One finding a kind of fault; those of boxes that are `dropped` are warnings."""
        yield from self.findings
        for fault, cases in self.cases.items():
            nouns = fault.noun if len(cases) == 1 else f"{fault.noun}{'es' if fault.noun == 'box' else 's'}"
            out = dropped and (fault.faulty or fault is REPEATED)
            what = f"{len(cases)} {nouns} {fault.what}{', left out' if out else ''}"
            message = f"{what}: {in_line(cases, MOST_NAMED, between='; ')}"
            hint = None if out else fault.hint
            yield Finding("warning" if out else fault.level, message, len(cases), hint, tuple(cases))
