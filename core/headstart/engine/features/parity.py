"""Whether an engine answers real samples as the stock network on this process' backend does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headstart.errors import EngineRefusal

CHECKED = 8
"""Real samples on which an engine is held against the stock network."""
FLOAT32_TOLERANCE = 1e-4
"""Largest difference in float32, as a share of max(1, standard deviation): design.md, section 4."""
BFLOAT16_TOLERANCE = 0.1
"""Largest root mean square of the difference in bfloat16, as a share of the standard deviation. One rounding to 8 bits
costs up to 0.4 % (half of 2^-7); over fifty layers they add up. `headstart bench` shows what a backbone comes to."""


@dataclass(frozen=True)
class Difference:
    """The largest absolute difference over all tensors, and the largest of their relative root mean squares."""

    largest: float
    relative: float


def compare(outputs: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> Difference:
    """Compare (batch, ...) float32 arrays by name. Raises EngineRefusal where names, shapes or finiteness differ."""
    if {name: array.shape for name, array in outputs.items()} != {n: array.shape for n, array in reference.items()}:
        raise EngineRefusal(f"gives {_shapes(outputs)}, expected {_shapes(reference)}")
    largest = relative = 0.0
    for name, wanted in reference.items():
        off = np.abs(outputs[name].astype(np.float64) - wanted)
        if not np.isfinite(off).all():
            raise EngineRefusal(f"gives values of {name!r} that are not finite")
        largest = max(largest, float(off.max(initial=0.0)))
        relative = max(relative, float(np.sqrt(np.mean(off**2))) / max(float(wanted.std()), 1e-12))
    return Difference(largest, relative)


def verify_equal(outputs: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray], precision: str) -> Difference:
    """As `compare`; raises EngineRefusal with the difference and the bound where it is too large at `precision`."""
    found = compare(outputs, reference)
    if precision == "float32":
        bound = FLOAT32_TOLERANCE * max(1.0, max(float(wanted.std()) for wanted in reference.values()))
        if found.largest > bound:
            raise EngineRefusal(f"differs from the stock network by up to {found.largest:.3g}, allowed {bound:.3g}")
    elif found.relative > BFLOAT16_TOLERANCE:
        raise EngineRefusal(
            f"differs from the stock network by {found.relative:.2%} of its deviation, allowed {BFLOAT16_TOLERANCE:.0%}"
        )
    return found


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}
