"""Inference on JAX: pure functions, compiled once a shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras
import numpy as np

from headstart.engine.batch import Batch
from headstart.specs import Stage


def state_of(stages: Sequence[Stage]) -> list[keras.Variable]:
    """Every variable that `stages` read, seeds of random layers included."""
    found = {id(variable): variable for stage in stages for variable in stage.model.variables}
    return list(found.values())


def inference(compute: Callable[..., Any], stages: Sequence[Stage]) -> Callable[..., Any]:
    """See `headstart.engine.device.inference`; weights are arguments, so later updates of the variables are seen."""
    variables = state_of(stages)

    def run(values: list[Any], *batches: dict[str, Any]) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return compute(*batches)

    compiled = jax.jit(run)

    def on_arrays(*batches: Batch) -> Any:
        found = compiled([variable.value for variable in variables], *map(dict, batches))
        return jax.tree.map(np.asarray, found)

    return on_arrays
