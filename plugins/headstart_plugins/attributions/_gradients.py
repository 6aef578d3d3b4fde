"""Integrated gradients (Sundararajan, Taly and Yan 2017, arXiv:1703.01365) at what the first stage of a backbone gives.

The attribution of a step of the length axis is, equation 1 there, the sum over its channels of (x - baseline) times the
mean of the output's gradient along the straight line from the baseline to x. The mean is by the midpoint rule. The
attributions of all steps add up to output(x) - output(baseline): how far they miss is the error of that rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.engine.batch import concatenated
from headstart.engine.device import forward, input_gradient
from headstart.engine.network.network import Network
from headstart.errors import UsageError
from headstart.specs import Batch

START = 2
"""The stage that the explained tensor enters: above the input stage and the backbone's first."""
ROOM = 4096
"""Steps of all rows of one call together: what a backward pass keeps grows with them."""


@dataclass(frozen=True)
class Attribution:
    """How much each step (time,) float64 adds to an output: its `value` at the sample less that at the `baseline`."""

    steps: np.ndarray
    value: float
    baseline: float

    def in_unit(self, factor: float, offset: float) -> Attribution:
        """The same of an output that is this one times `factor`, plus `offset`."""
        return Attribution(self.steps * factor, self.value * factor + offset, self.baseline * factor + offset)

    @property
    def error(self) -> float:
        """By how much the attributions miss what they should add up to."""
        return float(self.steps.sum() - (self.value - self.baseline))

    @property
    def relative_error(self) -> float:
        """The same as a share of that; 0 where it is nothing."""
        change = abs(self.value - self.baseline)
        return abs(self.error) / change if change else 0.0


class IntegratedGradients:
    """Explains a network's `output` by the one float tensor with a length axis that enters its stage START.

    `count` is how many points the line has. Raises UsageError where no or several such tensors are there.
    """

    def __init__(self, network: Network, output: str, *, count: int) -> None:
        axes = network.length_axes(START)
        floats = [name for name, each in network.alive(START).items() if "float" in str(each.dtype) and name in axes]
        if len(floats) != 1:
            raise UsageError(
                f"the backbone's first stage, {network.names[1]}, gives {len(floats)} tensors of numbers with a length "
                "axis; attributions need one",
                hint="they are for backbones whose first stage gives embeddings of tokens",
            )
        (self._tensor,) = floats
        self._axis = axes[self._tensor] + 1
        self._count = count
        self._below = forward(network, 0, START)
        self._gradient = input_gradient(network, START, self._tensor, output=output)

    def __call__(self, row: Batch, blank: Batch, weights: np.ndarray) -> Attribution:
        """The attributions of one `row`, with the baseline `blank`, to the output (unit, ...) times `weights`.

        Both hold the input tensors (1, ...), equally long.
        """
        entering = self._below(concatenated([row, blank]))
        pair = entering.pop(self._tensor)
        end, begin = pair[:1], pair[1:]
        if any(not np.array_equal(each[0], each[1]) for each in entering.values()):
            raise UsageError("the baseline differs from the sample in more than its embeddings")
        shares, rule = _points(self._count)
        gradient, values = np.zeros_like(end[0], np.float64), np.zeros(len(shares))
        size = max(1, min(len(shares), ROOM // end.shape[self._axis]))
        others = {name: np.repeat(each[:1], size, axis=0) for name, each in entering.items()}
        directions = np.broadcast_to(weights.astype(np.float32), (size, *weights.shape))
        for first in range(0, len(shares), size):
            places = np.arange(first, first + size).clip(max=len(shares) - 1)  # the last call is filled up
            points = begin + _column(shares[places], end) * (end - begin)
            found, slopes = self._gradient(points.astype(np.float32), others, np.ascontiguousarray(directions))
            real = places[: len(shares) - first]
            values[real] = found[: len(real)]
            gradient += (_column(rule[real], end) * slopes[: len(real)]).sum(axis=0)
        parts = (end[0].astype(np.float64) - begin[0]) * gradient
        others_axes = tuple(axis for axis in range(parts.ndim) if axis != self._axis - 1)
        return Attribution(parts.sum(axis=others_axes), value=float(values[-1]), baseline=float(values[0]))


def _points(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the way from the baseline to the sample (point,), both ends among them, and what the gradient there
    counts: the midpoint rule needs none at the ends."""
    middles = (np.arange(count) + 0.5) / count
    return np.array([0.0, *middles, 1.0]), np.array([0.0, *np.full(count, 1 / count), 0.0])


def _column(numbers: np.ndarray, like: np.ndarray) -> np.ndarray:
    return numbers.reshape(-1, *(1,) * (like.ndim - 1))


def explained_output(network: Network) -> tuple[str, int]:
    """The head's only output (batch, unit), and how many units it has. Raises UsageError where there is none, or
    several."""
    outputs: Mapping[str, Any] = network.stages[-1].model.output
    flat = {name: each.shape[1] for name, each in outputs.items() if len(each.shape) == 2 and each.shape[1]}
    if len(flat) != 1:
        described = ", ".join(f"{name} {each.shape}" for name, each in outputs.items())
        raise UsageError(
            f"the head gives {described}; attributions need one output (batch, unit)",
            hint="they are for tasks that answer with labels or a number",
        )
    ((name, units),) = flat.items()
    return name, int(units)
