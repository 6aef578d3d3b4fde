"""headstart check: everything that is to be said of data before a run."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from typing import Annotated

import typer

from headstart_cli import completion
from headstart_cli.options import AsJson, Debug, DisablePlugins, Sets, registry_without
from headstart_cli.output import message_console, print_heading, print_rows, print_text


def check(
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="A dataset or a path.", show_default=False, autocompletion=completion.data),
    ],
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="NAME",
            help="What is to be learned. Default: as the targets say.",
            autocompletion=completion.offers("tasks"),
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", help="Check so many records in all, as a run would take.")
    ] = None,
    set_: Sets = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write every case that is told to a CSV file: level, message, case."
        ),
    ] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Read all of DATA and print everything that is wrong with it or worth knowing; exit 3 where `fit` would stop."""
    from headstart.atomic import write_file
    from headstart.documents import as_bytes
    from headstart.errors import DataError
    from headstart.recipes.build import build_recipe
    from headstart.recipes.resolve import resolve_recipe
    from headstart.runs.planning import check_data

    registry = registry_without(disable_plugin)
    flags = {"data": data, "task": task, "limit": limit}
    resolved = resolve_recipe(build_recipe(flags=flags, sets=tuple(set_ or ())), registry)
    with message_console().status("reading") as status:
        findings = check_data(
            resolved, registry, on_progress=lambda done, total: status.update(f"reading: {done} of {total}")
        )
    if out is not None:
        table = io.StringIO()
        lines = csv.writer(table, lineterminator="\n")
        lines.writerow(("level", "message", "case"))
        for finding in findings:
            title = finding.message.partition("\n")[0]
            lines.writerows((finding.level, title, case) for case in finding.cases or (title,))
        write_file(out, as_bytes(table.getvalue()))
    if findings or as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        print_rows(rows, ("level", "message", "count", "hint"), as_json=as_json)
        for finding in findings if not as_json else ():
            if any(case not in finding.message for case in finding.cases):  # it names the first few
                print_heading(finding.message.partition("\n")[0])
                for case in finding.cases:
                    print_text(f"  {case}")
                print_text()
    else:
        print_text("nothing to say: the data is sound")
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(DataError.exit_code)
