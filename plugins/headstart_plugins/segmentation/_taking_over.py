"""The first weights of a head of masks, of those that another run's head has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import HEAD, TakenOver
from headstart_plugins.segmentation._head import class_layers, fusing_layer


def take_over(
    old: Sequence[str], new: Sequence[str], learned: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray]
) -> TakenOver:
    """All that sees, and the logits of classes that both know by the same name; others begin as they were drawn.

    `old` and `new` are the classes of the heads whose weights by our names are `learned` and `first`. Raises DataError
    where the heads differ by more than their classes, and where they have no class in common.
    """
    kept = [name for name in new if name in old]
    if not kept:
        raise DataError(
            f"the other run's head knows {in_line(old)}, and none of {in_line(new)}: nothing of it would be kept",
            hint="check how the names are spelled, or leave --head-from out for a new head",
        )
    here, there = [new.index(name) for name in kept], [old.index(name) for name in kept]
    count = 1 + max(int(name.split("/")[1]) for name in first)
    of_classes = {f"{HEAD}/{place}/{role}" for place in class_layers(count) for role in ("kernel", "bias")}
    fusing = f"{HEAD}/{fusing_layer(count)}/kernel"
    arrays = {}
    for name, array in first.items():
        given = learned.get(name)
        wanted = (*array.shape[:-1], len(old)) if name in of_classes else array.shape
        if name == fusing:
            wanted = (*array.shape[:2], array.shape[2] // len(new) * len(old), len(old))
        if given is None or given.shape != wanted or len(learned) != len(first):
            shape = None if given is None else given.shape
            raise DataError(
                f"{name} of the other run's head has the shape {shape}, this head's has {array.shape}",
                hint="both need the same --head on features of the same width; leave --head-from out for a new head",
            )
        arrays[name] = given
        if name == fusing:
            arrays[name] = _fused(array, given, here, there)
        elif name in of_classes:
            arrays[name] = array.copy()
            arrays[name][..., here] = given[..., there]
    added = [name for name in new if name not in old]
    return TakenOver(arrays, kept=kept, added=added, left_out=[name for name in old if name not in new])


def _fused(first: np.ndarray, learned: np.ndarray, here: Sequence[int], there: Sequence[int]) -> np.ndarray:
    """A kernel (1, 1, channel, class) that has a channel for each class of each map, as `first`, but for what `learned`
    says of the classes that both know: they are `here` in the one and `there` in the other."""
    ours, theirs = (each.reshape(-1, each.shape[-1], each.shape[-1]) for each in (first.copy(), learned))
    maps = range(len(ours))
    ours[np.ix_(maps, here, here)] = theirs[np.ix_(maps, there, there)]
    return ours.reshape(first.shape)
