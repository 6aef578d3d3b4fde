"""BENCHMARKS.md in parts: its head is `table.py`'s, and other scripts have a marked section each behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

NAMES = (
    *("strategies", "stress", "chain", "texts", "translated", "accented", "transcribed", "detected", "segmented"),
    "ranked",
)


def with_section(text: str, name: str, section: str) -> str:
    """`text` with `section` between the marks of `name`, at its end where it has none; unchanged where it is empty."""
    if not section:
        return text
    begin, end = _marks(name)
    marked = f"{begin}\n{section.strip()}\n{end}"
    if begin in text and end in text:
        before, _, rest = text.partition(begin)
        return before + marked + rest.partition(end)[2]
    return f"{text.rstrip()}\n\n{marked}\n"


def with_sections(text: str, sections: Mapping[str, str]) -> str:
    """`text` with each of them."""
    for name, section in sections.items():
        text = with_section(text, name, section)
    return text


def sections_of(text: str) -> dict[str, str]:
    """What stands between the marks of each name; empty where nothing does."""
    found = {}
    for name in NAMES:
        begin, end = _marks(name)
        found[name] = text.partition(begin)[2].partition(end)[0].strip() if end in text else ""
    return found


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are text."""
    lines = [tuple(columns), tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
