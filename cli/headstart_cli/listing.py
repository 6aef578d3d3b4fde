"""headstart backbones, datasets, ...: what is on offer, and everything about one offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, registry_without
from headstart_cli.output import print_json, print_rows

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="Show everything about this one.", show_default=False)]


def backbones(
    name: Name = None,
    backend: BackendName = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """List pretrained networks; with NAME: stages, shapes, features, weights, options."""
    if name is None:
        show("backbones", None, as_json, disable_plugin)
        return
    from headstart_cli.details import show_backbone

    registry = registry_without(disable_plugin)
    show_backbone(registry, registry.resolve_backbone(name), backend, as_json=as_json)


def _verb(kind: str, help: str) -> Callable[..., None]:
    """The verb that lists the offers of a kind, and with NAME shows one of them."""

    def listed(
        name: Name = None, as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False
    ) -> None:
        show(kind, name, as_json, disable_plugin)

    listed.__doc__ = help
    return listed


datasets = _verb("datasets", "List sources of data.")
inputs = _verb("inputs", "List input kinds.")
strategies = _verb("strategies", "List plans of training phases.")
targets = _verb("targets", "List kinds of targets.")
tasks = _verb("tasks", "List tasks.")
reporters = _verb("reporters", "List ways to tell about a run.")
engines = _verb("engines", "List ways to run the frozen part of a network.")


def show(kind: str, name: str | None, as_json: bool, disable: list[str] | None) -> None:
    """Print the offers of a kind, or one of them in full."""
    from headstart.host.verification import KINDS
    from headstart_cli.details import document, show_details

    registry = registry_without(disable)
    if name is not None:
        spec = registry.get(kind, name)
        print_json(document(registry, spec)) if as_json else show_details(registry, spec)
        return
    print_rows([document(registry, spec) for spec in registry.specs(kind)], KINDS[kind].columns, as_json=as_json)
