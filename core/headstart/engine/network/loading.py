"""Give a built backbone its weights: published ones, a file's, or calibrated random ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from headstart.engine.device import forward
from headstart.engine.network.assemble import verify_ranges
from headstart.engine.network.lsuv_init import initialise
from headstart.engine.network.network import Network
from headstart.engine.network.stages import assign_arrays
from headstart.errors import WrongWeightsError
from headstart.registry import Registry
from headstart.specs import Backbone, BackboneSpec, InputKind, WeightsSpec
from headstart.weights.source import load_arrays, load_head_arrays

CALIBRATION_SAMPLES = 32
"""Prepared samples that a first batch is checked, and random weights calibrated, on."""


def load_weights(
    network: Network,
    samples: Mapping[str, np.ndarray],
    kind: InputKind,
    *,
    spec: BackboneSpec,
    source: WeightsSpec | Path | None,
    registry: Registry,
    seed: int = 0,
) -> None:
    """Set the weights of the backbone `spec` in `network` from `source`, None for random ones of `seed`.

    A first batch of prepared `samples` (sample, ...) is checked against what the weights expect. Raises DataError where
    it is not so, MissingWeightsError and WrongWeightsError as `load_arrays` does.
    """
    stages = network.backbone
    batch = forward(network, 0, 1)(samples)
    verify_ranges(batch, kind.output_ranges, hint=kind.hint)
    if source is None:
        initialise(stages, batch, seed, features=spec.features)
        return
    name = source.name if isinstance(source, WeightsSpec) else str(source)
    arrays = load_arrays(source, spec, backbone=Backbone(stages), registry=registry)
    verify_finite(arrays, name)
    assign_arrays(stages, arrays, source=name)


def load_head(network: Network, spec: BackboneSpec, weights: WeightsSpec, registry: Registry) -> None:
    """Set the head's weights from those that come with `weights`. Raises as `load_arrays` does."""
    head, name = network.stages[-1], f"the head of {weights.name}"
    arrays = load_head_arrays(weights, spec, head=head, registry=registry)
    verify_finite(arrays, name)
    assign_arrays([head], arrays, source=name)


def verify_finite(arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Raises WrongWeightsError naming the first array that holds what is no finite number."""
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(np.sum(array, dtype=np.float64)):
            raise WrongWeightsError(
                f"{source}: {name} holds values that are not finite", hint="get another copy of the weights"
            )
