"""BatchNorm statistics: taken anew from the training split, once, before anything is trained; and how fast they follow
where they are trainable.

Taking them anew is one pass over the samples: each BatchNorm layer runs on the statistics of its batch, everything else
as it answers, so that nothing random enters. The mean and the variance of all batches together are taken: the variance
between their means counts too, which matters where large samples make batches small. The source's statistics stay in
as if they were of a few more samples (Schneider et al. 2020, arXiv:2006.16971, equation 3): a channel that the target
hardly excites, such as a colour's on grey pictures, would otherwise be divided by next to nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence

import keras
import numpy as np

from headstart.data.order import epoch_order
from headstart.engine.batch import bytes_a_row, rows_within
from headstart.engine.device import without_gradients
from headstart.engine.network.lsuv_init import settling_statistics
from headstart.engine.network.network import Network
from headstart.engine.network.stages import is_statistic, name_variables
from headstart.specs import Stage

BATCH, FEWEST = 64, 2
"""Samples whose statistics are taken together, fewer where they are large."""
SOURCE = 64
"""As how many samples the source's statistics count, the N of the paper."""
REMEMBERED = 25.0
"""Moving statistics remember one part in so many of a training."""
SHORTEST = 10.0
"""Updates that they remember at the least, as PyTorch's own layers do: its momentum of 0.1 is 0.9 here."""


def reestimate(network: Network, tensors: Mapping[str, np.ndarray], rows: np.ndarray) -> int:
    """Set each BatchNorm layer's statistics from those of batches of `rows`; returns how many layers there are.

    `tensors` are prepared samples (row, ...) by name. Each sample counts alike, the source's statistics as SOURCE of
    them; the order is fixed, so that equal samples give equal statistics.
    """
    layers = _norms(network.backbone)
    if not layers:
        return 0
    before = [(layer.momentum, layer.trainable) for layer in layers]
    source = [(_array(layer.moving_mean), _array(layer.moving_variance)) for layer in layers]
    sums = [(np.zeros_like(mean), np.zeros_like(variance)) for mean, variance in source]
    batch = min(BATCH, max(FEWEST, rows_within(bytes_a_row(tensors), BATCH)))
    try:
        for layer in layers:
            layer.momentum = 0.0  # after a batch, the moving statistics are that batch's
            layer.trainable = True
            vars(layer)["call"] = settling_statistics(layer)  # shadows the method, past Keras' tracking of attributes
        mixed = np.asarray(rows)[epoch_order(0, 0, len(rows))]  # for rows may lie by class
        for part in np.array_split(mixed, max(1, round(len(mixed) / batch))):
            share = len(part) / len(mixed)
            with without_gradients():
                network.run({name: array[part] for name, array in tensors.items()}, 0, len(network.stages) - 1)
            for layer, (mean, square) in zip(layers, sums, strict=True):
                own = _array(layer.moving_mean)
                mean += share * own
                square += share * (_array(layer.moving_variance) + own**2)
    finally:
        for layer, (momentum, trainable) in zip(layers, before, strict=True):
            layer.momentum = momentum
            layer.trainable = trainable
            vars(layer).pop("call", None)
    prior = SOURCE / (SOURCE + len(rows))
    for layer, (first, second), (mean, square) in zip(layers, source, sums, strict=True):
        layer.moving_mean.assign((prior * first + (1 - prior) * mean).astype(np.float32))
        layer.moving_variance.assign((prior * second + (1 - prior) * (square - mean**2)).astype(np.float32))
    return len(layers)


@contextlib.contextmanager
def following(networks: Sequence[Network], stages: Collection[str], steps: int) -> Iterator[None]:
    """While open, moving statistics of `stages` remember no more than a small part of a training of `steps` updates.

    A layer's own momentum is for long trainings: at 0.99 the statistics are those of the last hundred steps or so. In a
    short one they would be those of weights that are long gone, and what is validated another network than what was
    trained.
    """
    layers = _norms([stage for network in networks for stage in network.backbone if stage.name in stages])
    before = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            layer.momentum = min(layer.momentum, longest_momentum(steps))
        yield
    finally:
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum


def longest_momentum(steps: int) -> float:
    """The momentum at which statistics remember one part in REMEMBERED of `steps` updates, or SHORTEST of them."""
    return 1.0 - 1.0 / max(SHORTEST, steps / REMEMBERED)


def _norms(stages: Sequence[Stage]) -> list[keras.layers.BatchNormalization]:
    """Every BatchNorm layer of `stages`, once."""
    layers = (layer for stage in stages for layer in stage.model._flatten_layers())
    return list({id(each): each for each in layers if isinstance(each, keras.layers.BatchNormalization)}.values())


def statistics_of(network: Network) -> set[str]:
    """The names of the backbone's statistics, which differ from the source's afterwards."""
    return {name for name in name_variables(network.backbone) if is_statistic(name)}


def _array(variable: keras.Variable) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable), np.float64)
