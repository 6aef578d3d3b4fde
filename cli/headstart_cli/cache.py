"""headstart cache: what is kept on this machine because it can be used again, and how to have the space back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart_cli.options import AsJson, Debug, DisablePlugins
from headstart_cli.output import cell, print_json, print_table, print_text, say

if TYPE_CHECKING:
    from headstart.cache import Cache, Entry

app = typer.Typer(help="List, measure and remove features and programs kept on disk.", no_args_is_help=True)

SIZE_FLAG = "--limit"


@app.command("list")
def list_entries(as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False) -> None:
    """List what is kept: what it is, its size, its last use; the newest first."""
    cache = _cache()
    _show(cache, cache.entries(), as_json=as_json)


@app.command("size")
def size(as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False) -> None:
    """Say how much is kept, by kind, where, and how much may be."""
    cache = _cache()
    sizes = cache.sizes()
    leftovers = sum(entry.size for entry in cache.leftovers())
    total = sum(sizes.values()) + leftovers
    if as_json:
        kinds = [{"name": kind, "bytes": size} for kind, size in sizes.items()]
        facts = {"path": str(cache.root), "limit": cache.limit, "bytes": total, "leftovers": leftovers}
        print_json({**facts, "kinds": kinds})
        return
    rows = [*sizes.items(), *([("leftovers", leftovers)] if leftovers else []), ("total", total)]
    print_table(("kind", "size"), [(kind, in_words(size)) for kind, size in rows])
    print_text(f"at {cache.root}, limit {in_words(cache.limit)}")


@app.command("prune")
def prune(
    limit: Annotated[
        str | None,
        typer.Option(SIZE_FLAG, metavar="SIZE", help="What may stay, such as 20GB. Default: HEADSTART_CACHE_LIMIT."),
    ] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Remove what was not used for longest, until the rest is within the limit."""
    from headstart.cache import parse_size

    cache = _cache()
    _removed(cache, cache.prune(None if limit is None else parse_size(limit, SIZE_FLAG)), as_json=as_json)


@app.command("clear")
def clear(
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Remove this kind alone.")] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Remove everything that is kept, or one kind. It is computed again when it is needed."""
    from headstart.errors import UsageError
    from headstart.suggest import suggestion

    cache = _cache()
    kinds = cache.kinds()
    if kind is not None and kinds and kind not in kinds:
        raise UsageError(f"nothing of the kind {kind!r} is kept at {cache.root}", hint=suggestion(kind, kinds))
    _removed(cache, cache.clear(kind), as_json=as_json)


def _cache() -> Cache:
    from headstart.cache import open_cache

    return open_cache(say)


def _removed(cache: Cache, entries: list[Entry], *, as_json: bool) -> None:
    _show(cache, entries, as_json=as_json, nothing="nothing to remove")
    if entries:
        freed = sum(entry.size for entry in entries)
        say(f"{len(entries)} removed, {in_words(freed)} freed; {in_words(cache.size())} left at {cache.root}")


def _show(cache: Cache, entries: list[Entry], *, as_json: bool, nothing: str = "nothing is kept") -> None:
    if as_json:
        print_json([_facts(entry) for entry in entries])
    elif entries:
        print_table(("kind", "what", "size", "last used"), [_row(entry) for entry in entries])
    if not entries:
        say(f"{nothing} at {cache.root}")


def _facts(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "what": _what(entry),
        "bytes": entry.size,
        "used": datetime.fromtimestamp(entry.used, UTC).isoformat(timespec="seconds"),
        "path": str(entry.path),
        "facts": dict(entry.facts),
    }


def _row(entry: Entry) -> tuple[str, str, str, str]:
    used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")  # the user's own clock
    return entry.kind, _what(entry), in_words(entry.size), used


def _what(entry: Entry) -> str:
    """An entry in words: the facts written with it, so far as they are single values, or else the digest of its key."""
    if entry.is_leftover:
        return "left by a process that was stopped"
    if not entry.digest:
        return "compiled programs"
    plain = [(name, value) for name, value in entry.facts.items() if isinstance(value, (str, int, float))]
    words = [f"{name} {cell(value)}" for name, value in plain if name != "key"]
    return ", ".join(words) or " ".join(f"{name} {cell(value)}" for name, value in plain) or "unknown"


def in_words(size: int) -> str:
    """A number of bytes as a person reads it: "512 bytes", "1.5 MB", "20 GB"; a factor is 1000."""
    if size < 1000:
        return f"{size} bytes"
    power = next((power for power in (1, 2, 3) if size < 999.5 * 1000**power), 4)
    return f"{size / 1000**power:.3g} {('kB', 'MB', 'GB', 'TB')[power - 1]}"
