"""The first weights of a head, of those that another run's head of the same form has learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs.strategies import HEAD


@dataclass(frozen=True)
class OutputLayer:
    """The last layer of a head: `kernel` (channel, output) and `bias` (output,), float32."""

    kernel: np.ndarray
    bias: np.ndarray


def taken_over(
    learned: Mapping[str, np.ndarray],
    first: Mapping[str, np.ndarray],
    carry: Callable[[OutputLayer, OutputLayer], OutputLayer],
) -> dict[str, np.ndarray]:
    """All weights of a head by our names: hidden layers as they were `learned`, the last one as `carry` makes it of the
    learned one and of that which there is at `first`.

    Raises DataError, naming both shapes, where one does not fit, and where one head has more layers: only the number of
    outputs may differ.
    """
    if deeper := sorted(learned.keys() - first.keys()):
        raise DataError(
            f"the other run's head has {in_line(deeper)}, and this head has no such layer",
            hint="both need the same hidden layers: leave out --head; or leave --head-from out for a new head",
        )
    place = max((int(name.split("/")[1]) for name in first), default=0)
    kernel, bias = (f"{HEAD}/{place}/{role}" for role in ("kernel", "bias"))
    for name, array in first.items():
        given = learned[name].shape if name in learned else None
        fits = given == array.shape if name not in (kernel, bias) else given and given[:-1] == array.shape[:-1]
        if not fits:
            raise DataError(
                f"{name} of the other run's head has the shape {given}, this head's has {array.shape}",
                hint="both need features and hidden layers of the same width, under flatten images of the same size; "
                "leave --head-from out for a new head",
            )
    layer = carry(OutputLayer(learned[kernel], learned[bias]), OutputLayer(first[kernel], first[bias]))
    return {**{name: learned[name] for name in first}, kernel: layer.kernel, bias: layer.bias}
