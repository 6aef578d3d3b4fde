"""headstart rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart_cli import completion
from headstart_cli import fit as choices
from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, Sets, registry_without
from headstart_cli.output import data_console, message_console, print_json, print_table, print_text, say
from headstart_cli.recipe_flags import ImageSize, InputFlags, flags_of

if TYPE_CHECKING:
    from rich.table import Table

    from headstart.specs import Baseline
    from headstart.transfer.ranking.candidates import Absent
    from headstart.transfer.ranking.jobs import Ranking
    from headstart.transfer.ranking.rows import Row

FIRST = ("probe", "knn", "logme", "h_score")
"""Scores that stand in the table, in this order, after the one that decides; a page has all."""
NARROW = 110
"""Columns of a terminal below which one score beside the deciding one has room."""


def rank(
    data: choices.Data = None,
    recipe: choices.RecipeFile = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            "--backbone",
            metavar="REF",
            help="A source: a name, NAME:SET for one set of its weights (NAME:none for random ones), a path or a run. "
            "Default: all whose weights are here, and the runs below runs/. Can be repeated.",
            autocompletion=completion.backbones_or_runs,
        ),
    ] = None,
    limit: choices.Limit = None,
    backend: BackendName = None,
    task: choices.Task = None,
    image_size: ImageSize = None,
    split_seed: choices.SplitSeed = None,
    engine: choices.Engine = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="SCORE",
            help="The score that puts sources in order. Default: probe.",
            autocompletion=completion.offers("scores"),
        ),
    ] = None,
    set_: Sets = None,
    input_flags: InputFlags = None,
    then_fit: Annotated[
        bool, typer.Option("--then-fit", help="Fine-tune the recommended source; its features are not computed again.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where page, plot and numbers go. Default: runs/ranking-DATA."),
    ] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Say which source suits your data best, before anything is trained.

    Each source computes the features of your training and validation records once; scores say what they are worth.

    What is computed is kept: a second ranking, and a run on one of the sources, begin where this one ended.
    """
    flags = flags_of(
        {
            **dict(limit=limit, backend=backend, task=task, split_seed=split_seed, engine=engine),
            **dict(image_size=image_size, input_flags=input_flags),
        }
    )
    from headstart.errors import UsageError
    from headstart.runs.folder import RUNS
    from headstart.transfer.ranking.jobs import Stated
    from headstart.transfer.ranking.jobs import rank as ranked
    from headstart.transfer.ranking.report import RUN, verify_place, write_ranking

    registry = registry_without(disable_plugin)
    stated = Stated({**flags, "data": data}, recipe, tuple(set_ or ()))
    folder = out or RUNS / f"ranking-{_stem(stated.recipe().data or 'data')}"
    verify_place(folder)
    with _Live(registry, by) as live:
        ranking = ranked(
            data,
            recipe=recipe,
            backbone=tuple(backbone or ()),
            by=by,
            sets=stated.sets,
            registry=registry,
            on_row=live.add,
            on_progress=live.tell,
            **flags,
        )
    files = write_ranking(ranking, folder)
    document: dict[str, Any] = {**ranking.document(), "files": files}
    if not as_json:
        _show(ranking, files["html"])
    if then_fit:
        if ranking.recommended is None:
            raise UsageError("no source can be recommended, so none is trained", hint=ranking.reason)
        from headstart.runs.fitting import run_recipe

        place = str(out / RUN) if out is not None else None
        run = run_recipe(stated.recipe(ranking.recommended.candidate, out=place), registry)
        document["run"] = dict(run.result)
        if not as_json:
            print_text(str(run.path))
    if as_json:
        print_json(document)


def _stem(data: str) -> str:
    """A folder's name for data: the last part of its path or reference."""
    last = Path(data.rpartition(":")[2]).name or "data"
    return Path(last).stem or last


