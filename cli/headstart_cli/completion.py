"""What a shell is offered while a command line is typed: names of what plugins offer, settings, folders of runs.

Each function is an `autocompletion=` of a parameter: from the parameters so far and the word that is begun to words,
most with a sentence. They load the registry alone, no framework. Where nothing is offered, the shell completes files.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from headstart.options import Bounds
    from headstart.registry import Registry

VARIABLE = "_HEADSTART_COMPLETE"
"""What a shell's script sets to ask for words in place of running a command; the name is Typer's."""
RUNS = "runs"
"""Where runs lie unless `--out` says otherwise; that of `headstart.runs.folder`, which is not imported for it."""
MANY = 30
"""Words of which more have no sentence beside them: Typer takes a while for each."""
MOST = 1000
"""Entries of a folder that are looked at."""
NEEDS_QUOTES = re.compile(r"""[\s'"\\$`;&|<>*?(){}]""")
"""What a shell would take apart; such a word is left to the user."""
MEANS_SOMETHING = re.compile(r"[^\w\s.,%+-]")
Offered = list[tuple[str, str]]
"""Words, each with a sentence, or an empty one."""
Completion = Callable[[typer.Context, str], Offered]


def silence() -> None:
    """Let nothing but words reach the terminal, where a shell asks for some: a broken plugin would write into the line
    that is being typed."""
    if os.environ.get(VARIABLE, "").startswith("complete_"):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)


@contextlib.contextmanager
def words_as_typed() -> Iterator[None]:
    """Inside, words that bash took apart at `=` and `:`, such as `--set strategy.optimizer=sg`, are whole again; what
    bash keeps of them on the line by itself is left out of what is printed."""
    kept = _put_together() if os.environ.get(VARIABLE) == "complete_bash" else ""
    if not kept:
        yield
        return
    with contextlib.redirect_stdout(io.StringIO()) as out:
        yield
    sys.stdout.writelines(line.removeprefix(kept) for line in out.getvalue().splitlines(keepends=True))


def _put_together() -> str:
    """Mend the words that bash's script hands over; what of the one that is begun stands before bash's own part."""
    joined: list[str] = []
    at = place = int(os.environ.get("COMP_CWORD", "0"))
    kept, after_break = "", False
    for number, word in enumerate(os.environ.get("COMP_WORDS", "").split("\n")):
        breaks = word != "" and set(word) <= {"=", ":"}
        before = joined.pop() if joined and word and (breaks or after_break) else ""
        joined.append(before + word)
        if number == at:
            place, kept = len(joined) - 1, joined[-1] if breaks else before
        after_break = breaks
    os.environ.update(COMP_WORDS="\n".join(joined), COMP_CWORD=str(place))
    return kept


def words(*known: str) -> Completion:
    """These words."""

    def complete(ctx: typer.Context, incomplete: str) -> Offered:
        return [(each, "") for each in known]

    return complete


def offers(kind: str, *more: str) -> Completion:
    """The names of all offers of a kind, bare where that is unique and begins so, else full; and `more`."""

    def complete(ctx: typer.Context, incomplete: str) -> Offered:
        return [*((each, "") for each in more), *_names(_registry(ctx), kind, incomplete)]

    return complete


def backbones_or_runs(ctx: typer.Context, incomplete: str) -> Offered:
    """The names of backbones, and finished runs."""
    return [*_names(_registry(ctx), "backbones", incomplete), *((run, "a run") for run in _runs(incomplete))]


def plugins(ctx: typer.Context, incomplete: str) -> Offered:
    """The names of installed plugins, those among them that are broken: to be left out."""
    from headstart.host.discovery import find_plugins

    return [(name, "") for name in sorted({plugin.name for plugin in find_plugins()})]


def data(ctx: typer.Context, incomplete: str) -> Offered:
    """The datasets that need no path, and files beside them that begin alike: where none does, the shell's own."""
    found = list(_names(_registry(ctx), "datasets", incomplete, takes_path=False))
    return [*found, *((path, "") for path in _entries(incomplete))] if found else []


def weights(ctx: typer.Context, incomplete: str) -> Offered:
    """The weights of the backbone that is named so far, or of all backbones; and none."""
    registry = _registry(ctx)
    named = ctx.params.get("backbone")
    specs = [spec for spec in registry.specs("backbones") if named in (None, spec.name, spec.short_name)]
    return [(name, "") for name in sorted({"none", *(each.name for spec in specs for each in spec.weights)})]


def runs(ctx: typer.Context, incomplete: str) -> Offered:
    """The folders of finished runs: below runs/, and where the word points."""
    return [(path, "") for path in _runs(incomplete)]


