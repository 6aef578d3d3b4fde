"""Stub until written."""
from typing import Any
def calibrated(task: Any, targets: Any, outputs: Any) -> Any:
    return task, {}
def calibration_facts(task: Any, targets: Any, outputs: Any) -> Any:
    return {}
