"""Which columns of a table hold the texts, and what is odd about these."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import Finding
from headstart.suggest import suggestion
from headstart_plugins._files.names import plain_name
from headstart_plugins._files.tables import Table
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._learned import NO_VALUE

TEXT, SECOND = "text", "text2"
CALLED = frozenset(
    {
        *("sentence", "review", "reviewtext", "content", "body", "comment", "message", "tweet", "headline"),
        *("document", "question", "utterance", "post", "email", "mail", "abstract", "description", "phrase"),
    }
)
"""What people call the column of texts, as `plain_name` has it, also with `text` behind or an s."""
PAIRS = (
    *(("sentence1", "sentence2"), ("sentencea", "sentenceb"), ("text1", "text2"), ("texta", "textb")),
    *(("premise", "hypothesis"), ("question1", "question2")),
)
"""What people call two columns of which a sample is a pair of texts."""
NONE = frozenset({*NO_VALUE, "na", "none"})
FEW, MANY, LONGER = 0.1, 0.5, 3
"""Shares of rows that differ, where labels stand in the column of texts and texts in that of labels; and how many times
as long these are."""


@dataclass(frozen=True)
class TextColumns:
    """The column of the texts, or the two of a pair; and what is to be said of how they were found."""

    names: tuple[str, ...]
    findings: tuple[Finding, ...] = field(default=())


def text_columns(path: Path, table: Table, options: ManifestOptions) -> TextColumns | None:
    """By the settings; else `text` with `text2` where that is there; else the only pair or the only column that is
    called so. None where there is none.

    Raises DataError for columns that are absent or could each be meant.
    """
    given = [each for each in (options.text_column, options.text2_column) if each]
    for column in given:
        if column not in table.columns:
            listed = ", ".join(map(repr, table.columns))
            message = f"{path}: no column {column}, which dataset.text_column or text2_column names; found {listed}"
            raise DataError(message, hint=suggestion(column, table.columns))
    if given:
        return TextColumns(tuple(given))
    if TEXT in table.columns:
        return TextColumns((TEXT, SECOND) if SECOND in table.columns else (TEXT,))
    plain = {plain_name(column): column for column in table.columns}
    found: list[tuple[str, ...]] = [(plain[a], plain[b]) for a, b in PAIRS if {a, b} <= plain.keys()]
    paired = {column for pair in found for column in pair}
    found += [(column,) for name, column in plain.items() if _is_called(name) and column not in paired]
    if len(found) > 1:
        settings = " or ".join(_settings(each) for each in found)
        listed = " and ".join(in_line([repr(column) for column in each]) for each in found)
        raise DataError(f"{path}: {listed} could each be the texts; expected one", hint=f"say which: {settings}")
    if not found:
        return None
    names = found[0]
    said = f"column {names[0]!r} is" if len(names) == 1 else f"columns {names[0]!r} and {names[1]!r} are"
    message = f"{said} read as text{' and text2' if len(names) > 1 else ''}, by {'its' if len(names) == 1 else 'their'}"
    note = Finding("note", f"{message} name; --set dataset.text_column=NAME names another", len(table.rows))
    return TextColumns(names, (note,))


def _is_called(name: str) -> bool:
    return name.removesuffix("s") in CALLED or name.removesuffix("text") in CALLED


def _settings(columns: Sequence[str]) -> str:
    names = ("text_column", "text2_column")
    return " ".join(f"--set dataset.{name}={shlex.quote(column)}" for name, column in zip(names, columns, strict=False))


def require_filled(path: Path, table: Table, columns: Sequence[str]) -> None:
    """Raise DataError naming the first row of a column that has an empty cell, and how many more there are."""
    for column in columns:
        empty = [number for number, row in table.rows if not row.get(column, "").strip()]
        if empty:
            more = f", nor in {len(empty) - 1} more" if len(empty) > 1 else ""
            hint = f"leave {'these rows' if more else 'the row'} out, or fill {'them' if more else 'it'} in"
            raise DataError(f"{path}: row {empty[0]}: no {column}{more}", hint=hint)


def odd_texts(
    table: Table, columns: Sequence[str], learned: Sequence[str], options: ManifestOptions
) -> Iterator[Finding]:
    """A warning for cells that say that there is no text; an error where texts and labels seem to be swapped, unless
    settings name both columns."""
    for column in columns:
        cells = ((number, row.get(column, "")) for number, row in table.rows)
        odd = [(number, text) for number, text in cells if text.strip().lower() in NONE]
        if odd:
            number, text = odd[0]
            message = f"column {column!r} holds {text.strip()!r} in row {number}, which often means that there is none"
            more = f", and such in {len(odd) - 1} more" if len(odd) > 1 else ""
            yield Finding("warning", message + more, len(odd), "leave these rows out where it does")
    if len(columns) != 1 or len(learned) != 1 or (options.text_column and options.label_column):
        return
    texts, labels = ([row.get(column, "").strip() for _, row in table.rows] for column in (columns[0], learned[0]))
    rows = len(table.rows)
    if (
        len(set(texts)) <= max(2, FEW * rows)
        and len(set(labels)) >= max(4, MANY * rows)
        and sum(map(len, labels)) > LONGER * sum(map(len, texts))
        and sum(" " in label for label in labels) > MANY * rows
    ):
        message = (
            f"columns {columns[0]!r} and {learned[0]!r} look swapped: one holds {len(set(texts))} different texts, "
            f"such as {texts[0]!r:.40}, the other {len(set(labels))} longer ones"
        )
        text, label = shlex.quote(learned[0]), shlex.quote(columns[0])
        yield Finding(
            "error",
            message,
            rows,
            f"--set dataset.text_column={text} --set dataset.label_column={label} reads them the other way round; both "
            "settings as they are now read them so",
        )
