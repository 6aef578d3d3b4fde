"""Find plugins by the metadata of installed distributions; nothing of theirs is imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.metadata import Distribution, distributions

from headstart.hookspecs import PROJECT
from headstart.host.published import Entry, identify, read_entries

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
