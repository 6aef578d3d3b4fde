"""headstart backbones, datasets, ...: what is on offer, and everything about one offer."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins
from headstart_cli.output import print_json, print_table

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
    from headstart.registry import load_registry
    from headstart_cli.backbone_details import show_backbone

    registry = load_registry(disable=tuple(disable_plugin or ()))
    show_backbone(registry, registry.resolve_backbone(name), backend, as_json=as_json)


def datasets(
    name: Name = None, as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False
) -> None:
    """List sources of data."""
    show("datasets", name, as_json, disable_plugin)


def inputs(
    name: Name = None, as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False
) -> None:
    """List input kinds."""
    show("inputs", name, as_json, disable_plugin)


def strategies(
    name: Name = None, as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False
) -> None:
    """List plans of training phases."""
    show("strategies", name, as_json, disable_plugin)


def targets(
    name: Name = None, as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False
) -> None:
    """List kinds of targets."""
    show("targets", name, as_json, disable_plugin)


def tasks(
    name: Name = None, as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False
) -> None:
    """List tasks."""
    show("tasks", name, as_json, disable_plugin)


def reporters(
    name: Name = None, as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False
) -> None:
    """List ways to tell about a run."""
    show("reporters", name, as_json, disable_plugin)


def engines(
    name: Name = None, as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False
) -> None:
    """List ways to run the frozen part of a network."""
    show("engines", name, as_json, disable_plugin)


def show(kind: str, name: str | None, as_json: bool, disable: list[str] | None) -> None:
    """Print the offers of a kind, or one of them in full."""
    from headstart.registry import load_registry
    from headstart_cli.details import document, list_columns, list_row, show_details

    registry = load_registry(disable=tuple(disable or ()))
    if name is not None:
        spec = registry.get(kind, name)
        print_json(document(registry, spec)) if as_json else show_details(registry, spec)
        return
    specs = registry.specs(kind)
    if as_json:
        print_json([document(registry, spec) for spec in specs])
    else:
        print_table(list_columns(kind), [list_row(kind, spec) for spec in specs])
