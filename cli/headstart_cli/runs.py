"""headstart evaluate, predict and report: what a finished run is asked for."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.documents import FILE_NAMES
from headstart.errors import REFUSED, DataError, HeadstartError, InterruptedRunError, UsageError
from headstart_cli import completion
from headstart_cli.answers import print_as_csv, print_as_json, print_as_lines, print_as_table, unranked_told
from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, registry_without
from headstart_cli.output import cell, print_error, print_json, print_table, print_text, say

if TYPE_CHECKING:
    from headstart.run import Run
    from headstart.runs.evaluation import OnProgress

STDIN = "-"
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="predict.tile=640 cuts larger pictures into tiles of so many pixels, which overlap by predict.overlap: "
        "0.2 of their side if unset, pixels from 1 on. predict.lines=true answers each line of a text file by itself. "
        "dataset.folder=new says how other data is read, "
        "task.threshold=0.5 how the task answers, where it can be asked so. Can be repeated.",
        autocompletion=completion.answer_settings,
    ),
]
AnsweredIn = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="What computes, as in fit; auto: the fastest that repays its start, for many inputs. It is held equal "
        "to stock layers on 64 of them, once a model; stock: these alone.",
        autocompletion=completion.offers("engines", "auto", "stock"),
    ),
]
RunPath = Annotated[
    Path, typer.Argument(metavar="RUN", help="A finished run's folder.", autocompletion=completion.runs)
]


def evaluate(
    run: RunPath,
    data: Annotated[
        str | None,
        typer.Argument(
            help="Other labelled data, all of it scored. Default: the run's own test split.",
            autocompletion=completion.data,
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            "--split",
            metavar="NAME",
            help="train, val, test or all, of the run's own data.",
            autocompletion=completion.words("train", "val", "test", "all"),
        ),
    ] = "test",
    backend: BackendName = None,
    engine: AnsweredIn = "auto",
    predictions: Annotated[
        Path | None, typer.Option("--predictions", metavar="FILE", help="Write every answer to this CSV file.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="RUN",
            help="Another run of the same task: what the first scores above it on the same samples, with intervals of "
            "resamples that are drawn for both alike.",
        ),
    ] = None,
    set_: Settings = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Score a run's model: on its own held-out samples, or on other data."""
    opened = _open(run, disable_plugin)
    asked: dict[str, Any] = {"split": split, "backend": backend, "engine": engine, "sets": set_ or ()}
    if against is None:
        document = opened.evaluate(data, predictions=predictions, **asked).document
    elif predictions is None:
        document = opened.beside(_open(against, disable_plugin), data, **asked).document
    else:
        raise UsageError("--predictions writes the answers of one run", hint="leave out --against")
    for level in ("warning", "note"):
        for message in document[f"{level}s"]:
            say(f"{level}: {message}")
    if predictions is not None:
        say(f"answers written to {predictions}")
    if as_json:
        print_json(dict(document))
    elif against is None:
        _print_scores(document)
    else:
        _print_differences(document)


def _print_scores(document: Mapping[str, Any]) -> None:
    """Print a table of metrics with their intervals for each split."""
    for name, metrics in document["metrics"].items():
        intervals = document["intervals"].get(name, {})
        rows = [
            (
                metric,
                value,
                f"{cell(intervals[metric][0])} to {cell(intervals[metric][1])}" if metric in intervals else None,
            )
            for metric, value in metrics.items()
        ]
        title = f"{name}: {document['samples'][name]:,} samples, on {document['backend']}"
        print_table(("metric", "value", "95 % interval"), rows, title=title)


def _print_differences(document: Mapping[str, Any]) -> None:
    """Print what one run scores above another."""
    rows = [
        (
            metric,
            each["first"],
            each["second"],
            f"{each['difference']:+.4g}",
            f"{each['interval'][0]:+.4g} to {each['interval'][1]:+.4g}",
            f"{each['p_value']:.3f}",
        )
        for metric, each in document["differences"].items()
    ]
    ((name, count),) = document["samples"].items()
    title = f"{name}: {count:,} samples, on {document['backend']}; above {document['against']}"
    print_table(("metric", "value", "of the other", "difference", "95 % interval", "p"), rows, title=title)


