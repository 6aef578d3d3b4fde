"""Answers of `headstart predict` on stdout: as a table, as one JSON document, or as CSV while they come."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from headstart.errors import REFUSED, HeadstartError
from headstart_cli.output import escape_on_stdout, print_json, print_table

LAST = ("notes", REFUSED)
"""Columns that not every answer has."""


def unranked_told(
    answers: Iterable[Mapping[str, Any]], top_k: int, tell: Callable[[str], None]
) -> Iterator[Mapping[str, Any]]:
    """The answers; `tell` hears behind the last where several are asked for and none says which come next, as of a task
    that finds all there is."""
    has_some = is_ranked = False
    for answer in answers:
        has_some |= REFUSED not in answer
        is_ranked |= "top_k" in answer
        yield answer
    if top_k > 1 and has_some and not is_ranked:
        tell(f"note: --top-k {top_k} changes nothing: this run's task does not rank its answers")


def print_as_table(answers: Iterable[Mapping[str, Any]]) -> None:
    """Print the answers to all inputs that can be read."""
    rows = [flatten(answer) for answer in answers if REFUSED not in answer]
    if rows:
        print_table(*tabulate(rows))


def print_as_json(answers: Iterable[Mapping[str, Any]]) -> None:
    """Print one document: a list of all answers."""
    from headstart.documents import plain

    print_json([plain(answer) for answer in answers])


def print_as_lines(answers: Iterable[Mapping[str, Any]]) -> None:
    """Print a line of JSON for each answer as it comes."""
    from headstart.answer_jobs import as_line

    stream = escape_on_stdout("utf-8")
    for answer in answers:
        stream.write(as_line(answer).decode())
        stream.flush()


def print_as_csv(answers: Iterable[Mapping[str, Any]], top_k: int) -> None:
    """Print a row for each answer as it comes, as UTF-8; columns are those of the first, `notes` and `error`.

    Where answers hold lists of any length, their columns are known with the last of them: so are their rows.
    """
    stream = escape_on_stdout("utf-8")
    waiting: list[dict[str, Any]] = []
    writer: csv.DictWriter[str] | None = None
    for answer in answers:
        waiting.append(flatten(answer))
        if writer is None and REFUSED not in answer and not _has_open_list(answer, top_k):
            writer = _csv_writer(stream, [*waiting[-1], *LAST])
        if writer is not None:
            if more := waiting[-1].keys() - set(writer.fieldnames):
                message = f"{answer['input']}: its answer has columns that no answer before it has: {', '.join(more)}"
                raise HeadstartError(message, hint="--json prints answers of any form")
            writer.writerows(waiting)
            stream.flush()
            waiting.clear()
    if waiting:
        _csv_writer(stream, tabulate(waiting)[0]).writerows(waiting)


def _csv_writer(stream: TextIO, columns: Iterable[str]) -> csv.DictWriter[str]:
    """A writer below a header of these columns, each once."""
    writer = csv.DictWriter(stream, list(dict.fromkeys(columns)), lineterminator="\n")
    writer.writeheader()
    return writer


def _has_open_list(answer: Mapping[str, Any], top_k: int) -> bool:
    """Whether it holds a list of mappings, of which there may be more in another answer."""
    lists = {key: len(value) for key, value in answer.items() if _is_list_of_mappings(value)}
    return any((key, length) != ("top_k", top_k) for key, length in lists.items())


def tabulate(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Flattened answers as columns and rows."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return columns, [[row.get(column, "") for column in columns] for row in rows]


def flatten(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer by columns; of lists of mappings, each place gets its own.

    But for a `top_k` of one, which says again what the answer says. Of an array, such as a mask, its shape is shown.
    """
    flat: dict[str, Any] = {}
    for key, value in answer.items():
        if shape := getattr(value, "shape", ()):
            flat[key] = " x ".join(map(str, shape))
        elif not _is_list_of_mappings(value):
            flat[key] = value
        elif key != "top_k" or len(value) > 1:
            for place, item in enumerate(value, start=1):
                flat |= {f"{name}_{place}": part for name, part in item.items()}
    return flat


def _is_list_of_mappings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
