"""headstart predict."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from headstart.errors import UsageError
from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins
from headstart_cli.output import print_json, print_table

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder.")]
Inputs = Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, or folders searched for files.")]
TopK = Annotated[int, typer.Option("--top-k", metavar="N", min=1, help="How many answers an input.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def predict(
    run: RunPath,
    inputs: Inputs,
    top_k: TopK = 1,
    backend: BackendName = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Answer files and folders with a run's model: names, keyed by input."""
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other", hint="give one of them")
    from headstart.registry import load_registry
    from headstart.run import Run

    opened = Run.load(run, registry=load_registry(disable=tuple(disable_plugin or ())))
    answers = opened.predict(inputs, top_k=top_k, backend=backend)
    if as_json:
        print_json(answers)
        return
    columns, rows = tabulate(answers)
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        print_table(columns, rows)


def tabulate(answers: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Answers as columns and rows; of lists of mappings, each place gets its own columns.

    But for a `top_k` of one, which says again what the answer says.
    """
    flat = [_flatten(answer) for answer in answers]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    return columns, [[row.get(column, "") for column in columns] for row in flat]


def _flatten(answer: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in answer.items():
        if not isinstance(value, list):
            flat[key] = value
        elif key != "top_k" or len(value) > 1:
            for place, item in enumerate(value, start=1):
                flat |= {f"{name}_{place}": part for name, part in item.items()}
    return flat
