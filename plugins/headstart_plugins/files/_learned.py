"""What of a table is learned: which columns, and how a row of them is read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from headstart.errors import DataError, UsageError
from headstart.lists import in_line
from headstart.specs import Finding
from headstart.suggest import suggestion
from headstart_plugins._files.names import LABEL_COLUMNS, SPLIT_NAMES, plain_name, side_of
from headstart_plugins._files.tables import SEVERAL, Table
from headstart_plugins._target_texts import SEPARATOR, number_of
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._labels import label_pattern

Row = Mapping[str, str]
ReadTarget = Callable[[str, Row], str | Path]
"""From where a row is, for messages, and the row to its target."""
Kinds = Mapping[str, tuple[str, Literal["text", "file"]]]
"""The kind of targets that a column holds, and what stands there."""

YES, NO = ("1", "1.0", "true"), ("0", "0.0", "false")
"""What stands in columns of which each is a label."""
NO_VALUE = ("nan", "<na>", "n/a", "nat", "null")
"""What programs write where there is no value, in lower case; `None` and `NA` are names of classes as well."""
NUMBER_WITH_COMMA = re.compile(r"[+-]?[0-9]+([., '][0-9]{3})*([.,][0-9]+)?")
"""A number as people write it, with either mark for its fraction and for its thousands."""
ONLY = "the only one that is left"
MARKS: tuple[str, ...] = ("|", ";", ",", "/", "+", " ")
"""What people write between labels, the surest first."""
MANY = 0.1
"""The share of cells with another mark in them that makes it worth a warning."""


@dataclass(frozen=True)
class Learned:
    """How the target of a row is read, from which columns, and the name of its kind where that is known."""

    read: ReadTarget
    columns: tuple[str, ...]
    targets: str | None = None
    findings: Sequence[Finding] = field(default=())


def says_side(table: Table, column: str) -> bool:
    """Whether a column is called like a side and says by 0 and 1 which samples are on it. `is_valid` and its like do,
    whatever stands there."""
    name = plain_name(column)
    return (name.startswith("is") and name[2:] in SPLIT_NAMES) or (bool(side_of(column)) and is_one_hot(table, column))


def find_learned(path: Path, table: Table, options: ManifestOptions, kinds: Kinds, others: Sequence[str]) -> Learned:
    """By the settings; else the column with a name of its own; else the only one that is called like it; else the only
    one that is left beside the `others`, of which the first holds the samples; else one-hot columns. A column that says
    which samples are on a side is learned by settings alone, but for the class train among those of vehicles.

    Raises UsageError for settings that exclude each other, DataError for columns that are absent or several, and for
    cells that cannot be read.
    """
    texts = [column for column in table.columns if _could_be_learned(table, column, others)]
    flags = [column for column in texts if is_one_hot(table, column)]
    sides = [column for column in texts if says_side(table, column)]
    if any(column not in sides for column in flags) and all(_ones(row, flags) == 1 for _, row in table.rows):
        sides = [column for column in sides if column not in flags]
    free = [column for column in texts if column not in sides]
    if chosen := _by_settings(path, table, options, kinds, (others[0], free)):
        return chosen
    known = [column for column in table.columns if column in ("label", "labels", *kinds)]
    called = [each for each in free if plain_name(each).removesuffix("name") in (*LABEL_COLUMNS, *SEVERAL)]
    called += [each for each in free if each.casefold() == "y" and not {"x", "X"} & {*table.columns}]
    found, why = next(((each, why) for each, why in ((known, ""), (called, "by its name")) if each), (free, ONLY))
    if len(found) == 1:
        learned = _column(path, table, found[0], options, kinds)
        message = f"column {found[0]!r} is read as label, {why}"
        if why != ONLY:
            message += "; --set dataset.label_column=NAME names another"
        note = [Finding("note", message, len(table.rows))] if why else []
        return replace(learned, findings=[*note, *learned.findings])
    if found and why == ONLY and options.one_hot is None and all(is_one_hot(table, each) for each in found):
        return _one_hot(path, table, found)
    if found:
        raise DataError(
            f"{path}: {' and '.join(map(repr, found))} could each be what is learned; expected one of them",
            hint=f"say which: {' or '.join(f'--set dataset.label_column={shlex.quote(column)}' for column in found)}",
        )
    wanted, listed = " or ".join(("label", "labels", *kinds)), ", ".join(map(repr, table.columns))
    if sides:
        told = (
            f"{in_line([repr(each) for each in sides])} {'seem' if len(sides) > 1 else 'seems'} to say sides of a split"
        )
        hint = f"add a column label; or say what is learned: --set dataset.label_column={shlex.quote(sides[0])}"
        raise DataError(f"{path}: no column {wanted}, and {told}; found {listed}", hint=hint)
    raise DataError(
        f"{path}: no column {wanted}; found {listed}",
        hint='where the names of files tell the labels, --set "dataset.label_pattern=REGEX" reads them; where each '
        "class has a folder, open the folder",
    )


def _by_settings(
    path: Path, table: Table, options: ManifestOptions, kinds: Kinds, columns: tuple[str, Sequence[str]]
) -> Learned | None:
    """As the settings say; None where they do not. `columns`: that of the samples, and those that could be learned."""
    samples, free = columns
    given = [name for name in ("label_column", "one_hot", "label_pattern") if getattr(options, name)]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} are given; expected one of them")
    named = [options.label_column] if options.label_column else options.one_hot or ()
    for column in named if isinstance(named, list | tuple) else ():
        if column not in table.columns:
            listed = ", ".join(map(repr, table.columns))
            message = f"{path}: no column {column}, which {given[0]} names; found {listed}"
            raise DataError(message, hint=suggestion(column, table.columns))
    if options.label_column:
        return _column(path, table, options.label_column, options, kinds)
    if options.one_hot:
        every = [column for column in free if is_one_hot(table, column)]
        return _one_hot(path, table, options.one_hot if isinstance(options.one_hot, tuple) else every)
    return _by_pattern(options.label_pattern, samples) if options.label_pattern else None


def _could_be_learned(table: Table, column: str, others: Sequence[str]) -> bool:
    """Whether a column has a name and texts, and is none of the `others`."""
    named = bool(column.strip()) and not column.startswith("Unnamed: ")  # which pandas calls those of no name
    return named and column not in others and any(row.get(column, "").strip() for _, row in table.rows)


def is_one_hot(table: Table, column: str) -> bool:
    """Whether nothing but 0 and 1, or true and false, stands in a column."""
    return all(row.get(column, "").strip().lower() in (*YES, *NO) for _, row in table.rows)


def _ones(row: Row, columns: Sequence[str]) -> int:
    return sum(row.get(column, "").strip().lower() in YES for column in columns)


def _by_pattern(text: str, column: str) -> Learned:
    pattern = label_pattern(text)

    def read(where: str, row: Row) -> str:
        label = pattern.find(row.get(column, "").replace("\\", "/"))
        if label is None:
            hint = "mend the pattern so that it fits each row, or leave out those without a label"
            raise DataError(f"{where}: label_pattern {text!r} finds no label in {row.get(column, '')!r}", hint=hint)
        return _label(where, label)

    return Learned(read, (column,), "targets/class")


def _one_hot(path: Path, table: Table, columns: Sequence[str]) -> Learned:
    """Classes where each row has one 1, else labels."""
    if len(columns) < 2:
        found = f"{columns[0]!r} alone" if columns else "none"
        raise DataError(
            f"{path}: one_hot needs two columns of 0 and 1; found {found}",
            hint='--set \'dataset.one_hot=["cat", "dog"]\' names them; one such column is dataset.label_column=NAME',
        )
    counts = set()
    for number, row in table.rows:
        for column in columns:
            text = row.get(column, "").strip().lower()
            if text not in (*YES, *NO):
                raise DataError(f"{path}: row {number}: {column} is {row.get(column, '')!r}; expected 0 or 1")
        counts.add(_ones(row, columns))
    one = counts == {1}
    torn = [column for column in columns if SEPARATOR in column]
    if torn and not one:
        raise DataError(f"{path}: the column {torn[0]!r} has {SEPARATOR!r} in it", hint="no name of a label may")
    what = "classes: each row has one 1" if one else f"labels: rows have from {min(counts)} to {max(counts)} of them"
    listed = in_line([repr(column) for column in columns])
    note = f"columns {listed} are read as {what}; --set dataset.label_column=NAME learns a column instead"

    def read(where: str, row: Row) -> str:
        return SEPARATOR.join(column for column in columns if row.get(column, "").strip().lower() in YES)

    told = Finding("note", note, len(table.rows))
    return Learned(read, tuple(columns), "targets/class" if one else "targets/labels", [told])


def _column(path: Path, table: Table, column: str, options: ManifestOptions, kinds: Kinds) -> Learned:
    if column in kinds:
        name, holds = kinds[column]
        if holds == "text":
            return Learned(lambda where, row: row.get(column, ""), (column,), name)
        return Learned(lambda where, row: _file(path.parent, column, where, row.get(column, "")), (column,), name)
    several = bool(options.separator) or column.lower() in SEVERAL
    texts = [text for _, row in table.rows if (text := row.get(column, "")).strip()]
    told = _other_mark(column, texts, options.mark if several else None)
    findings = [
        *([] if told is None else [told]),
        *_lists(column, texts),
        *(() if several else _odd_texts(column, texts)),
    ]
    if several:
        read = partial(_labels, options.mark)
        return Learned(lambda where, row: read(where, row.get(column, "")), (column,), "targets/labels", findings)
    return Learned(lambda where, row: _label(where, row.get(column, "")), (column,), None, findings)


def _lists(column: str, texts: Sequence[str]) -> Iterator[Finding]:
    """A warning for lists of labels as programs print them."""
    lists = [text for text in texts if text.strip().startswith("[") and text.strip().endswith("]")]
    if lists:
        told = f"column {column!r}: {len(lists)} of {len(texts)} texts are lists in brackets, such as {lists[0]!r}"
        hint = f"write labels without brackets and quotes, with {SEPARATOR} between them, in a column labels"
        yield Finding("warning", f"{told}, and their brackets are read as parts of labels", len(lists), hint)


def _odd_texts(column: str, texts: Sequence[str]) -> Iterator[Finding]:
    """Warnings for what programs write for no value, and for numbers with a comma in all other texts."""
    absent = [text for text in texts if text.strip().lower() in NO_VALUE]
    if absent:
        told = f"column {column!r}: {len(absent)} of {len(texts)} texts are {absent[0]!r}, which is read as a label"
        yield Finding("warning", told, len(absent), "leave these rows out where it means that there is no value")
    given = [text for text in texts if text not in absent]
    commas = [text for text in given if "," in text]
    if commas and all(NUMBER_WITH_COMMA.fullmatch(text.strip()) for text in given):
        told = f"column {column!r}: {len(commas)} of {len(texts)} texts are numbers with a comma, such as {commas[0]!r}"
        yield Finding("warning", f"{told}, and read as names of classes", len(commas), "write numbers as 1234.5")


def _other_mark(column: str, texts: Sequence[str], mark: str | None) -> Finding | None:
    """A warning where `mark` stands in none of the `texts` and another one in many, which makes fewer labels of them.

    In a column of one label a sample, where `mark` is None, a space is part of names, a comma of numbers, and SEPARATOR
    is seen by those who recognise targets.
    """
    if mark is not None and any(mark in text for text in texts):
        return None
    cells = set(texts)
    others = MARKS
    if mark is None:
        numbers = all(number_of(cell.replace(",", ".")) is not None for cell in cells)
        others = tuple(each for each in MARKS if each not in (" ", SEPARATOR, "," if numbers else " "))
    best: tuple[int, str, int] | None = None
    for other in others:
        holding = sum(other in text for text in texts)
        labels = {part.strip() for cell in cells for part in cell.split(other) if part.strip()}
        if other != mark and holding > MANY * len(texts) and len(labels) < (best[0] if best else len(cells)):
            best = (len(labels), other, holding)
    if best is None:
        return None
    fewer, other, holding = best
    sought = "it is read as one label a sample" if mark is None else f"no text has {mark!r}, which separates labels"
    return Finding(
        "warning",
        f"column {column!r}: {sought}, and {holding} of {len(texts)} texts have {other!r}, which would make "
        f"{fewer} labels of {len(cells)}",
        holding,
        f"if it stands between labels: --set \"dataset.separator='{other}'\"",
    )


def _file(folder: Path, column: str, where: str, text: str) -> Path:
    """The path of a file, relative to `folder`."""
    if not text.strip():
        raise DataError(f"{where}: no {column}", hint="give every row a file, or leave the row out")
    return folder / text


def _label(where: str, text: str) -> str:
    if not text.strip():
        raise DataError(f"{where}: empty label", hint="give every row a label, or leave the row out")
    if text != text.strip():
        raise DataError(f"{where}: the label {text!r} has spaces around it", hint="remove them")
    return text


def _labels(mark: str, where: str, text: str) -> str:
    """The labels of a row, joined by SEPARATOR; empty text where it has none. Spaces that separate may be several."""
    labels = [label.strip() for label in text.split(mark)] if text.strip() else []
    if mark.isspace():
        labels = [label for label in labels if label]
    if not all(labels):
        raise DataError(f"{where}: empty label in {text!r}", hint=f"write one {mark!r} between two labels")
    if mark != SEPARATOR and any(SEPARATOR in label for label in labels):
        raise DataError(f"{where}: a label in {text!r} has {SEPARATOR!r} in it", hint="no name of a label may")
    return SEPARATOR.join(labels)
