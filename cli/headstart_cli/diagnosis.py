"""What `headstart doctor` finds, as plain values. Nothing is imported to look at it: versions come from
metadata.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

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


def diagnose(backend: str | None, disable: tuple[str, ...]) -> dict[str, Any]:
    """Everything there is to say about this installation; problems are part of the answer, not exceptions."""
    from headstart.registry import load_registry
    from headstart.weights.source import store_root

    registry = load_registry(disable=disable)
    packages = {name: _version(name) for name in PACKAGES}
    chosen = _backend(backend)
    root = store_root()
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "packages": packages,
        "backend": chosen,
        "plugins": [asdict(info) for info in registry.plugins],
        "store": {"path": str(root), "exists": root.is_dir()},
        "advice": [*_advice(packages, chosen), *_plugin_advice(registry), *_weights_advice(registry)],
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
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
    from headstart.specs import PackageFile
    from headstart.weights.source import find

    for spec in registry.specs("backbones"):
        for weights in spec.weights:
            try:
                missing = isinstance(weights.origin, PackageFile) and find(spec, weights) is None
            except HeadstartError as exc:
                yield exc.message
                return
            except Exception as exc:  # a plugin may offer weights that nobody can look for
                yield f"{spec.name}: looking for its {weights.name} weights failed: {exc}"
                continue
            if missing:
                yield f"headstart weights get {spec.name} fetches its {weights.name} weights"