def settings(ctx: typer.Context, incomplete: str) -> Offered:
    """KEY=VALUE of a recipe, the value the default, or each of those that can be chosen."""
    from headstart.options import describe_options
    from headstart.recipe import SETTINGS

    found = [pair for name, each in SETTINGS.items() for pair in _assignments(name, each, each.default)]
    for table, options in _tables(ctx):
        for option in describe_options(options):
            found += _assignments(f"{table}.{option.name}", option, option.default)
    return list(dict(found).items())


def answer_settings(ctx: typer.Context, incomplete: str) -> Offered:
    """How a finished run answers, and those of `settings` that say how other data is read."""
    from headstart.asking import PREDICT, PredictOptions
    from headstart.options import describe_options

    own = [
        pair
        for option in describe_options(PredictOptions)
        for pair in _assignments(f"{PREDICT}.{option.name}", option, option.default)
    ]
    return [*own, *(each for each in settings(ctx, incomplete) if each[0].startswith("dataset."))]


def _registry(ctx: typer.Context) -> Registry:
    """What all plugins offer but those that are disabled so far and installed."""
    from headstart.host.discovery import find_plugins
    from headstart.registry import load_registry

    disabled = ctx.params.get("disable_plugin") or ()
    known = {plugin.name for plugin in find_plugins()} if disabled else ()
    return load_registry(disable=tuple(name for name in disabled if name in known))


def _names(registry: Registry, kind: str, incomplete: str, **fields: Any) -> Iterator[tuple[str, str]]:
    """Names that begin so, each with its summary, of offers that have these values of `fields`."""
    specs = [
        spec for spec in registry.specs(kind) if all(getattr(spec, name) == value for name, value in fields.items())
    ]
    count = Counter(spec.short_name for spec in specs)
    bare = [(spec.short_name if count[spec.short_name] == 1 else spec.name, spec) for spec in specs]
    pairs = [(bare if bare.startswith(incomplete) else spec.name, spec) for bare, spec in bare]
    begun = [(name, spec) for name, spec in pairs if name.startswith(incomplete)]
    for name, spec in begun:
        yield name, _plain(spec.summary) if len(begun) <= MANY else ""


def _entries(incomplete: str) -> Iterator[str]:
    """Paths that begin so, written as the word is; none that would need quotes."""
    begun = incomplete.rpartition("/")[2]
    start = incomplete.removesuffix(begun)
    try:
        with os.scandir(Path(start or ".").expanduser()) as found:
            names = sorted(entry.name for entry in islice(found, MOST))
    except OSError:
        return
    shown = (name for name in names if name.startswith(begun) and (begun or not name.startswith(".")))
    yield from (path for path in (start + name for name in shown) if not NEEDS_QUOTES.search(path))


def _runs(incomplete: str) -> Iterator[str]:
    """Folders of finished runs that begin so: where the word points, and one folder `runs` below."""
    below = f"{incomplete.rpartition('/')[0]}/".lstrip("/") if "/" in incomplete else ""
    start = "/" + below if incomplete.startswith("/") else below
    inside = f"{start}{RUNS}/"
    further = _entries(inside) if inside.startswith(incomplete) else ()
    for path in (*_entries(incomplete), *further):
        folder = Path(path).expanduser()
        if (folder / "recipe.toml").is_file() and (folder / "result.json").is_file():
            yield path


def _tables(ctx: typer.Context) -> Iterator[tuple[str, type]]:
    """The tables of options, and what declares them: of what is named so far, or of all that could be."""
    from headstart.host.registry import matching
    from headstart.recipe import NAMED_TABLES, OPTION_TABLES, OWN_TABLES

    yield from OWN_TABLES.items()
    registry, given = _registry(ctx), ctx.params
    for table, kind in OPTION_TABLES.items():
        specs: Sequence[Any] = registry.specs(kind)
        named = given.get(table) if table in ("backbone", "task", "strategy") else None
        for spec in matching(specs, named) if named else specs:
            yield (f"{table}.{spec.short_name}" if table in NAMED_TABLES else table), spec.options


def _assignments(key: str, bounds: Bounds, default: Any) -> Iterator[tuple[str, str]]:
    values = ("true", "false") if isinstance(default, bool) else bounds.choices or (default,)
    for value in values:
        written = "none" if value is None else str(list(value) if isinstance(value, tuple) else value)
        written = written.replace(", ", ",")
        yield f"{key}={'' if NEEDS_QUOTES.search(written) else written}", _plain(bounds.help)


def _plain(sentence: str) -> str:
    """A sentence without all that zsh, which evaluates what it is given, would take for its own."""
    return MEANS_SOMETHING.sub("", sentence)
