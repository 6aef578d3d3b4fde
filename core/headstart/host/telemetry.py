"""No package that we load reports on the user: what some send when they are imported is switched off before that."""

from __future__ import annotations

import os
import sys

RUNTIME_SWITCH = "ORT_DISABLE_TELEMETRY"
"""Read by ONNX Runtime when it is loaded."""
REPORTER = "openvino_telemetry"
"""The package by which OpenVINO reports each import; without it OpenVINO reports nothing."""


def without_telemetry() -> None:
    """Call before openvino or onnxruntime is imported; a reporter that is already loaded stays."""
    os.environ[RUNTIME_SWITCH] = "1"
    sys.modules.setdefault(REPORTER, None)  # type: ignore[arg-type]  # None means: not to be found
