"""Tables that lie among the samples of a folder or an archive, which is read by its folders all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from headstart.specs import Finding
from headstart_plugins._box_layouts import is_box_table
from headstart_plugins._files.given import TABLES
from headstart_plugins._files.tree import Tree

SAMPLE = 50
"""So many samples are looked for in a table."""
MOST_READ = 2**24
"""So many bytes of it are read."""
MOST_TABLES = 20
"""So many are looked at, the highest first."""
LONG = 4
"""So many letters make a name without its suffix one that does not stand in a table by chance."""


def table_beside(tree: Tree) -> tuple[Path, str] | None:
    """The table that names most of some samples of the tree, half at least, and its text; None where none does."""
    every = tree.below(tree.root)
    sample = every[:: max(1, len(every) // SAMPLE)]
    tables = sorted((each for each in tree.others if each.suffix.lower() in TABLES), key=lambda each: len(each.parts))
    texts = {each: _text(tree, each) for each in tables[:MOST_TABLES]}
    counts = {each: sum(_is_named(file, text) for file in sample) for each, text in texts.items()}
    best = max(counts, key=lambda each: counts[each], default=None)
    return (best, texts[best]) if best and 2 * counts[best] >= len(sample) > 0 else None


def table_opened(tree: Tree, table: Path) -> str:
    """How a table is opened, as a hint."""
    if tree.root.is_dir():
        return f"open the table, {table}" if is_box_table(table) else f"open the table, manifest:{table}"
    return f"unpack {tree.root}, and open the table in it, manifest:{table.relative_to(tree.root)}"


def unread(tree: Tree, labels: Iterable[str]) -> Sequence[Finding]:
    """A warning where a table names the samples and none of their `labels`, which are names of folders then: parts of
    an archive, as it can be."""
    counts = Counter(labels)
    if not counts or (found := table_beside(tree)) is None:
        return ()
    table, text = found
    for label in counts:
        text = text.replace(f"{label}/", "").replace(f"{label}\\", "")
    if any(label in text for label in counts):
        return ()
    told = f"{tree.name(table)} names the {tree.medium.noun}s and is not read"
    message = f"{told}, and the classes, which are folders, are not in it"
    return [Finding("warning", message, counts.total(), f"where it tells the labels, {table_opened(tree, table)}")]


def _text(tree: Tree, table: Path) -> str:
    try:
        read = tree.members.get(table)
        if read is None:
            with table.open("rb") as file:
                return file.read(MOST_READ).decode("utf-8", "replace")
        return read()[:MOST_READ].decode("utf-8", "replace")
    except (OSError, ValueError):  # what is said of it can wait until it is opened
        return ""


def _is_named(file: Path, text: str) -> bool:
    return file.name in text or (len(file.stem) >= LONG and file.stem in text)
