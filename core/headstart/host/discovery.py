"""Find plugins by the metadata of installed distributions; nothing of theirs is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.metadata import Distribution, EntryPoint, PackageMetadata, distributions
from typing import Any

from headstart.hookspecs import PROJECT
from headstart.host.guard import PluginFailure, describe

ENTRY_POINTS = "entry_points.txt"
_VALUE = re.compile(r"\w+(\.\w+)*(\s*:\s*\w+(\.\w+)*)?(\s*\[.*\])?")


@dataclass(frozen=True)
class Identity:
    """A distribution's name, as package indexes compare it, and its version; `damage` of its METADATA, or None."""

    name: str
    version: str
    damage: str | None = None


@dataclass(frozen=True)
class Entry:
    """One entry point: its name, `module` or `module:object`, and the `damage` of the file it stands in, or None."""

    name: str
    value: str
    damage: str | None = None

    def load(self) -> object:
        """Import what the entry point names. Raises PluginFailure where it names nothing or is damaged."""
        if self.damage is not None:
            raise PluginFailure(self.damage)
        if not _VALUE.fullmatch(self.value):
            raise PluginFailure(f"its entry point names {self.value!r}; expected module or module:object")
        point = EntryPoint(self.name, self.value, "")
        try:
            loaded: object = point.load()
        except ModuleNotFoundError as exc:
            if f"{point.module}.".startswith(f"{exc.name}."):
                raise PluginFailure(f"its entry point names {self.value!r}; there is no module {exc.name!r}") from exc
            raise  # the module is there; something that it imports is not
        return loaded


def identify(distribution: Distribution) -> Identity:
    """Name and version by the METADATA, or by the name of its folder where that is damaged."""
    try:
        metadata = distribution.metadata
        name, version = _field(metadata, "Name"), _field(metadata, "Version")
    except Exception as exc:  # whatever the file holds: it stops nobody else
        return _identify_by_folder(distribution, describe(exc))
    if not name:
        return _identify_by_folder(distribution, "it names no distribution")
    return Identity(normalise(name), version or "unknown")


def read_entries(distribution: Distribution, group: str) -> tuple[Entry, ...]:
    """The entry points of `group`; those of a damaged file by the names that can still be read in it."""
    try:
        points = tuple(distribution.entry_points)
    except Exception as exc:  # as above
        return tuple(_salvage(distribution, group, describe(exc)))
    return tuple(Entry(point.name, point.value) for point in points if point.group == group)


def normalise(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _field(metadata: PackageMetadata, name: str) -> str | None:
    return str(metadata[name]) if metadata is not None and name in metadata else None


def _folder(distribution: Distribution) -> Any:
    """The folder of the metadata, a Path or one within a zip file: the standard library has no public name for it."""
    return getattr(distribution, "_path", None)


def _identify_by_folder(distribution: Distribution, damage: str) -> Identity:
    """What `headstart_mine-1.0.dist-info` says: the name and version are there too."""
    stem = str(getattr(_folder(distribution), "name", "")).rpartition(".")[0]
    name, _, version = stem.partition("-")
    told = f"its METADATA is damaged ({damage}); install it again"
    return Identity(normalise(name) or "unknown", version or "unknown", told)


def _salvage(distribution: Distribution, group: str, error: str) -> Iterator[Entry]:
    """Nothing of a damaged file is used; a name is read so that the failure has one."""
    lines = _lines(distribution)
    if f"[{group}]" not in lines:
        return
    told = f"its {ENTRY_POINTS} is damaged ({_first_damage(lines) or error}); install it again"
    published = identify(distribution).name
    names = [_name(line) for line in _section(lines, group)]
    for name in dict.fromkeys(name for name in names if name) or (published,):
        yield Entry(name, f"{published}/{ENTRY_POINTS}", told)


def _lines(distribution: Distribution) -> list[str]:
    try:
        text = _folder(distribution).joinpath(ENTRY_POINTS).read_text(encoding="utf-8", errors="replace")
    except Exception:  # gone, or in a form that is not ours to know
        return []
    return [line.strip() for line in text.splitlines()]


def _section(lines: list[str], group: str) -> Iterator[str]:
    inside = False
    for line in lines:
        if line.startswith("["):
            inside = line == f"[{group}]"
        elif inside:
            yield line


def _name(line: str) -> str:
    name, equals, _ = line.partition("=")
    return name.strip() if equals else ""


def _first_damage(lines: list[str]) -> str | None:
    for number, line in enumerate(lines, start=1):
        if "\N{REPLACEMENT CHARACTER}" in line:
            return f"line {number} is not UTF-8"
        if line and not line.startswith(("#", "[")) and "=" not in line:
            return f"line {number}, {line!r}, is not name = value"
    return None


GROUP = PROJECT
"""The entry-point group that plugins are published under."""


@dataclass(frozen=True)
class FoundPlugin:
    """An entry point of our group: the plugin's name, and the distribution that published it."""

    name: str
    distribution: str
    version: str
    entry_point: Entry

    @property
    def module(self) -> str:
        """What the entry point names, `module` or `module:object`."""
        return self.entry_point.value

    @property
    def origin(self) -> str:
        """Distribution and version, as messages name them."""
        return f"{self.distribution} {self.version}"


def find_plugins() -> tuple[FoundPlugin, ...]:
    """Every plugin that is installed, sorted by name and without repetitions.

    Two plugins may claim one name; then the one of the distribution that ships headstart comes first, so that
    installing something never replaces what is built in. One whose metadata is damaged is among them: its
    entry point says so when it is loaded.
    """
    found = {(plugin.name, plugin.distribution, plugin.module): plugin for plugin in reversed([*_published()])}
    return tuple(sorted(found.values(), key=_rank))


def _rank(plugin: FoundPlugin) -> tuple[str, bool, str, str]:
    return plugin.name, plugin.distribution != PROJECT, plugin.distribution, plugin.module


def _published() -> Iterator[FoundPlugin]:
    for distribution in distributions():
        entries = read_entries(distribution, GROUP)
        if not entries:
            continue
        identity = identify(distribution)
        if _is_shadowed(distribution, identity.name):
            continue
        for entry in entries:
            told = replace(entry, damage=entry.damage or identity.damage)
            yield FoundPlugin(entry.name, identity.name, identity.version, told)


def _is_shadowed(distribution: Distribution, name: str) -> bool:
    """Whether a distribution of the same name stands earlier on the path: imports would find that one."""
    try:
        first = metadata.distribution(name)
    except Exception:  # its folder has another name, or nobody can read it: then it stands before nothing
        return False
    return first.locate_file("") != distribution.locate_file("")
