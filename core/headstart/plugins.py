"""The plugin host: find, declare, verify. Plugins are independent: each fails alone, and is told about by
name.

The order of plugins is that of their names, and nothing depends on it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pluggy

from headstart.errors import UsageError
from headstart.host.discovery import FoundPlugin, find_plugins
from headstart.host.guard import PluginFailure, declaring
from headstart.host.verification import KINDS, verify_hooks, verify_name, verify_specs, what_changed
from headstart.specs import API, AnySpec
from headstart.suggest import suggestion

DISABLE_VARIABLE = "HEADSTART_DISABLE_PLUGINS"
"""Names of plugins to leave out, separated by commas; added to `--disable-plugin`."""
ALLOW_VARIABLE = "HEADSTART_PLUGINS"
"""The only plugins to load, separated by commas; unset means all, empty means none."""


@dataclass(frozen=True)
class PluginInfo:
    """What there is to tell about one plugin. `hooks` are those it implements; `error` says why it was left
    out.
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


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that can be used: its hook implementations by name, and its verified specs by kind."""

    info: PluginInfo
    hooks: Mapping[str, pluggy.HookImpl]
    specs: Mapping[str, tuple[AnySpec, ...]]

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call one of its hooks with those arguments that it asks for; None where it does not implement it.

        Whatever the plugin raises comes out as it is: wrap the call in `guard.guarded`.
        """
        implementation = self.hooks.get(hook)
        if implementation is None:
            return None
        return implementation.function(*(arguments[name] for name in implementation.argnames))


@dataclass(frozen=True)
class PluginHost:
    """All plugins: `infos` tells about every one that is installed, `loaded` are those that can be used."""

    infos: tuple[PluginInfo, ...]
    loaded: tuple[LoadedPlugin, ...]
    causes: Mapping[PluginInfo, BaseException] = field(default_factory=dict)
    """The exception of each plugin that failed."""

    @property
    def failed(self) -> tuple[PluginInfo, ...]:
        """The plugins that were left out because something is wrong with them."""
        return tuple(info for info in self.infos if info.error is not None)


def load_plugins(*, disable: Sequence[str] = (), allow: Sequence[str] | None = None) -> PluginHost:
    """Find every installed plugin and load those that are not disabled; a broken one is recorded and left
    out.

    `disable` is added to `HEADSTART_DISABLE_PLUGINS`; `allow`, or else `HEADSTART_PLUGINS`, names the only
    ones to load. Raises UsageError for a name in `disable` or `allow` that no installed plugin has.
    """
    found = find_plugins()
    names = (*disable, *(allow or ()))
    known = {plugin.name for plugin in found}
    for name in names:
        if name not in known:
            raise UsageError(f"no plugin is named {name!r}", hint=suggestion(name, known))
    off = {*disable, *(_names_in(DISABLE_VARIABLE) or ())}
    only = allow if allow is not None else _names_in(ALLOW_VARIABLE)
    results = []
    taken: dict[str, FoundPlugin] = {}
    for plugin in found:
        if plugin.name in off or (only is not None and plugin.name not in only):
            results.append(_Result(replace(_info(plugin), disabled=True)))
        else:
            results.append(_load(plugin, taken))
    return PluginHost(
        infos=tuple(result.info for result in results),
        loaded=tuple(result.loaded for result in results if result.loaded is not None),
        causes={result.info: result.cause for result in results if result.cause is not None},
    )


@dataclass(frozen=True)
class _Result:
    info: PluginInfo
    loaded: LoadedPlugin | None = None
    cause: BaseException | None = None


def _load(plugin: FoundPlugin, taken: dict[str, FoundPlugin]) -> _Result:
    """Load one plugin. `taken` holds the plugins of the same walk by name and by module, and grows."""
    info = _info(plugin)
    try:
        verify_name(plugin.name)
        for claim in (plugin.name, f"module {plugin.module}"):
            if other := taken.get(claim):
                raise PluginFailure(f"{claim!r} is already taken by {other.name!r} of {other.origin}")
            taken[claim] = plugin
        loaded = _declare(plugin, info)
    except PluginFailure as exc:
        return _Result(replace(info, error=f"{exc}{_of_an_earlier_api(exc)}"), cause=exc.__cause__ or exc)
    return _Result(loaded.info, loaded)


def _of_an_earlier_api(failure: PluginFailure) -> str:
    """What to tell of a plugin that fails at names of ours as one written for an earlier api does; else empty."""
    cause = failure.__cause__
    fields = isinstance(cause, TypeError) and re.search(r"\b(\w+Spec|Records?)\.__init__\(\)", str(cause))
    names = isinstance(cause, ImportError) and str(cause.name).startswith("headstart.specs")
    return f"; written for api {API - 1}?{what_changed(API - 1).removeprefix(':')}" if fields or names else ""


def _declare(plugin: FoundPlugin, info: PluginInfo) -> LoadedPlugin:
    """Import the plugin's module and call its `register_*` hooks. Raises PluginFailure."""
    with declaring(plugin.name):
        hooks = verify_hooks(plugin.entry_point.load(), plugin.name)
        loaded = LoadedPlugin(replace(info, hooks=tuple(hooks)), hooks, {})
        specs = {
            name: verify_specs(loaded.call(kind.hook), name, plugin.name)
            for name, kind in KINDS.items()
            if kind.hook in hooks
        }
    return replace(loaded, specs=specs)


def _info(plugin: FoundPlugin) -> PluginInfo:
    return PluginInfo(plugin.name, plugin.distribution, plugin.version, plugin.module)


def _names_in(variable: str) -> tuple[str, ...] | None:
    value = os.environ.get(variable)
    return None if value is None else tuple(name.strip() for name in value.split(",") if name.strip())
