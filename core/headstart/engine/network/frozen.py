"""Freezing is a set of weight names owned by a phase, and proof that the others did not move."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping, Sequence

import keras
import numpy as np

from headstart.engine.network.network import Network
from headstart.engine.network.stages import name_variables
from headstart.errors import HeadstartError

STATISTICS = ("moving_mean", "moving_variance")


def trainable_variables(network: Network, train: Sequence[str]) -> dict[str, keras.Variable]:
    """The weights of the stages `train` that learn, by name; statistics never do."""
    named = name_variables(network.learned)
    return {
        name: variable
        for name, variable in named.items()
        if name.partition("/")[0] in train and not is_statistic(name) and variable.trainable
    }


def is_statistic(name: str) -> bool:
    """True for BatchNorm's moving mean and variance."""
    return name.rpartition("/")[2].startswith(STATISTICS)


def count_trainable(network: Network, train: Sequence[str]) -> dict[str, int]:
    """Trainable numbers by stage, every stage named, 0 where it is frozen."""
    counts = {stage.name: 0 for stage in network.learned}
    for name, variable in trainable_variables(network, train).items():
        counts[name.partition("/")[0]] += int(np.prod(variable.shape))
    return counts


def hash_frozen(network: Network, learning: Container[str]) -> dict[str, str]:
    """A SHA-256 of every weight that must not move, by name: all but those named in `learning`."""
    return {
        name: hashlib.sha256(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes()).hexdigest()
        for name, variable in name_variables(network.learned).items()
        if name not in learning
    }


def verify_frozen(network: Network, before: Mapping[str, str], phase: str) -> int:
    """Compare with `before`; returns how many were compared. Raises HeadstartError naming what moved."""
    learning = {name for name in name_variables(network.learned) if name not in before}
    now = hash_frozen(network, learning)
    moved = [name for name, digest in before.items() if now[name] != digest]
    if moved:
        raise HeadstartError(
            f"phase {phase!r} changed {len(moved)} weights that were frozen: {', '.join(moved[:8])}",
            hint="this is a bug in the strategy or in a layer that updates itself; please report it",
        )
    return len(before)