class _Live:
    """The table as it grows, on stderr where that is a terminal; else a line a source."""

    def __init__(self, registry: Any, by: str | None) -> None:
        from headstart.transfer.ranking.recommending import deciding

        self._by = deciding(registry, by)
        self._rows: list[Row] = []
        self._console = message_console()
        self._now = ""
        self._live: Any = None

    def __enter__(self) -> _Live:
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self._console, transient=True, refresh_per_second=8)
            self._live.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*exc)

    def add(self, row: Row) -> None:
        """A source is done."""
        self._rows.append(row)
        self._now = ""
        if self._live is not None:
            self._live.update(self._drawn())
        else:
            found = row.scores.get(self._by.short_name)
            told = row.problem or row.refused.get(self._by.short_name, "no score")
            score = told if found is None else f"{self._by.short_name} {found.value:.3f}"
            say(f"{row.candidate.name}: {score} ({row.seconds:.1f} s)")

    def tell(self, source: str, activity: str, done: int, total: int) -> None:
        """How far the source is that is at work."""
        self._now = f"{source}: {activity} {done} of {total}"
        if self._live is not None:
            self._live.update(self._drawn())

    def _drawn(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        from headstart.transfer.ranking.recommending import in_order

        rows = in_order(self._rows, self._by)
        columns, cells = _cells(rows, self._by.short_name, None, _width(self._console.width))
        return Group(_table(columns, cells), Text(self._now, style="dim"))


def _table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def _width(columns: int) -> int:
    """How many scores have room beside the one that decides."""
    return 1 if columns < NARROW else len(FIRST) - 1


def _cells(
    rows: Sequence[Row], by: str, best: Row | None, beside: int, baselines: Mapping[str, Baseline] | None = None
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and cells of a table of sources, and below them of what answers get that look at none."""
    from headstart.transfer.ranking.report import by_answer

    there = [name for name in FIRST if name != by and any(name in row.scores for row in rows)][:beside]
    facts = ("source accuracy", "parameters", "samples/s")
    if beside == _width(0):  # names, which are to be typed, need the room
        facts = ("source\naccuracy", "para-\nmeters", "samples\n/s")
    columns = ("source", f"{by} (95 %)", *there, *facts)
    cells = []
    for row in rows:
        found = row.scores.get(by)
        score = "-"
        if found is not None:
            reach = max(found.value - found.interval[0], found.interval[1] - found.value)
            score = f"{found.value:.3f} ± {reach:.3f}"
        accuracy, parameters = row.candidate.source_accuracy, row.candidate.spec.parameters
        cells.append(
            (
                ("* " if row is best else "  ") + row.candidate.name,
                score,
                *(f"{row.scores[name].value:.3f}" if name in row.scores else "-" for name in there),
                "-" if accuracy is None else f"{accuracy:.3f}",
                "-" if parameters is None else f"{parameters / 1e6:.1f} M",
                "-" if row.rate is None else f"{row.rate:.0f}",
            )
        )
    for says, values in by_answer(baselines or {}).items():
        shown = [f"{values[name]:.3f}" if name in values else "-" for name in (by, *there)]
        if set(shown) != {"-"}:
            cells.append((f"  {says}", *shown, "-", "-", "-"))
    return columns, cells


def _show(ranking: Ranking, page: str) -> None:
    by = ranking.by.short_name
    columns, cells = _cells(ranking.rows, by, ranking.recommended, _width(data_console().width), ranking.baselines)
    print_table(columns, cells)
    summary = ranking.by.summary.rstrip(".")
    print_text(f"{by + ':':<12} {summary[:1].lower()}{summary[1:]} ({ranking.by.unit}; higher is better)")
    for row in ranking.rows:
        if row.problem:
            print_text(f"{row.candidate.name}: {row.problem}")
        elif by not in row.scores:
            print_text(f"{row.candidate.name}: {row.refused.get(by)}")
        if row.met:
            print_text(f"{row.candidate.name} met {row.met} of these records before: what it scores flatters")
    if ranking.recommended is not None:
        row = ranking.recommended
        weights = f" --weights {row.candidate.weights_flag}" if len(row.candidate.spec.weights) > 1 else ""
        print_text(f"recommended: --backbone {row.candidate.backbone}{weights}")
    why, *more = ranking.reason.split("; ")
    for head, told in (("why:", why), *(("", each) for each in more)):
        print_text(f"{head:<12} {told}")
    looked = ranking.samples["train"] + ranking.samples["val"]
    print_text(f"looked at:   {looked} records of train and val; the {ranking.samples['test']} of test were not")
    _show_absent(ranking.absent)
    print_text(f"report:      {page}")
    for finding in ranking.findings:
        if finding.level == "warning":
            say(finding.message)


def _show_absent(absent: Sequence[Absent]) -> None:
    """What is not ranked: with the command that brings it, or why."""
    names = [each.name for each in absent if each.get]
    if names:
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        print_text(f"not here:    {shown}; `headstart weights get NAME` brings one")
    for each in absent:
        if not each.get:
            print_text(f"left out:    {each.name}: {each.reason}")
