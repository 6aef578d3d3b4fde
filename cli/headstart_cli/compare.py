"""headstart compare."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from headstart_cli import completion
from headstart_cli import fit as choices
from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, Sets, registry_without
from headstart_cli.output import message_console, print_heading, print_json, print_table, print_text, say
from headstart_cli.recipe_flags import ImageSize, InputFlags, flags_of

if TYPE_CHECKING:
    from headstart.transfer.comparison.cells import Design, Measured
    from headstart.transfer.comparison.running import State

    Told = Callable[[Design, State], None]


def compare(
    data: Annotated[
        str | None,
        typer.Argument(help="A dataset's name, a path, or KIND:PATH.", autocompletion=completion.data),
    ] = None,
    recipe: choices.RecipeFile = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            "--backbone",
            metavar="REF",
            help="A source, such as a network or a run; can be repeated. Default: that of the data's kind.",
            autocompletion=completion.backbones_or_runs,
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            metavar="NAME",
            help="What is compared with training from scratch; can be repeated. Default: probe, lp_ft and full.",
            autocompletion=completion.offers("strategies"),
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds",
            metavar="N|SEED,...",
            help="How many, from 0 on, or which: of weights, order, and which share of train learns. Default: 3.",
        ),
    ] = None,
    fractions: Annotated[
        str | None,
        typer.Option(
            "--fractions",
            metavar="SHARE,...",
            help="Shares of train: 0.1,1 or 10%,100%. Default: 1, 3, 10, 30 and 100 %, those that are large enough.",
        ),
    ] = None,
    weights: choices.Weights = None,
    backend: BackendName = None,
    task: choices.Task = None,
    head: choices.Head = None,
    head_from: choices.HeadFrom = None,
    augment: choices.Augment = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs", metavar="N", help="The budget of every arm. Default: the most that any of them has.", min=1
        ),
    ] = None,
    batch_size: choices.BatchSize = None,
    image_size: ImageSize = None,
    limit: choices.Limit = None,
    split_seed: choices.SplitSeed = None,
    engine: choices.Engine = None,
    precision: choices.Precision = None,
    batch_norm: choices.BatchNorm = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", help="Runs at once. Default: as many as there are cores.", min=1),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", metavar="N", help="Of each run. Default: the cores over the runs, 1 at least.", min=1
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="The comparison's folder; new or empty.")
    ] = None,
    set_: Sets = None,
    input_flags: InputFlags = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the comparison in --out, with what is missing.")
    ] = False,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Say what transfer is worth on your data: beside the same network from scratch, on one split, at one budget.

    Writes a folder with a run for each cell, comparison.json, and report/ with a page and plots.
    """
    own = ("data", "backbone", "strategy", "epochs", "threads", "out")
    flags = {name: value for name, value in flags_of(locals()).items() if name not in own}
    from headstart.transfer.comparison.comparing import compare as run

    with _told() as told:
        found = run(
            data,
            recipe=recipe,
            backbones=tuple(backbone or ()),
            strategies=tuple(strategy or ()),
            seeds=None if seeds is None else _seeds(seeds),
            fractions=None if fractions is None else _shares(fractions),
            epochs=epochs,
            out=out,
            resume=resume,
            jobs=jobs,
            threads=threads,
            sets=tuple(set_ or ()),
            registry=registry_without(disable_plugin),
            told=told,
            **flags,
        )
    if as_json:
        print_json(dict(found.document))
        return
    _show(found.document)
    print_text(f"report: {found.path / 'report' / 'report.html'}")


def _seeds(written: str) -> tuple[int, ...]:
    """`3` is 0, 1 and 2; `4,7` and `7,` are these."""
    from headstart.errors import UsageError

    parts = [part.strip() for part in written.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts) or parts == ["0"]:
        raise UsageError(f"--seeds {written}: expected how many, or which", hint="such as 3, or 0,1,2")
    return tuple(map(int, parts)) if "," in written else tuple(range(int(parts[0])))


def _shares(written: str) -> tuple[float, ...]:
    """`0.1,1` or `10%,100%`."""
    from headstart.errors import UsageError

    try:
        parts = [part.strip() for part in written.split(",") if part.strip()]
        shares = [float(part.rstrip("% ")) / (100 if part.endswith("%") else 1) for part in parts]
    except ValueError:
        shares = []
    if not shares:
        raise UsageError(f"--fractions {written}: expected shares of train", hint="such as 0.1,0.5,1 or 10%,50%,100%")
    return tuple(shares)


