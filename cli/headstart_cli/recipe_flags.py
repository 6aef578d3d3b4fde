"""The flags of verbs that take a recipe: its settings, and the flags of the installed input kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from headstart.specs import InputSpec

ImageSize = Annotated[
    str | None, typer.Option("--image-size", metavar="N", help="Pixels a side, instead of the native size.")
]
GIVEN = "--input-flag"
"""What a flag of an input kind is passed on as: `--max-tokens 64` is `--input-flag max-tokens=64`."""
InputFlags = Annotated[list[str] | None, typer.Option(GIVEN, metavar="NAME=VALUE", hidden=True)]


def flags_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What `build_recipe` takes of a verb's parameters: those named like a setting, and the input kinds' flags."""
    from headstart.options import Text
    from headstart.recipe import SETTINGS

    flags = {name: value for name, value in arguments.items() if name in SETTINGS}
    if (size := arguments.get("image_size")) is not None:
        flags["image_size"] = Text(size)
    for written in arguments.get("input_flags") or ():
        name, _, value = written.partition("=")
        flags[name.replace("-", "_")] = Text(value)
    return flags


class TakesInputFlags(TyperCommand):
    """A verb that knows the flags of the installed input kinds. Plugins are loaded only where a flag is not its own."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer's own
        """Take the flags of input kinds out of what Typer would refuse."""
        known = {spelling for param in self.params for spelling in (*param.opts, *param.secondary_opts)}
        return super().parse_args(ctx, [*_passed_on(args, {*known, "--help"})])

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show them below the verb's own."""
        told = ", ".join(f"--{flag} ({spec.name}: {option})" for flag, option, spec in _input_flags())
        self.epilog = f"Flags of the installed input kinds, with the options that they set: {told}." if told else None
        super().format_help(ctx, formatter)


def _passed_on(args: Sequence[str], known: set[str]) -> Iterator[str]:
    """The arguments, each flag of an input kind as `--input-flag NAME=VALUE`."""
    tokens = iter(args)
    for token in tokens:
        name, equals, value = token.partition("=")
        if token == "--":
            yield from (token, *tokens)
        elif not name.startswith("--") or name in known or name[2:] not in {flag for flag, _, _ in _input_flags()}:
            yield token
        else:
            yield from (GIVEN, f"{name[2:]}={value if equals else next(tokens, '')}")


def _input_flags() -> list[tuple[str, str, InputSpec]]:
    """Flag, option and input kind of every flag that an installed kind declares."""
    from headstart.registry import load_registry

    return [
        (flag, option, spec) for spec in load_registry().specs("inputs") for flag, option in sorted(spec.flags.items())
    ]
