"""Low-rank updates of kernels (LoRA; Hu et al. 2021, arXiv:2106.09685): few numbers learn, and none is left over.

A kernel W is replaced by W + scale * a @ b wherever the network runs, and by the sum itself when a phase ends: no
layer is rewritten, so stock and lowered networks both learn this way, and an artefact has nothing to merge.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from headstart.engine.train.optimizer import copied
from headstart.errors import UsageError
from headstart.specs import LowRank

ROLE = "kernel"


@dataclass(frozen=True)
class Split:
    """A kernel seen as a matrix (rows, columns): its first axes together, and its last ones."""

    rows: int
    columns: int

    @classmethod
    def of(cls, shape: Sequence[int]) -> Split:
        """The split of `shape` (two axes or more) that makes rows + columns least; of equal ones the last.

        That separates inputs from outputs nearly always: (height, width, input | output) of a convolution,
        (input | head, channel) and (head, channel | output) of the projections of an attention. Not so where a
        convolution reads few channels: (height, width | input, output) is of fewer numbers then.
        """
        splits = [cls(math.prod(shape[:axis]), math.prod(shape[axis:])) for axis in range(len(shape) - 1, 0, -1)]
        return min(splits, key=lambda split: split.rows + split.columns)


def adaptable(shapes: Mapping[str, Sequence[int]], rank: int) -> dict[str, Split]:
    """The kernels among weights of these `shapes` that an update of `rank` makes smaller, by name, in order.

    Kernels are weights whose role begins with "kernel". Those with `rank` * (rows + columns) >= rows * columns, such as
    kernels of depthwise convolutions of few channels, are left out.
    """
    kernels = {n: Split.of(each) for n, each in shapes.items() if _is_kernel(n) and len(each) > 1}
    return {
        name: each for name, each in kernels.items() if rank * (each.rows + each.columns) < each.rows * each.columns
    }


class LowRankAdapter:
    """Low-rank updates of the kernels among `named`, the weights by our names that may learn so.

    `factors` are what learns, float32: for each kernel `NAME:a` (rows, rank) and `NAME:b` (rank, columns). a is drawn
    from `seed` as in the paper's code (Kaiming-uniform with slope sqrt(5): within 1 / sqrt(rows)), b is 0, so that
    nothing changes at first. `adapted` are the kernels by name, `base` their numbers as the phase began, as backend
    tensors in the same order.

    Raises UsageError naming the stages of `named` where no kernel is one that `plan.rank` makes smaller.
    """

    def __init__(self, named: Mapping[str, keras.Variable], plan: LowRank, *, seed: int) -> None:
        splits = adaptable({name: tuple(variable.shape) for name, variable in named.items()}, plan.rank)
        if not splits:
            stages = ", ".join(dict.fromkeys(name.partition("/")[0] for name in named)) or "none"
            kernels = sum(_is_kernel(name) for name in named)
            raise UsageError(
                f"low-rank updates of rank {plan.rank} match no kernel in the stages {stages}: of {len(named)} "
                f"weights {kernels} are kernels, and none is larger than such an update",
                hint="choose a smaller --set strategy.rank, other stages with --train, or another strategy",
            )
        self._scale = plan.scale
        self.adapted: dict[str, keras.Variable] = {name: named[name] for name in splits}
        self.base: dict[str, Any] = {name: copied(variable) for name, variable in self.adapted.items()}
        self.factors: dict[str, keras.Variable] = {}
        draw = np.random.default_rng(seed)
        for name, split in splits.items():
            bound = 1 / math.sqrt(split.rows)
            drawn = draw.uniform(-bound, bound, (split.rows, plan.rank))
            self.factors[f"{name}:a"] = keras.Variable(drawn, dtype="float32")
            self.factors[f"{name}:b"] = keras.Variable(np.zeros((plan.rank, split.columns)), dtype="float32")

    @property
    def counts(self) -> dict[str, int]:
        """How many kernels are adapted, by stage."""
        return dict(Counter(name.partition("/")[0] for name in self.adapted))

    def merged(self, factors: Sequence[Any], base: Sequence[Any]) -> list[Any]:
        """The kernels, in the order of `adapted`, from backend tensors in the order of `factors` and of `base`.

        Traceable: a pure function of its arguments.
        """
        pairs = zip(factors[::2], factors[1::2], base, strict=True)
        return [
            kernel + keras.ops.reshape(keras.ops.matmul(a, b) * self._scale, kernel.shape) for a, b, kernel in pairs
        ]

    def write(self) -> None:
        """Put the merged kernels into the network's variables."""
        factors = [keras.ops.stop_gradient(variable.value) for variable in self.factors.values()]
        merged = self.merged(factors, list(self.base.values()))
        for variable, kernel in zip(self.adapted.values(), merged, strict=True):
            variable.assign(kernel)


def _is_kernel(name: str) -> bool:
    """Those of separable convolutions and of recurrent layers have a word before it: `pointwise_kernel`."""
    role = name.rpartition("/")[2]
    return role.startswith(ROLE) or f"_{ROLE}" in role
