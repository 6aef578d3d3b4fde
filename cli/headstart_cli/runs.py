"""headstart evaluate, predict and report: what a finished run is asked for."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.errors import HeadstartError, UsageError
from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, registry_without
from headstart_cli.output import cell, print_json, print_table, print_text, say

if TYPE_CHECKING:
    from headstart.run import Run

STDIN = "-"
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder.")]


def evaluate(
    run: RunPath,
    data: Annotated[
        str | None, typer.Argument(help="Other labelled data, all of it scored. Default: the run's own test split.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", metavar="NAME", help="train, val, test or all, of the run's own data.")
    ] = "test",
    backend: BackendName = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", metavar="FILE", help="Write every answer to this CSV file.")
    ] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Score a run's model: on its own held-out samples, or on other data."""
    opened = _open(run, disable_plugin)
    evaluation = opened.evaluate(data, split=split, backend=backend, predictions=predictions)
    for warning in evaluation.document["warnings"]:
        say(f"warning: {warning}")
    if predictions is not None:
        say(f"answers written to {predictions}")
    if as_json:
        print_json(dict(evaluation.document))
        return
    for name, metrics in evaluation.document["metrics"].items():
        intervals = evaluation.document["intervals"].get(name, {})
        rows = [
            (
                metric,
                value,
                f"{cell(intervals[metric][0])} to {cell(intervals[metric][1])}" if metric in intervals else None,
            )
            for metric, value in metrics.items()
        ]
        title = f"{name}: {evaluation.document['samples'][name]:,} samples, on {evaluation.document['backend']}"
        print_table(("metric", "value", "95 % interval"), rows, title=title)


def predict(
    run: RunPath,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT]...",
            help="Files, folders searched for files, tables with a column path or text; texts, where the run reads "
            "texts. - reads one input a line from stdin.",
        ),
    ] = None,
    texts: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="A text to answer. Can be repeated.")
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", metavar="N", min=1, help="How many answers an input.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the files that the task makes of its answers.")
    ] = None,
    backend: BackendName = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Answer files, folders, tables or texts with a run's model: names, keyed by input."""
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other", hint="give one of them")
    if not inputs and not texts:
        raise UsageError("nothing to answer", hint="name files or folders, give --text TEXT, or - to read stdin")
    from headstart.documents import plain

    opened = _open(run, disable_plugin)
    given = [line for each in inputs or () for line in (_lines() if each == STDIN else (each,))]
    answers = opened.predict(given, texts=texts or (), top_k=top_k, backend=backend, out=out)
    if as_json:
        print_json(plain(answers))
        return
    columns, rows = tabulate(answers)
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        print_table(columns, rows)


def _lines() -> list[str]:
    """The inputs on stdin, one a line; empty lines are none. Only a newline ends one: texts hold other separators."""
    lines = [line for line in sys.stdin.read().split("\n") if line.strip()]
    if not lines:
        raise UsageError("stdin holds no input", hint="write one path or text on each line")
    return lines


def tabulate(answers: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Answers as columns and rows; of lists of mappings, each place gets its own columns.

    But for a `top_k` of one, which says again what the answer says. Of an array, such as a mask, its shape is shown.
    """
    flat = [_flatten(answer) for answer in answers]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    return columns, [[row.get(column, "") for column in columns] for row in flat]


def _flatten(answer: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in answer.items():
        if shape := getattr(value, "shape", ()):
            flat[key] = " x ".join(map(str, shape))
        elif not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            flat[key] = value
        elif key != "top_k" or len(value) > 1:
            for place, item in enumerate(value, start=1):
                flat |= {f"{name}_{place}": part for name, part in item.items()}
    return flat


def report(
    run: RunPath,
    reporter: Annotated[
        list[str] | None,
        typer.Option("--reporter", metavar="NAME", help="Which reports; default: those of the run. Can be repeated."),
    ] = None,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Draw a run's reports again from its folder."""
    opened = _open(run, disable_plugin)
    failures = opened.report(reporter, interactive=sys.stderr.isatty())
    if failures:
        raise HeadstartError("; ".join(failures), hint="--reporter NAME draws the others alone")
    for path in sorted(opened.folder.report.rglob("*")):
        if path.is_file():
            print_text(str(path))


def _open(path: Path, disable: list[str] | None) -> Run:
    from headstart.run import Run

    return Run.load(path, registry=registry_without(disable))
