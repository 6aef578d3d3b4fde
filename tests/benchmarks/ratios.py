"""What a benchmark found, as one record a row of performance goals; `table.py` sets all of them out together."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sweep import show

from headstart.environment import processor

FOUND = Path("runs/bench")
"""Each benchmark writes `NAME.json` here; `table.py` reads them all."""
PACKAGES = (
    *("headstart", "keras", "jax", "torch", "openvino", "onnxruntime"),
    *("numpy", "scikit-learn", "pillow", "efficientnet-lite-pytorch"),
)


@dataclass(frozen=True)
class Ratio:
    """One comparison. `row` is the goal it counts for ("P1"), `ratios` has one value a round.

    `what` says model, data, image size, epochs and precision; `note` holds seconds, accuracies and what was left out.
    `counts` is False where it stands beside a row without being it, such as bfloat16. `holds` is False where the sides
    did not do the same, such as reach an accuracy: the row is missed then, whatever the ratio.
    """

    row: str
    what: str
    against: str
    ratios: tuple[float, ...]
    note: str = ""
    counts: bool = True
    holds: bool = True

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.ratios)


def write_ratios(path: Path, ratios: Sequence[Ratio], *, settings: str) -> None:
    """Write what was found, with the machine, the versions and `settings`, one sentence on how it was measured."""
    document = {
        "settings": settings,
        "when": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "machine": machine(),
        "versions": _versions(),
        "ratios": [asdict(each) for each in ratios],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_ratios(path: Path) -> tuple[list[Ratio], Mapping[str, Any]]:
    """What `write_ratios` wrote: the ratios, and the document around them."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return [Ratio(**{**each, "ratios": tuple(each["ratios"])}) for each in document["ratios"]], document


def middle(values: Sequence[float], digits: int = 2, unit: str = "") -> str:
    """`1.23 s [1.11, 1.40]`: the median, and the range where there is one."""
    median = f"{statistics.median(values):.{digits}f}{unit}"
    return median if len(values) == 1 else f"{median} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def machine() -> str:
    """Processor, cores and memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def _versions() -> dict[str, str]:
    installed = {}
    for name in PACKAGES:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed[name] = "absent"
    return installed


def _commit() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def show_ratios(ratios: Sequence[Ratio], *, title: str) -> None:
    """Print a Markdown table of ratios, medians and ranges, on stdout."""
    rows = [(each.row, each.what, each.against, middle(each.ratios), each.note) for each in ratios]
    show(("row", "what", "against", "ratio: median [range]", "beside it"), rows, title=title)
