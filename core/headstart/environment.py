"""What a run ran on: versions, plugins, hardware, precision."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from headstart.backend import is_deterministic
from headstart.host.discovery import installed_release
from headstart.registry import Registry
from headstart.threads import how_threads_wait

PACKAGES = (
    "headstart", "keras", "jax", "jaxlib", "torch", "numpy", "pillow", "scikit-learn", "pluggy", "typer", "rich",
    "safetensors", "openvino", "onnxruntime",
)  # fmt: skip


def versions() -> dict[str, str | None]:
    """Installed versions by distribution; None where one is absent."""
    return {name: installed_release(name) for name in PACKAGES}


def processor() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe(registry: Registry, backend: str, *, precision: str, threads: int) -> dict[str, Any]:
    """What environment.json holds, `precision` and `threads` as pinned; call after keras was imported."""
    import keras

    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "waiting": how_threads_wait(),
        "backend": backend,
        "precision": precision,
        "layout": keras.config.image_data_format(),
        "deterministic": is_deterministic(backend),
        "versions": versions(),
        "plugins": [
            {"name": info.name, "distribution": info.distribution, "version": info.version, "error": info.error}
            for info in registry.plugins
        ],
    }