@contextlib.contextmanager
def _told() -> Iterator[Told]:
    """Whom to tell how far a comparison is: bars in a terminal, elsewhere a line for each run that ends."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = message_console()
    if not console.is_terminal:
        yield _tell_lines
        return
    description = TextColumn("{task.description}", markup=False)
    columns = (description, BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        whole = progress.add_task("reads the data", total=None, count="")
        lines: dict[str, Any] = {}

        def tell(design: Design, state: State) -> None:
            progress.update(
                whole,
                description="runs",
                completed=state.done,
                total=state.total,
                count=f"{state.done} of {state.total}",
            )
            if state.just is not None:
                progress.console.print(Text(_line(design, state.just, state)))
            now = {cell.name: f"  {cell}: {doing}" for cell, doing in state.running}
            for name in [name for name in lines if name not in now]:
                progress.remove_task(lines.pop(name))
            for name, told in now.items():
                if name not in lines:
                    lines[name] = progress.add_task(told, total=None, count="")
                progress.update(lines[name], description=told)

        yield tell


def _tell_lines(design: Design, state: State) -> None:
    if state.just is not None:
        say(_line(design, state.just, state))


def _line(design: Design, measured: Measured, state: State) -> str:
    figure = measured.failed or (f"test {measured.metric} {measured.test:.4f}" if measured.test is not None else "-")
    seconds = f", {measured.seconds['total']:.0f} s" if "total" in measured.seconds else ""
    return f"{time.strftime('%H:%M:%S')} {state.done} of {state.total}: {measured.cell}: {figure}{seconds}"


def _show(document: Mapping[str, Any]) -> None:
    """The tables and the verdict on stdout."""
    counts = document["samples"]
    print_heading(
        f"{document['data']}, {document['primary_metric'].replace('_', ' ')} on {counts['test']} test samples"
    )
    print_text(
        f"{document['task']} on {document['backend']}; seeds {', '.join(map(str, document['seeds']))}; "
        f"{document['threads']} thread{'s' if document['threads'] > 1 else ''} a run, {document['jobs']} at once; "
        "mean ± half of the 95 % interval over seeds"
    )
    print_text()
    names = [arm["name"] for arm in document["arms"]]
    rows = {(row["arm"], row["fraction"]): row for row in document["curves"]}
    print_table(
        ("of train", "samples", *names),
        [
            (
                f"{100 * share:g} %",
                counts[f"train {100 * share:g} %"],
                *(_mean(rows.get((name, share))) for name in names),
            )
            for share in document["fractions"]
        ],
    )
    for name, figure in document.get("baseline", {}).items():
        print_text(f"baseline {name.replace('_', ' ')}, without a model: {figure:.4f}")
    print_text()
    columns = ("arm", "epochs", "gain over scratch", "labels are worth", "seconds to scratch's best val")
    print_table(columns, [*_arm_rows(document, rows)])
    print_text()
    for row in document["classes"]:
        for what in ("gained", "lost"):
            if row[what]:
                print_text(f"{row['arm']} surely {what} in {row['figure']}: {', '.join(row[what])}")
        if not (row["gained"] or row["lost"]):
            told = [f"{each['class']} {each['mean']:+.3f}" for each in row["gains"]]
            ends = f"most {', '.join(told[:3])}"
            ends += f"; least {', '.join(told[3:][:-4:-1])}" if told[3:] else ""
            print_text(f"{row['arm']}: no class surely gained or lost in {row['figure']}; {ends}")
    for sentence in document["verdict"]["sentences"]:
        print_text(f"- {sentence}")
    print_text()
    print_heading(document["verdict"]["line"])
    for note in [*document["failed"], *document["notes"]]:
        say(note)
    sys.stdout.flush()


def _arm_rows(document: Mapping[str, Any], rows: Mapping[tuple[str, float], Any]) -> Iterator[Sequence[Any]]:
    from headstart.transfer.comparison.analysis import amount

    whole = document["fractions"][-1]
    labels = {row["arm"]: row for row in document["labels"]}
    seconds = {row["arm"]: row for row in document["time"]}
    for arm in document["arms"]:
        row, of_labels, of_time = (found.get(key) for found, key in (
            (rows, (arm["name"], whole)), (labels, arm["name"]), (seconds, arm["name"])
        ))  # fmt: skip
        gain, saved, reached = "-", "-", "-"
        if row and row["gain"]:
            gain = amount(row["gain"]["mean"], document["unit"])
            if row["gain"]["low"] is not None:
                ends = (amount(row["gain"][end], document["unit"]).removesuffix(" points") for end in ("low", "high"))
                gain += f" ({' to '.join(ends)})"
            elif len(row["seeds"]) > 1:
                gain += " (all alike)"
        if of_labels:
            saved = f"{of_labels['bound']} {of_labels['ratio']:.3g}x".strip()
        if of_time and of_time["of"]:
            never = f"{of_time['reached']} of {of_time['of']} runs"
            reached = never if of_time["seconds"] is None else f"{of_time['seconds']:.1f} ({never})"
        yield arm["name"], arm["epochs"] or ("solved" if arm["trained"] else "none"), gain, saved, reached


def _mean(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "-"
    half = "" if row["ci95"] is None else f" ± {(row['ci95'][1] - row['ci95'][0]) / 2:.4f}"
    if row["ci95"] is None and len(row["seeds"]) > 1:
        half = " (all alike)"
    return f"{row['mean']:.4f}{half}"
