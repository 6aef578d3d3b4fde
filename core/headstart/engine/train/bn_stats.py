"""BatchNorm statistics taken anew from the training split, once, before anything is trained.

One pass over the samples: each BatchNorm layer runs on the statistics of its batch, everything else as it answers, so
that nothing random enters; those of all batches are averaged. The source's statistics stay in as if they were of a few
more samples (Schneider et al. 2020, arXiv:2006.16971, equation 3): a channel that the target hardly excites, such as a
colour's on grey pictures, would otherwise be divided by next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from headstart.data.order import epoch_order
from headstart.engine.device import without_gradients
from headstart.engine.network.lsuv_init import settling_statistics
from headstart.engine.network.network import Network
from headstart.engine.network.stages import is_statistic, name_variables

BATCH = 64
"""Samples whose statistics are taken together."""
SOURCE = 64
"""As how many samples the source's statistics count, the N of the paper."""


def reestimate(network: Network, tensors: Mapping[str, np.ndarray], rows: np.ndarray) -> int:
    """Set each BatchNorm layer's statistics from those of batches of `rows`; returns how many layers there are.

    `tensors` are prepared samples (row, ...) by name. Each sample counts alike, the source's statistics as SOURCE of
    them; the order is fixed, so that equal samples give equal statistics.
    """
    found = {
        id(layer): layer
        for stage in network.backbone
        for layer in stage.model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    layers = list(found.values())
    if not layers:
        return 0
    before = [(layer.momentum, layer.trainable) for layer in layers]
    prior = SOURCE / (SOURCE + len(rows))
    sums = [[prior * _array(layer.moving_mean), prior * _array(layer.moving_variance)] for layer in layers]
    try:
        for layer in layers:
            layer.momentum = 0.0  # after a batch, the moving statistics are that batch's
            layer.trainable = True
            vars(layer)["call"] = settling_statistics(layer)  # shadows the method, past Keras' tracking of attributes
        mixed = np.asarray(rows)[epoch_order(0, 0, len(rows))]  # for rows may lie by class
        for part in np.array_split(mixed, max(1, round(len(mixed) / BATCH))):
            share = len(part) / len(mixed)
            with without_gradients():
                network.run({name: array[part] for name, array in tensors.items()}, 0, len(network.stages) - 1)
            for layer, (mean, variance) in zip(layers, sums, strict=True):
                mean += (1 - prior) * share * _array(layer.moving_mean)
                variance += (1 - prior) * share * _array(layer.moving_variance)
    finally:
        for layer, (momentum, trainable) in zip(layers, before, strict=True):
            layer.momentum = momentum
            layer.trainable = trainable
            vars(layer).pop("call", None)
    for layer, (mean, variance) in zip(layers, sums, strict=True):
        layer.moving_mean.assign(mean.astype(np.float32))
        layer.moving_variance.assign(variance.astype(np.float32))
    return len(layers)


def statistics_of(network: Network) -> set[str]:
    """The names of the backbone's statistics, which differ from the source's afterwards."""
    return {name for name in name_variables(network.backbone) if is_statistic(name)}


def _array(variable: keras.Variable) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable), np.float64)
