"""Everything about one offer, as a JSON document and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from headstart.specs import EngineSpec, Spec
from headstart_cli.output import cell, print_heading, print_table, print_text

if TYPE_CHECKING:
    from headstart.registry import Registry

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "backbones": ("name", "input", "parameters", "summary"),
    "datasets": ("name", "input", "takes_path", "summary"),
    "augmentations": ("name", "input", "summary"),
    "strategies": ("name", "default", "summary"),
    "targets": ("name", "means", "summary"),
    "tasks": ("name", "feature", "heads", "summary"),
    "reporters": ("name", "default", "summary"),
    "engines": ("name", "precisions", "missing", "summary"),
}
"""What a listing shows of each kind."""

ORIGINS = ("PackageFile", "RemoteFile", "LocalFile", "FetchedFile")
"""What a weights file can come from: told apart in JSON by their names."""
INTERNAL = ("name", "summary", "api", "options", "build")
"""Fields of a spec that are shown elsewhere or mean nothing to a user."""


def list_columns(kind: str) -> tuple[str, ...]:
    """The columns of the listing of a kind."""
    return COLUMNS.get(kind, ("name", "summary"))


def list_row(kind: str, spec: Spec) -> tuple[Any, ...]:
    """One offer as a row of the listing of its kind."""
    return tuple(plain(getattr(spec, column)) for column in list_columns(kind))


def document(registry: Registry, spec: Spec) -> dict[str, Any]:
    """Everything that a spec says, as plain values: fields, options, and the plugin that offers it."""
    from headstart.options import describe_options

    plugin = registry.provenance(spec)
    described = {field.name: plain(getattr(spec, field.name)) for field in fields(spec) if field.name != "options"}
    if isinstance(spec, EngineSpec):
        described["missing"] = list(spec.missing)
    return {
        **described,
        "plugin": {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version},
        "options": [plain(asdict(option)) for option in describe_options(spec.options)],
    }


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
        if name not in (*INTERNAL, "plugin", *skip) and cell(value) != "-":
            print_text(f"{name.replace('_', ' ')}: {cell(value)}")
    show_options(described["options"])


def show_options(options: list[dict[str, Any]]) -> None:
    """Print a table of options: default, what is accepted, and the sentence."""
    if not options:
        print_text("options: none")
        return
    rows = [
        (option["name"], option["type"], _default(option["default"]), _accepted(option), option["help"])
        for option in options
    ]
    print_text()
    print_table(("option", "type", "default", "accepts", "what it does"), rows)


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
