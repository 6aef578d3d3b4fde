"""What a frozen prefix is: two of the same identity compute the same, on any machine and in any process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.engine.network.blueprint import Blueprint, describe
from headstart.engine.network.network import Network
from headstart.engine.network.stages import read_arrays


def identify(network: Network, stop: int, blueprint: Blueprint) -> dict[str, Any]:
    """The first `stop` stages as plain values: builders with versions and options, preprocessing, features, weights.

    The weights are one SHA-256 over names, shapes and numbers; where a cut leaves stages out, theirs do not count.
    """
    documents = describe(blueprint)
    stages = network.stages[:stop]
    return {
        "backbone": documents["model.json"]["backbone"],
        "input": documents["preprocess.json"],
        "features": sorted(network.taps),
        "stages": [stage.name for stage in stages],
        "weights": hash_arrays(read_arrays(stages[1:])),
    }


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 (hex) of named arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()
