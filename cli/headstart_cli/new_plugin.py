"""headstart new-plugin: a plugin project to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart_cli.options import Debug, DisablePlugins
from headstart_cli.output import print_text, say

NEXT = """\
next:
  cd {folder}
  pip install -e '.[test]'
  python -m pytest
  headstart plugins
README.md there is the guide for authors."""


def new_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, - and _.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="A folder that is new or empty. Default: headstart-NAME."),
    ] = None,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Write the project of a new plugin: a backbone, a dataset, an augmentation, targets, a reporter, and tests."""
    import shlex

    from headstart.template import PluginNames, write_plugin

    folder = out if out is not None else Path(PluginNames(name).distribution)
    write_plugin(name, folder)
    print_text(str(folder))
    say(NEXT.format(folder=shlex.quote(str(folder))))
