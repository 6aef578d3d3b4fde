"""In a fresh process: open a dataset, and tell its records in order. `python -m headstart.testing.datasets.opening`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Mapping
from typing import Any

from headstart.options import parse_options
from headstart.registry import load_registry
from headstart.specs import DatasetRequest
from headstart.testing.fresh_process import answer


def open_again(request: Mapping[str, Any]) -> dict[str, str]:
    """{"digest": of all records in their order}."""
    from headstart.testing.datasets.findings import summary

    registry = load_registry()
    spec = registry.get("datasets", request["name"])
    options, _ = parse_options(spec.options, request["options"], "options")
    with contextlib.redirect_stdout(sys.stderr):
        records = registry.load_target(spec, spec.build)(DatasetRequest(request["reference"], options))
    return {"digest": digest(summary(records))}


def digest(summary: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a summary."""
    return hashlib.sha256(json.dumps(summary, sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    answer(open_again)