def predict(
    run: RunPath,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT]...",
            help="Files, folders searched for files, tables with a column path or text; texts, where the run reads "
            "texts. - reads one input a line from stdin: paths or texts, no table.",
        ),
    ] = None,
    texts: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="A text to answer. Can be repeated.")
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", metavar="N", min=1, help="How many answers an input.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Write the files that the task makes of its answers. With --jsonl write answers.jsonl there, a line "
            "as it comes: the same command goes on after it was stopped.",
        ),
    ] = None,
    set_: Settings = None,
    engine: AnsweredIn = "auto",
    backend: BackendName = None,
    as_json: AsJson = False,
    as_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print a JSON object a line, as it comes; with --out write them there.")
    ] = False,
    as_csv: Annotated[
        bool,
        typer.Option(
            "--csv",
            help="Print CSV, a row as it comes; the column error says of an input why it cannot be read.",
        ),
    ] = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Answer files, folders, tables or texts with a run's model: names, keyed by input, in their order.

    What cannot be read is named on stderr, and has "error" in --json and --csv.
    All else is answered; then the exit code is 3. Rows of a table are called
    by its column id, or else by the path as written.
    """
    forms = {"json": as_json, "csv": as_csv, "jsonl": as_jsonl}
    if sum(forms.values()) > 1:
        raise UsageError("--json, --jsonl and --csv exclude each other", hint="give one of them")
    if not inputs and not texts:
        raise UsageError("nothing to answer", hint="name files or folders, give --text TEXT, or - to read stdin")
    from headstart.answer_jobs import ANSWERS
    from headstart.asking import verify_files_have_a_place

    opened = _open(run, disable_plugin)
    verify_files_have_a_place(set_ or (), opened.artefact.task_spec, out)
    given = [line for each in inputs or () for line in (_lines() if each == STDIN else (each,))]
    kept = out / ANSWERS if out is not None and as_jsonl else None
    errors: list[str] = []
    count = 0

    def answers(told: OnProgress | None) -> Iterator[Mapping[str, Any]]:
        nonlocal count
        found = opened.answers(
            given,
            texts=texts or (),
            top_k=top_k,
            backend=backend,
            out=out,
            sets=set_ or (),
            engine=engine,
            jsonl=as_jsonl,
            on_progress=told,
            on_finding=lambda finding: say(f"{finding.level}: {finding.message}"),
        )
        for answer in unranked_told(found, top_k, say):
            errors.extend([_why(answer)] if REFUSED in answer else [])
            yield answer
            count += 1

    try:
        with opened.told_progress("predict", "inputs", interactive=sys.stderr.isatty()) as told:
            form = next((name for name, asked in forms.items() if asked), "table")
            if kept is not None:
                for _ in answers(told):
                    pass
                added = count - len(errors)
                say(f"{added:,} {'answer' if added == 1 else 'answers'} added to {kept}")
            else:
                _print(opened, answers, form, told=told, top_k=top_k)
    except KeyboardInterrupt as exc:
        raise InterruptedRunError(f"stopped after {count:,} inputs; {_what_is_left(kept, as_jsonl or as_csv)}") from exc
    finally:
        for error in errors:
            print_error(error)
    if errors:
        others = "; all others are answered" if count > len(errors) else ""
        raise DataError(
            f"{len(errors):,} of {count:,} inputs cannot be read{others}", hint="mend them, or leave them out"
        )


def _why(refused: Mapping[str, Any]) -> str:
    """Why an input has no answer, with what it is called: a row of a table reads otherwise."""
    called, reason = str(refused["input"]), str(refused[REFUSED])
    return reason if called in reason else f"{called}: {reason}"


def _print(
    opened: Run,
    answers: Callable[[OnProgress | None], Iterator[Mapping[str, Any]]],
    form: str,
    *,
    told: OnProgress,
    top_k: int,
) -> None:
    """Print answers in a form; those of a run that come one by one without a live line on the same terminal."""
    alone = None if sys.stdout.isatty() else told
    if form == "csv":
        print_as_csv(opened.lines_of(answers(alone)), top_k)
    elif form == "jsonl":
        print_as_lines(answers(alone))
    elif form == "json":
        print_as_json(answers(told))
    else:
        print_as_table(opened.lines_of(answers(told)))


def _what_is_left(kept: Path | None, is_printed: bool) -> str:
    """What there is of answers before a stop."""
    if kept is not None:
        return f"their answers are in {kept}, and the same command goes on from there"
    return "their rows are printed" if is_printed else "nothing is printed; --csv and --jsonl print rows as they come"


def _lines() -> list[str]:
    """The inputs on stdin, one a line, without a BOM; empty lines are none. Only a newline ends one, or CRLF where it
    ends all: texts hold other separators."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors=FILE_NAMES)
    text = sys.stdin.read().removeprefix("\ufeff")
    lines = [line for line in text.split("\n") if line.strip()]
    ended = lines if text.endswith("\n") else lines[:-1]
    if ended and all(line.endswith("\r") for line in ended):
        lines = [line.removesuffix("\r") for line in lines]
    if not lines:
        raise UsageError("stdin holds no input", hint="write one path or text on each line")
    if len(lines) > 1 and _begins_a_table(lines[0]):
        say(
            f"warning: stdin looks like a table, as it begins with {lines[0][:80]!r}; each of its lines is answered as "
            "one input: name the table's file instead"
        )
    return lines


def _begins_a_table(line: str) -> bool:
    """Whether a line is a JSON object, or names of columns and nothing else."""
    names = re.split(r"[,;\t]", line.strip())
    return line.startswith('{"') or (len(names) > 1 and all(name.strip('"').isidentifier() for name in names))


def report(
    run: RunPath,
    reporter: Annotated[
        list[str] | None,
        typer.Option(
            "--reporter",
            metavar="NAME",
            help="Which reports; default: those of the run. Can be repeated.",
            autocompletion=completion.offers("reporters"),
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="reporter.NAME.KEY=VALUE",
            help="An option of a reporter, above the run's own: reporter.html.mistakes=30. Can be repeated.",
        ),
    ] = None,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Draw a run's reports again from its folder."""
    opened = _open(run, disable_plugin)
    failures = opened.report(reporter, sets=set_ or (), interactive=sys.stderr.isatty())
    if failures:
        raise HeadstartError("; ".join(failures), hint="--reporter NAME draws the others alone")
    for path in sorted(opened.folder.report.rglob("*")):
        if path.is_file():
            print_text(str(path))


def _open(path: Path, disable: list[str] | None) -> Run:
    from headstart.run import Run

    return Run.load(path, registry=registry_without(disable))
