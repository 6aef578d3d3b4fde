"""Look one name up among specs, and say what is wrong where it is not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from headstart.errors import PluginError, UsageError
from headstart.plugins import PluginHost, PluginInfo
from headstart.specs import Spec
from headstart.suggest import suggestion

S = TypeVar("S", bound=Spec)

SINGULAR = {"strategies": "strategy"}


def singular(kind: str) -> str:
    """One offer of a kind: "backbone" for "backbones"."""
    return SINGULAR.get(kind, kind.removesuffix("s"))


def find_spec(specs: Sequence[S], host: PluginHost, kind: str, name: str) -> S:
    """The spec called `name`, full or bare. Raises UsageError or PluginError; see `Registry.get`."""
    matches = matching(specs, name)
    if len(matches) == 1:
        return matches[0]
    if matches:
        spellings = " and ".join(spec.name for spec in matches)
        raise UsageError(f"{name!r} is ambiguous: {spellings}", hint="write the full name")
    _refuse_failed_plugin(host, name)
    wanted, slash, _ = name.partition("/")
    if slash and any(info.name == wanted and info.disabled for info in host.infos):
        raise UsageError(
            f"no {singular(kind)} is named {name!r}: plugin {wanted!r} is disabled",
            hint="see --disable-plugin and the variables HEADSTART_DISABLE_PLUGINS and HEADSTART_PLUGINS",
        )
    hint = suggestion(name, [spec.name for spec in specs])
    failed = ", ".join(info.name for info in host.failed)
    note = f"these plugins failed and are left out: {failed} (`headstart plugins` says why)" if failed else None
    raise UsageError(
        f"no {singular(kind)} is named {name!r}",
        hint="; ".join(part for part in (hint, note) if part) or None,
    )


def matching(specs: Sequence[S], name: str) -> list[S]:
    """The specs that `name` could mean: the one of that full name, or all of that bare name."""
    return [spec for spec in specs if name in (spec.name, spec.short_name)]


def _refuse_failed_plugin(host: PluginHost, name: str) -> None:
    wanted = name.partition("/")[0]
    if any(plugin.info.name == wanted for plugin in host.loaded):
        return
    for info in host.failed:
        if info.name == wanted:
            raise failed_plugin(info, name) from host.causes.get(info)


def failed_plugin(info: PluginInfo, name: str) -> PluginError:
    """The error for a name of a plugin that failed while it was loaded."""
    return PluginError(
        f"{name!r} is not available: {info.origin} failed: {info.error}",
        hint="install what it needs or another version of it; `headstart plugins` lists all failures",
    )
