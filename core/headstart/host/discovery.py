"""Find what is installed, plugins among it, by the metadata of distributions; nothing of theirs is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from itertools import takewhile
from typing import Any

from headstart.host.guard import describe

GROUP = "headstart"
"""The entry-point group that plugins are published under."""
ENTRY_POINTS = "entry_points.txt"


@dataclass(frozen=True)
class PluginInfo:
    """What there is to tell about one plugin. `module` is what its entry point names, `module` or `module:object`.

    `hooks` are those it implements; `error` says why it was left out.
    """

    name: str
    distribution: str
    version: str
    module: str
    hooks: tuple[str, ...] = ()
    error: str | None = None
    disabled: bool = False

    @property
    def origin(self) -> str:
        """Name, distribution and version, as messages name a plugin."""
        return f"plugin {self.name!r} ({self.distribution} {self.version})"


def installed_release(distribution: str) -> str | None:
    """The installed version of a distribution; None where it is absent."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def installed_version() -> str:
    """The version of headstart that is installed; "unknown" where it runs from a bare checkout."""
    return installed_release("headstart") or "unknown"


def find_plugins() -> tuple[PluginInfo, ...]:
    """Every plugin that is installed, sorted by name and without repetitions.

    Two plugins may claim one name; then the one of the distribution that ships headstart comes first, so that
    installing something never replaces what is built in. One whose metadata is damaged is among them, with
    that as its error.
    """
    published = [plugin for distribution in metadata.distributions() for plugin in _published(distribution)]
    found = {(plugin.name, plugin.distribution, plugin.module): plugin for plugin in reversed(published)}
    return tuple(
        sorted(
            found.values(),
            key=lambda plugin: (plugin.name, plugin.distribution != "headstart", plugin.distribution, plugin.module),
        )
    )


def _published(distribution: metadata.Distribution) -> Iterator[PluginInfo]:
    """The plugins of one distribution; those of a damaged file by the names that can still be read in it."""
    damage = None
    try:
        entries = [(point.name, point.value) for point in distribution.entry_points if point.group == GROUP]
    except Exception as exc:  # whatever the file holds: it stops nobody else
        lines = _lines(distribution)
        damage = f"its {ENTRY_POINTS} is damaged ({_first_damage(lines) or describe(exc)}); install it again"
        published, *_ = _identify(distribution)
        entries = [(name, f"{published}/{ENTRY_POINTS}") for name in _salvaged(lines, published)]
    if not entries:
        return
    published, version, unreadable = _identify(distribution)
    if not _is_shadowed(distribution, published):
        for name, value in entries:
            yield PluginInfo(name, published, version, value, error=damage or unreadable)


def _identify(distribution: metadata.Distribution) -> tuple[str, str, str | None]:
    """A distribution's name, as package indexes compare it, and its version; and what is damaged in its METADATA.

    Where that is damaged, the folder says both, as in `headstart_mine-1.0.dist-info`.
    """
    try:
        found = distribution.metadata
        name, version = (str(found[field]) if field in found else "" for field in ("Name", "Version"))
        damage = "" if name else "it names no distribution"
    except Exception as exc:  # as above
        damage = describe(exc)
    if not damage:
        return normalise(name), version or "unknown", None
    name, _, version = str(getattr(_folder(distribution), "name", "")).rpartition(".")[0].partition("-")
    told = f"its METADATA is damaged ({damage}); install it again"
    return normalise(name) or "unknown", version or "unknown", told


def normalise(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _folder(distribution: metadata.Distribution) -> Any:
    """The folder of the metadata, a Path or one within a zip file: the standard library has no public name for it."""
    return getattr(distribution, "_path", None)


def _lines(distribution: metadata.Distribution) -> list[str]:
    """Those of a damaged file of entry points."""
    try:
        text = _folder(distribution).joinpath(ENTRY_POINTS).read_text(encoding="utf-8", errors="replace")
    except Exception:  # gone, or in a form that is not ours to know
        return []
    return [line.strip() for line in text.splitlines()]


def _salvaged(lines: list[str], published: str) -> list[str]:
    """The names of our plugins in a damaged file, or that of its distribution: so that the failure has one.

    Nothing else of such a file is used.
    """
    if f"[{GROUP}]" not in lines:
        return []
    section = takewhile(lambda line: not line.startswith("["), lines[lines.index(f"[{GROUP}]") + 1 :])
    names = [line.partition("=")[0].strip() for line in section if "=" in line]
    return [name for name in dict.fromkeys(names) if name] or [published]


def _first_damage(lines: list[str]) -> str | None:
    for number, line in enumerate(lines, start=1):
        if "\N{REPLACEMENT CHARACTER}" in line:
            return f"line {number} is not UTF-8"
        if line and not line.startswith(("#", "[")) and "=" not in line:
            return f"line {number}, {line!r}, is not name = value"
    return None


def _is_shadowed(distribution: metadata.Distribution, name: str) -> bool:
    """Whether a distribution of the same name stands earlier on the path: imports would find that one."""
    try:
        first = metadata.distribution(name)
    except Exception:  # its folder has another name, or nobody can read it: then it stands before nothing
        return False
    return first.locate_file("") != distribution.locate_file("")
