"""Find plugins by the metadata of installed distributions; nothing of theirs is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.metadata import Distribution, EntryPoint, distributions

from headstart.hookspecs import PROJECT

GROUP = PROJECT
"""The entry-point group that plugins are published under."""


@dataclass(frozen=True)
class FoundPlugin:
    """An entry point of our group: the plugin's name, and the distribution that published it."""

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint

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
    installing something never replaces what is built in.
    """
    found = {(plugin.name, plugin.distribution, plugin.module): plugin for plugin in reversed([*_published()])}
    return tuple(sorted(found.values(), key=_rank))


def _rank(plugin: FoundPlugin) -> tuple[str, bool, str, str]:
    return plugin.name, plugin.distribution != PROJECT, plugin.distribution, plugin.module


def _published() -> Iterator[FoundPlugin]:
    for distribution in distributions():
        offered = [entry_point for entry_point in _entry_points(distribution) if entry_point.group == GROUP]
        name = _normalised_name(distribution) if offered else None
        if name is None or _is_shadowed(distribution, name):
            continue
        for entry_point in offered:
            yield FoundPlugin(entry_point.name, name, distribution.version or "unknown", entry_point)


def _entry_points(distribution: Distribution) -> Iterable[EntryPoint]:
    """The entry points of one distribution; none where its file is damaged, so that it stops nobody else."""
    try:
        return tuple(distribution.entry_points)
    except Exception:  # whatever the file holds: it is not ours
        return ()


def _normalised_name(distribution: Distribution) -> str | None:
    """The distribution's name as package indexes compare it; None where its metadata is damaged."""
    name: str | None = distribution.metadata["Name"] if distribution.metadata else None
    return re.sub(r"[-_.]+", "-", name).lower() if name else None


def _is_shadowed(distribution: Distribution, name: str) -> bool:
    """Whether a distribution of the same name stands earlier on the path: imports would find that one."""
    first = metadata.distribution(name)
    return first.locate_file("") != distribution.locate_file("")
