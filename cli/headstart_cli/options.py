"""Options that every verb has, and those that several share; declared once so that they read alike everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headstart_cli import completion

if TYPE_CHECKING:
    from headstart.registry import Registry

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

DisablePlugins = Annotated[
    list[str] | None,
    typer.Option(
        "--disable-plugin",
        metavar="NAME",
        help="Leave a plugin out. Can be repeated.",
        autocompletion=completion.plugins,
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any value of a recipe, such as epochs=5 or dataset.KEY=VALUE; in quotes of its own it is text with its "
        "spaces: \"dataset.separator=' '\". Can be repeated.",
        autocompletion=completion.settings,
    ),
]

BackendName = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="jax|torch",
        help="What computes. Default: KERAS_BACKEND, then the recipe, then the first installed.",
        autocompletion=completion.words("jax", "torch"),
    ),
]


def registry_without(disable_plugin: list[str] | None) -> Registry:
    """What all plugins offer but those that `--disable-plugin` names."""
    from headstart.registry import load_registry

    return load_registry(disable=tuple(disable_plugin or ()))
