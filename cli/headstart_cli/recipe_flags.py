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
        try:
            return super().parse_args(ctx, [*_passed_on(args, {*known, "--help"})])
        except Exception as exc:
            # Typer's error for an unknown option, whose class it does not export
            if isinstance(unknown := getattr(exc, "option_name", None), str) and hasattr(exc, "possibilities"):
                exc.possibilities = _meant(unknown, known - {GIVEN})
            raise

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


def _meant(unknown: str, known: set[str]) -> list[str]:
    """The flags that are spelled like an unknown one or begin with its letters, such as `--lr`; and the setting, where
    an option that an offer declares is called so."""
    from headstart.options import describe_options
    from headstart.recipe import NAMED_TABLES, OPTION_TABLES
    from headstart.registry import load_registry
    from headstart.suggest import near_misses

    name, registry = unknown.lstrip("-"), load_registry()
    flags = {flag[2:] for flag in known if flag.startswith("--")} | {flag for flag, _, _ in _input_flags()}
    initials = {flag for flag in flags if "-" in flag and "".join(word[0] for word in flag.split("-")) == name}
    settings = {
        f"--set {table}.{option.name}=VALUE"
        for table, kind in OPTION_TABLES.items()
        if table not in NAMED_TABLES
        for spec in registry.specs(kind)
        for option in describe_options(spec.options)
        if option.name == name.replace("-", "_")
    }
    return [*settings, *(f"--{flag}" for flag in initials | {*near_misses(name, flags)})]


def _input_flags() -> list[tuple[str, str, InputSpec]]:
    """Flag, option and input kind of every flag that an installed kind declares."""
    from headstart.registry import load_registry

    return [
        (flag, option, spec) for spec in load_registry().specs("inputs") for flag, option in sorted(spec.flags.items())
    ]
