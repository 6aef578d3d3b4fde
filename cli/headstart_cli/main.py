"""The command `headstart`: mounts the verbs, and is the one place where errors become messages and exit
codes.
"""

from __future__ import annotations

import pkgutil
import sys
import traceback
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from headstart.errors import HeadstartError
from headstart_cli import completion
from headstart_cli.listing import LISTED, listing_of
from headstart_cli.options import Debug
from headstart_cli.output import escape_on_stdout, print_error, print_text
from headstart_cli.recipe_flags import TakesInputFlags

INTERRUPTED = 130

VERBS = (
    ("fit", "headstart_cli.fit:fit"),
    ("pretrain", "headstart_cli.fit:pretrain"),
    ("compare", "headstart_cli.compare:compare"),
    ("evaluate", "headstart_cli.runs:evaluate"),
    ("predict", "headstart_cli.runs:predict"),
    ("report", "headstart_cli.runs:report"),
    ("rank", "headstart_cli.rank:rank"),
    ("lr", "headstart_cli.lr:lr"),
    ("bench", "headstart_cli.bench:bench"),
    ("init", "headstart_cli.init:init"),
    ("new-plugin", "headstart_cli.new_plugin:new_plugin"),
    ("check", "headstart_cli.check:check"),
    ("doctor", "headstart_cli.doctor:doctor"),
    ("plugins", "headstart_cli.doctor:plugins"),
    ("backbones", "headstart_cli.listing:backbones"),
)
"""Each verb and its function. These modules are thin: they import the library when they are called."""

TAKE_INPUT_FLAGS = ("fit", "pretrain", "compare", "rank", "lr", "bench", "backbones")
"""Verbs that take the flags of input kinds."""

GROUPS = (
    ("augmentations", "headstart_cli.listing:augmentations_app"),
    ("datasets", "headstart_cli.listing:datasets_app"),
    ("weights", "headstart_cli.weights:app"),
    ("cache", "headstart_cli.cache:app"),
)
"""Verbs with verbs of their own."""


def build_app() -> typer.Typer:
    """The command line with every verb mounted."""
    built = typer.Typer(
        name="headstart",
        help="Transfer learning: a pretrained backbone, a new head, and proof of what it was worth.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    built.callback()(_root)
    for name, target in VERBS:
        command = TakesInputFlags if name in TAKE_INPUT_FLAGS else None
        built.command(name, cls=command)(pkgutil.resolve_name(target))
    for kind in LISTED:
        built.command(kind)(listing_of(kind))
    for name, target in GROUPS:
        built.add_typer(pkgutil.resolve_name(target), name=name)
    return built


def _print_version(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:  # which is where a shell asks what could follow
        from headstart.host.discovery import installed_version

        print_text(f"headstart {installed_version()}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop."),
    ] = False,
    debug: Debug = False,
) -> None:
    pass


app = build_app()


def run() -> NoReturn:
    """Run the command line and exit with the code of the contract."""
    from headstart.interrupts import leave, prompt

    completion.silence()
    escape_on_stdout()
    try:
        with prompt(), completion.words_as_typed():
            code = run_arguments(sys.argv[1:])
    except KeyboardInterrupt:  # after the last moment at which it could be heard
        code = INTERRUPTED
    if code == INTERRUPTED:
        leave()
    sys.exit(code)


def run_arguments(arguments: list[str]) -> int:
    """Run one command line; the exit code. Prints what went wrong, with the traceback where `--debug` is
    given.
    """
    debug = "--debug" in arguments[: arguments.index("--") if "--" in arguments else None]
    try:
        typer.main.get_command(app).main(args=arguments, prog_name="headstart")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(bool(exc.code))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as exc:  # the boundary: nothing may reach the user as a traceback unasked
        with suppress(OSError):  # the terminal may be gone: the exit code stands all the same
            if debug:
                traceback.print_exc()
            print_error(*_explained(exc, debug))
        return exc.exit_code if isinstance(exc, HeadstartError) else HeadstartError.exit_code
    return 0


def _explained(exc: Exception, debug: bool) -> tuple[str, str | None]:
    """An error in the user's words, and what to do next."""
    if isinstance(exc, HeadstartError):
        return exc.message, exc.hint
    if isinstance(exc, OSError):
        return str(exc), None if debug else "--debug shows where it happened"
    message = f"this is a bug in headstart or one of its plugins: {type(exc).__name__}: {exc}"
    return message, None if debug else "run it again with --debug for the traceback, and report that"
