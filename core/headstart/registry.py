"""The registry of all plugins: found, declared, verified. Plugins are independent: each fails alone, and is told about
by name.

The order of plugins is that of their names, and nothing depends on it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint

import pluggy

from headstart import hookspecs
from headstart.errors import UsageError
from headstart.host.discovery import PluginInfo, find_plugins
from headstart.host.guard import PluginFailure, declaring
from headstart.host.registry import LoadedPlugin, Registry
from headstart.host.verification import KINDS, verify_name, verify_specs, what_changed
from headstart.spans import span
from headstart.specs import API
from headstart.suggest import suggestion

__all__ = ["ALLOW_VARIABLE", "DISABLE_VARIABLE", "Registry", "load_registry", "verify_hooks"]

DISABLE_VARIABLE = "HEADSTART_DISABLE_PLUGINS"
"""Names of plugins to leave out, separated by commas; added to `--disable-plugin`."""
ALLOW_VARIABLE = "HEADSTART_PLUGINS"
"""The only plugins to load, separated by commas; unset means all, empty means none."""
_ENTRY = re.compile(r"\w+(\.\w+)*(\s*:\s*\w+(\.\w+)*)?(\s*\[.*\])?")


@span("plugins")
def load_registry(disable: Sequence[str] = (), allow: Sequence[str] | None = None) -> Registry:
    """Find every installed plugin and load those that are not disabled; a broken one is recorded and left
    out.

    `disable` is added to `HEADSTART_DISABLE_PLUGINS`; `allow`, or else `HEADSTART_PLUGINS`, names the only
    ones to load. Raises UsageError for a name in `disable` or `allow` that no installed plugin has.
    """
    found = find_plugins()
    known = {plugin.name for plugin in found}
    for name in (*disable, *(allow or ())):
        if name not in known:
            raise UsageError(f"no plugin is named {name!r}", hint=suggestion(name, known))
    off = {*disable, *(_names_in(DISABLE_VARIABLE) or ())}
    only = allow if allow is not None else _names_in(ALLOW_VARIABLE)
    told: list[PluginInfo] = []
    loaded: list[LoadedPlugin] = []
    causes: dict[PluginInfo, BaseException] = {}
    taken: dict[str, PluginInfo] = {}
    for plugin in found:
        if plugin.name in off or (only is not None and plugin.name not in only):
            told.append(replace(plugin, error=None, disabled=True))
            continue
        try:
            loaded.append(_load(plugin, taken))
        except PluginFailure as exc:
            failed = replace(plugin, error=f"{exc}{_of_an_earlier_api(exc)}")
            causes[failed] = exc.__cause__ or exc
            told.append(failed)
        else:
            told.append(loaded[-1].info)
    return Registry(tuple(told), tuple(loaded), causes)


def _names_in(variable: str) -> tuple[str, ...] | None:
    value = os.environ.get(variable)
    return None if value is None else tuple(name.strip() for name in value.split(",") if name.strip())


def _load(plugin: PluginInfo, taken: dict[str, PluginInfo]) -> LoadedPlugin:
    """Import a plugin's module and call its `register_*` hooks. Raises PluginFailure.

    `taken` holds the plugins of the same walk by name and by module, and grows.
    """
    verify_name(plugin.name)
    for claim in (plugin.name, f"module {plugin.module}"):
        if other := taken.get(claim):
            origin = f"{other.distribution} {other.version}"
            raise PluginFailure(f"{claim!r} is already taken by {other.name!r} of {origin}")
        taken[claim] = plugin
    if plugin.error is not None:
        raise PluginFailure(plugin.error)
    with declaring(plugin.name):
        hooks = verify_hooks(_import(plugin), plugin.name)
        specs = {
            kind: verify_specs(hooks[f"register_{kind}"].function(), kind, plugin.name)
            for kind in KINDS
            if f"register_{kind}" in hooks
        }
    return LoadedPlugin(replace(plugin, hooks=tuple(hooks)), hooks, specs)


def _import(plugin: PluginInfo) -> object:
    """What the entry point names. Raises PluginFailure where it names nothing."""
    if not _ENTRY.fullmatch(plugin.module):
        raise PluginFailure(f"its entry point names {plugin.module!r}; expected module or module:object")
    point = EntryPoint(plugin.name, plugin.module, "")
    try:
        return point.load()
    except ModuleNotFoundError as exc:
        if f"{point.module}.".startswith(f"{exc.name}."):
            raise PluginFailure(f"its entry point names {plugin.module!r}; there is no module {exc.name!r}") from exc
        raise  # the module is there; something that it imports is not


def verify_hooks(plugin: object, name: str) -> Mapping[str, pluggy.HookImpl]:
    """The hooks that `plugin` implements, by name. Raises PluginFailure for names and arguments we do not
    know.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)  # knows our hooks and no plugin: each is verified in its own
    manager.add_hookspecs(hookspecs)
    known = tuple(sorted(name for name in dir(manager.hook) if not name.startswith("_")))
    for attribute in dir(plugin):
        _verify_attribute(manager, plugin, attribute, known)
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as exc:
        raise PluginFailure(" ".join(str(exc).split())) from exc
    implemented = {hook: impls[0] for hook in known if (impls := getattr(manager.hook, hook).get_hookimpls())}
    if not implemented:
        raise PluginFailure("implements no hook; mark functions such as register_datasets with @hookimpl")
    return implemented


def _verify_attribute(manager: pluggy.PluginManager, plugin: object, attribute: str, known: tuple[str, ...]) -> None:
    declared = manager.parse_hookimpl_opts(plugin, attribute)
    if declared is None:
        if attribute in known and callable(getattr(plugin, attribute)):
            raise PluginFailure(f"{attribute} is not marked with @hookimpl")
        return
    hook = declared.get("specname") or attribute
    if hook not in known and not declared.get("optionalhook"):
        raise PluginFailure(f"{hook!r} is no hook; {suggestion(hook, known)}")
    if declared.get("hookwrapper") or declared.get("wrapper"):
        raise PluginFailure(f"{hook} is a hook wrapper; hooks are called one by one and cannot be wrapped")


def _of_an_earlier_api(failure: PluginFailure) -> str:
    """What to tell of a plugin that fails at names of ours as one written for an earlier api does; else empty."""
    cause = failure.__cause__
    fields = isinstance(cause, TypeError) and re.search(r"\b(\w+Spec|Records?)\.__init__\(\)", str(cause))
    names = isinstance(cause, ImportError) and str(cause.name).startswith("headstart.specs")
    return f"; written for api {API - 1}?{what_changed(API - 1).removeprefix(':')}" if fields or names else ""
