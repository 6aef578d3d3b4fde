"""How far rounding alone moves what a network answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from headstart.engine.device import forward
from headstart.engine.network.network import Network
from headstart.engine.network.stages import name_variables, read_arrays
from headstart.specs import Batch, Stage

DRAWS = 3


def moved_by_rounding(
    network: Network, stop: int, samples: Batch, answers: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Of each tensor that the first `stop` stages give for `samples` (batch, ...), where they give `answers`, the
    furthest that a number moves when every float32 weight that is not 0 moves by one unit in its last place, up or
    down by chance; the largest of DRAWS draws.

    No weight is known better than that, and a product that is computed in another order is the exact product of weights
    moved about so far (backward error: Higham, Accuracy and Stability of Numerical Algorithms, chapter 3). So this is
    how close two right answers of this network are on these samples: some networks enlarge rounding at some positions a
    thousand times, as does Whisper's last block where its activations are in the hundreds.

    The weights are what they were before, to the bit, when this returns or raises.
    """
    compute = forward(network, 0, stop)
    return moved_by_weights(network.stages[1:stop], lambda: compute(samples), answers)


def moved_by_weights(
    stages: Sequence[Stage], compute: Callable[[], Mapping[str, np.ndarray]], answers: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """As `moved_by_rounding`, of what `compute` gives, which is `answers` where the weights of `stages` are as they
    are."""
    kept = {name: array for name, array in read_arrays(stages).items() if array.dtype == np.float32}
    variables = name_variables(stages)
    furthest = dict.fromkeys(answers, 0.0)
    try:
        for draw in range(DRAWS):
            random = np.random.default_rng(draw)
            for name, array in kept.items():
                towards = np.where(random.integers(0, 2, array.shape, dtype=np.uint8), np.inf, -np.inf)
                variables[name].assign(np.where(array == 0, array, np.nextafter(array, towards.astype(np.float32))))
            for name, moved in compute().items():
                off = np.abs(moved.astype(np.float64) - answers[name])
                furthest[name] = max(furthest[name], float(off.max(initial=0.0)))
    finally:
        for name, array in kept.items():
            variables[name].assign(array)
    return furthest
