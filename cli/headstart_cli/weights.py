"""headstart weights: which published weights there are, where they lie, whether they are intact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart_cli import completion
from headstart_cli.cache import in_words
from headstart_cli.options import AsJson, Debug, DisablePlugins, registry_without
from headstart_cli.output import message_console, print_rows, say

if TYPE_CHECKING:
    from headstart.registry import Registry
    from headstart.specs import BackboneSpec, WeightsSpec

app = typer.Typer(help="List, fetch and verify published weights.", no_args_is_help=True)


@app.command("list")
def list_weights(as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False) -> None:
    """List weights: licence, size, and where they lie on this machine."""
    from headstart.weights.source import find

    registry = registry_without(disable_plugin)
    rows = [_facts(spec, weights, find(spec, weights)) for spec, weights in _chosen(registry, ())]
    if not as_json:
        rows = [{**row, "path": row["path"] or "not here"} for row in rows]
    print_rows(rows, ("name", "weights", "trained_on", "licence", "bytes", "digest", "path"), as_json=as_json)


@app.command("get")
def get(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Backbones, or NAME:SET.", autocompletion=completion.offers("backbones")
        ),
    ],
    source: Annotated[
        Path | None,
        typer.Option("--from", help="The package's own file, where it is on this machine already.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Fetch weights into the local store, checked against their digest."""
    from headstart.errors import UsageError
    from headstart.weights.source import assets_by_name, get_weights

    rows = []
    registry = registry_without(disable_plugin)
    chosen = list(_chosen(registry, names))
    if source is not None and len(chosen) != 1:
        raise UsageError(f"--from names one file, and there are {len(chosen)} sets of weights", hint="name one set")
    for spec, weights in chosen:
        say(f"{spec.name}: {weights.name}, {weights.licence}, from {weights.source}")
        with message_console().status("fetching") as status:
            path = get_weights(
                spec,
                weights,
                registry,
                lambda done, total: status.update(f"fetching: {in_words(done)} of {in_words(total) if total else '?'}"),
                here=source,
            )
            for asset in assets_by_name(weights).values():
                get_weights(spec, asset, registry)
        rows.append(_facts(spec, weights, path))
    print_rows(rows, ("name", "weights", "path"), as_json=as_json)


@app.command("verify")
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Backbones; NAME:SET for one weights set.")
    ] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Compare the weights on this machine with their size and digest; exit code 1 where one differs."""
    rows = [_verified(spec, weights) for spec, weights in _chosen(registry_without(disable_plugin), names or ())]
    print_rows(rows, ("name", "weights", "state", "path", "problem"), as_json=as_json)
    if any(row["state"] == "differs" for row in rows):
        raise typer.Exit(1)


def _chosen(registry: Registry, names: Sequence[str]) -> Iterator[tuple[BackboneSpec, WeightsSpec]]:
    """The weights sets that `names` mean, all where there are none. Raises UsageError for an unknown name."""
    from headstart.errors import UsageError

    if not names:
        for spec in registry.specs("backbones"):
            yield from ((spec, weights) for weights in spec.weights)
    for name in names:
        backbone, _, wanted = name.partition(":")
        spec = registry.resolve_backbone(backbone)
        found = [weights for weights in spec.weights if wanted in ("", weights.name)]
        if not found:
            known = ", ".join(weights.name for weights in spec.weights) or "none"
            raise UsageError(f"{spec.name} has no published weights {wanted!r}", hint=f"it has: {known}")
        yield from ((spec, weights) for weights in found)


def _facts(spec: BackboneSpec, weights: WeightsSpec, path: Path | None) -> dict[str, Any]:
    return {
        "name": spec.name,
        "weights": weights.name,
        "licence": weights.licence,
        "bytes": weights.size,
        "source": weights.source,
        "trained_on": weights.trained_on,
        "digest": f"{weights.algorithm}:{weights.digest}" if weights.digest != "unknown" else "unknown",
        "path": None if path is None else str(path),
    }


def _verified(spec: BackboneSpec, weights: WeightsSpec) -> dict[str, Any]:
    """One row of `verify`; a file whose source publishes no digest is `unknown` rather than ok."""
    from headstart.errors import WrongWeightsError
    from headstart.weights.source import find, verify_file

    path = find(spec, weights)
    state, problem = "absent", None
    if path is not None:
        try:
            verify_file(path, weights)
            state = "unknown" if weights.digest == "unknown" else "ok"
        except WrongWeightsError as exc:
            state, problem = "differs", exc.message
    return {**_facts(spec, weights, path), "state": state, "problem": problem}
