"""headstart report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from headstart.errors import HeadstartError
from headstart_cli.options import Debug, DisablePlugins
from headstart_cli.output import print_text

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder.")]
Reporter = Annotated[
    list[str] | None,
    typer.Option("--reporter", metavar="NAME", help="Which reports; default: those of the run. Can be repeated."),
]


def report(
    run: RunPath,
    reporter: Reporter = None,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Draw a run's reports again from its folder."""
    from headstart.registry import load_registry
    from headstart.run import Run

    opened = Run.load(run, registry=load_registry(disable=tuple(disable_plugin or ())))
    failures = opened.report(reporter, interactive=sys.stderr.isatty())
    if failures:
        raise HeadstartError("; ".join(failures), hint="--reporter NAME draws the others alone")
    for path in sorted(opened.folder.report.rglob("*")):
        if path.is_file():
            print_text(str(path))
