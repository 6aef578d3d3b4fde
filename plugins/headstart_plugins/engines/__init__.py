"""Ways to run the frozen prefix of a network: the backend itself, OpenVINO and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import PRECISIONS, EngineSpec


@hookimpl
def register_engines() -> Iterable[EngineSpec]:
    """Offer the three engines."""
    return (
        EngineSpec(
            name="engines/native",
            summary="The backend that trains, JAX or PyTorch, on lowered layers.",
            build="headstart_plugins.engines._native:build",
            precisions=PRECISIONS,
        ),
        EngineSpec(
            name="engines/openvino",
            summary="OpenVINO on processors, traced by Keras' own OpenVINO backend, channels first.",
            build="headstart_plugins.engines._openvino:build",
            export="headstart_plugins.engines._openvino_export:export",
            exporter_backend="openvino",
            needs=("openvino",),
            extra="openvino",
            precisions=PRECISIONS,
            startup=4.0,
            version=3,
        ),
        EngineSpec(
            name="engines/onnxruntime",
            summary="ONNX Runtime on processors, from a graph that PyTorch exports.",
            build="headstart_plugins.engines._onnxruntime:build",
            export="headstart_plugins.engines._onnx_export:export",
            exporter_backend="torch",
            needs=("onnxruntime", "onnx", "torch"),
            extra="onnxruntime",
            startup=10.0,
            version=2,
        ),
    )
