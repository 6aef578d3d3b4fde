"""headstart backbones NAME: the network stage by stage, with its features, weights and preprocessing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError
from headstart.specs import PRETRAINED, BackboneSpec
from headstart_cli.details import document, show_details
from headstart_cli.output import cell, print_heading, print_json, print_table, print_text, say

if TYPE_CHECKING:
    from headstart.registry import Registry

SHOWN_APART = ("stages", "features", "weights", "preprocess", "refuses", "tiny", "tiny_size", "version", "given")


def show_backbone(registry: Registry, spec: BackboneSpec, backend: str | None, *, as_json: bool) -> None:
    """Print everything about a backbone; it is built for its shapes where a backend is installed."""
    rows = _built_stages(registry, spec, backend)
    if as_json:
        print_json({**document(registry, spec), "built": rows})
        return
    show_details(registry, spec, skip=SHOWN_APART)
    _show_stages(spec, rows)
    print_heading("features that tasks can ask for")
    print_table(
        ("feature", "axes", "channels", "stride", "stage"),
        [(each.name, each.axes, each.channels, each.stride, each.stage) for each in spec.features],
    )
    _show_weights(spec)
    for name, reason in spec.refuses.items():
        print_text(f"does not run on {name}: {reason}")


def _built_stages(registry: Registry, spec: BackboneSpec, backend: str | None) -> list[dict[str, Any]] | None:
    """Layers, parameters and output shapes by stage; None, said on stderr, where it cannot be built here."""
    from headstart.backend import activate, choose_backend, installed_backends

    if backend is None and not installed_backends():
        say("no backend is installed, so shapes are not shown: pip install 'headstart[jax]' or 'headstart[torch]'")
        return None
    choice = choose_backend(backend, None)
    if reason := spec.refuses.get(choice.name):
        say(f"shapes are not shown: this backbone does not run on {choice.name} ({choice.origin}): {reason}")
        return None
    activate(choice)
    from headstart.engine.network.assemble import summarise

    try:
        rows = summarise(spec, registry)
    except HeadstartError as exc:
        if backend is not None:
            raise
        say(f"shapes are not shown: {exc.message}")
        return None
    return [
        {
            "stage": row.stage,
            "layers": row.layers,
            "parameters": row.parameters,
            "outputs": {name: list(shape) for name, shape in row.outputs.items()},
        }
        for row in rows
    ]


def _show_stages(spec: BackboneSpec, rows: list[dict[str, Any]] | None) -> None:
    print_heading("stages, bottom first")
    if rows is None:
        if spec.stages is None:
            print_text("known only when it is built")
            return
        print_table(("stage",), [(name,) for name in spec.stages])
        return
    shown = [(row["stage"], row["layers"], row["parameters"], _shapes(row["outputs"])) for row in rows]
    total = ("total", sum(row["layers"] for row in rows), sum(row["parameters"] for row in rows), "")
    print_table(("stage", "layers", "parameters", "outputs (batch first)"), [*shown, total])


def _shapes(outputs: dict[str, list[int | None]]) -> str:
    return ", ".join(
        f"{name} ({', '.join('-' if size is None else str(size) for size in shape)})" for name, shape in outputs.items()
    )


def _origin(origin: Any) -> str:
    """Where a weights file comes from: an address, a path, a publisher's client or a package."""
    if url := getattr(origin, "url", None):
        return str(url)
    if handle := getattr(origin, "handle", None):
        return f"{origin.filename} of {handle}"
    if not hasattr(origin, "distribution"):
        return str(origin.path)
    return f"{origin.path} in the package {origin.distribution} {origin.version}"


def _show_weights(spec: BackboneSpec) -> None:
    print_heading("weights")
    for weights in spec.weights:
        size = f"{weights.size / 1e6:.1f} MB" if weights.size else "size unknown"
        print_text(f"{weights.name}: {weights.licence}, {size}, {weights.algorithm} {weights.digest}")
        print_text(f"  source: {weights.source}")
        print_text(f"  file: {_origin(weights.origin)}")
        for name, origin in weights.assets.items():
            print_text(f"  {name}: {_origin(origin)}")
        if weights.head is not None:
            print_text(f"  head: {weights.head.head} of {weights.head.task}, taken with --head {PRETRAINED}")
        print_text(f"  preprocessing: {cell(dict(weights.preprocess))}")
    print_text("none: random weights, calibrated; or a weights file")
    print_text(f"  preprocessing: {cell(dict(spec.preprocess))}")
