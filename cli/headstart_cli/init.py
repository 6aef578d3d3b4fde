"""headstart init: a recipe to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart_cli.options import Debug, DisablePlugins, registry_without
from headstart_cli.output import print_text

FILENAME = "recipe.toml"


def init(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file to write, or a folder for recipe.toml.")] = Path(
        FILENAME
    ),
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Write a commented recipe: every setting and option with its default and a sentence."""
    from headstart.errors import UsageError
    from headstart.recipes.file import starter_recipe

    text = starter_recipe(registry_without(disable_plugin))
    file = path / FILENAME if path.is_dir() else path
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as exc:
        raise UsageError(f"{file} exists already", hint="name another file, or remove it first") from exc
    except FileNotFoundError as exc:
        raise UsageError(f"no such folder: {file.parent}", hint="create it first") from exc
    print_text(str(file))
