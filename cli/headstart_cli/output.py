"""What the command line prints: data on stdout, everything else on stderr."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 10_000
"""Columns where stdout is no terminal: wide enough that nothing is cut."""


def escape_on_stdout(encoding: str | None = None) -> TextIO:
    """stdout, where from here on a letter that its encoding lacks is escaped as Python writes it; with `encoding` in
    that one, for what programs read.

    A console's encoding is no reason to lose answers; a file name that is no UTF-8 has letters that no encoding has.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
    return sys.stdout


def print_json(document: Any) -> None:
    """Print one JSON document on stdout. Raises ValueError for NaN and infinity."""
    print(json.dumps(document, indent=2, allow_nan=False), file=escape_on_stdout("utf-8"))


def print_text(text: str = "") -> None:
    """Print a line of data on stdout, as it is."""
    data_console().print(Text(text), soft_wrap=True)


def print_heading(text: str) -> None:
    """Print a heading above data on stdout."""
    data_console().print(Text(text, style="bold"), soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """Print a table on stdout: None as a dash, whole columns where stdout is no terminal."""
    console = data_console()
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_escaped(cell(value), console.encoding)) for value in row))
    console.print(table)


def _escaped(text: str, encoding: str) -> str:
    """`text` as `escape_on_stdout` lets it out, so that columns are as wide as what is in them."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as one JSON document, or these of their columns as a table."""
    if as_json:
        print_json(rows)
    else:
        print_table(columns, [[row[column] for column in columns] for row in rows])


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None or value == "" or value == [] or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}={_inside(each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(each) for each in value)
    return str(value)


def _inside(value: Any) -> str:
    """A value inside another one: a list shows where it ends."""
    return f"[{cell(value)}]" if isinstance(value, (list, tuple)) else cell(value)


def data_console() -> Console:
    """The console on stdout."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def message_console() -> Console:
    """The console on stderr."""
    return Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Tell the user something on stderr."""
    message_console().print(Text(message), soft_wrap=True)


def print_error(message: str, hint: str | None = None) -> None:
    """Print an error and what to do next on stderr."""
    console = message_console()
    console.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    if hint:
        console.print(Text.assemble(("hint: ", "bold cyan"), hint), soft_wrap=True)
