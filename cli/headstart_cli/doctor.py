"""headstart doctor and plugins: what is installed, used and missing. They work whatever is broken.

Nothing is imported to look at it: versions come from metadata.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, registry_without
from headstart_cli.output import cell, print_heading, print_json, print_table, print_text

if TYPE_CHECKING:
    from headstart.registry import Registry

PACKAGES = (
    "headstart",
    "keras",
    "jax",
    "jaxlib",
    "torch",
    "numpy",
    "pillow",
    "scikit-learn",
    "safetensors",
    "h5py",
    "pluggy",
    "typer",
    "rich",
    "matplotlib",
    "pyarrow",
    "keras-hub",
)

OPTIONAL = {
    "pyarrow": 'pip install "headstart[parquet]" reads manifests in Parquet',
    "keras-hub": "pip install --no-deps keras-hub && pip install regex sentencepiece tokenizers: KerasHub's "
    "backbones without TensorFlow; pip install kagglehub: `headstart weights get keras_hub/PRESET` fetches presets",
}
"""What an absent package would add."""


def plugins(as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False) -> None:
    """List plugins: versions, the hooks they implement, and why one was left out."""
    infos = registry_without(disable_plugin).plugins
    if as_json:
        print_json([asdict(info) for info in infos])
        return
    rows = [(info.name, f"{info.distribution} {info.version}", info.hooks, _state(asdict(info))) for info in infos]
    print_table(("plugin", "from", "hooks", "state"), rows)


def doctor(
    as_json: AsJson = False,
    backend: BackendName = None,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Say what is installed, which backend would be taken and why, and what is missing."""
    found = diagnose(backend, disable_plugin)
    print_json(found) if as_json else _show(found)


def _show(found: dict[str, Any]) -> None:
    print_heading("backend")
    chosen = found["backend"]["chosen"]
    print_text(f"installed: {cell(found['backend']['installed'])}")
    print_text(f"taken: {chosen['name']} ({chosen['origin']})" if chosen else found["backend"]["problem"])
    print_heading("threads")
    threads = found["threads"]
    quota = "" if threads["quota"] is None else f"; control groups leave this process {threads['quota']:g}"
    print_text(f"{threads['taken']} of {threads['cores']} cores{quota}")
    print_text(f"they wait {threads['waiting']}")
    print_heading("local store")
    store = found["store"]
    print_text(f"{store['path']} ({'there' if store['exists'] else 'not there yet'})")
    print_heading("packages")
    print_table(("package", "version"), found["packages"].items())
    print_heading("plugins")
    for plugin in found["plugins"]:
        print_text(f"{plugin['name']} ({plugin['distribution']} {plugin['version']}): {_state(plugin)}")
    print_heading("what to do")
    for advice in found["advice"] or ["nothing: everything that headstart can use is there"]:
        print_text(f"- {advice}")


def _state(plugin: Mapping[str, Any]) -> str:
    """In a word, and why it was left out."""
    if plugin["disabled"]:
        return "disabled"
    return f"FAILED: {plugin['error']}" if plugin["error"] else "ready"


def diagnose(backend: str | None, disable: list[str] | None) -> dict[str, Any]:
    """Everything there is to say about this installation; problems are part of the answer, not exceptions."""
    from headstart.backend import store_root
    from headstart.threads import available_threads, cpu_quota, how_threads_wait, wait_passively

    wait_passively()
    registry = registry_without(disable)
    packages = {name: _version(name) for name in PACKAGES}
    chosen = _backend(backend)
    root = store_root()
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "packages": packages,
        "backend": chosen,
        "threads": {
            "taken": available_threads(),
            "cores": os.cpu_count(),
            "quota": cpu_quota(),
            "waiting": how_threads_wait(),
        },
        "plugins": [asdict(info) for info in registry.plugins],
        "store": {"path": str(root), "exists": root.is_dir()},
        "advice": [*_advice(packages, chosen), *_plugin_advice(registry), *_weights_advice(registry)],
    }


def _version(name: str) -> str | None:
    from headstart.host.discovery import installed_release

    try:
        return installed_release(name)
    except Exception:  # a damaged file of somebody else's
        return "unreadable"


def _backend(flag: str | None) -> dict[str, Any]:
    from headstart.backend import choose_backend, installed_backends
    from headstart.errors import UsageError

    found: dict[str, Any] = {"installed": list(installed_backends()), "chosen": None, "problem": None}
    try:
        choice = choose_backend(flag, None)
    except UsageError as exc:
        return {**found, "problem": exc.message, "hint": exc.hint}
    return {**found, "chosen": asdict(choice)}


def _advice(packages: Mapping[str, str | None], backend: Mapping[str, Any]) -> Iterator[str]:
    if backend["problem"]:
        yield f"{backend['problem']}: {backend['hint']}"
    from headstart.specs import BACKENDS

    for name in BACKENDS:
        if name not in backend["installed"] and not backend["problem"]:
            yield f'pip install "headstart[{name}]" adds the backend {name}'
    for name, what in OPTIONAL.items():
        if packages[name] is None:
            yield what


def _plugin_advice(registry: Registry) -> Iterator[str]:
    used = {plugin.info.name for plugin in registry.loaded}
    for info in registry.failed:
        # --disable-plugin goes by name: it would leave out the one that is used as well
        otherwise = "" if info.name in used else f", or --disable-plugin {info.name}"
        yield f"{info.origin} failed: update or remove {info.distribution}{otherwise}"


def _weights_advice(registry: Registry) -> Iterator[str]:
    """Backbones whose published weights are in packages, and not on this machine."""
    from headstart.errors import HeadstartError
    from headstart.specs import NpmFile, PackageFile
    from headstart.weights.source import as_argument, find

    for spec in registry.specs("backbones"):
        for weights in spec.weights:
            try:
                missing = isinstance(weights.origin, PackageFile | NpmFile) and find(spec, weights) is None
            except HeadstartError as exc:
                yield exc.message
                return
            except Exception as exc:  # a plugin may offer weights that nobody can look for
                yield f"{spec.name}: looking for its {weights.name} weights failed: {exc}"
                continue
            if missing:
                yield f"headstart weights get {as_argument(spec, weights)} fetches its {weights.name} weights"
