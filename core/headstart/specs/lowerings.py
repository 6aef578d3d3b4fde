"""Lowerings: faster, numerically equal forms of layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from headstart.specs.base import Spec

if TYPE_CHECKING:
    import keras


class LoweringBuild(Protocol):
    """Build target of a LoweringSpec: a faster, numerically equal layer, or None where it would not be equal.

    `layer` is of the spec's class, `then` are layers of the classes in its `then`. The new layer holds the stock ones
    and owns no variables: training it trains theirs.
    """

    def __call__(self, layer: keras.Layer, *then: keras.Layer) -> keras.Layer | None:
        """See the class."""


class LowersItself(Protocol):
    """A composite Keras layer, one that holds other layers, with a lowered form of its own.

    Rules know layers by their class. `lower_layer` gives the form of an inner layer, the layer itself where no rule
    knows it.
    """

    def lower(self, lower_layer: Callable[[keras.Layer], keras.Layer]) -> keras.Layer | None:
        """A layer of equal numbers on the same variables, or None where there is none."""


@dataclass(frozen=True, kw_only=True)
class LoweringSpec(Spec):
    """A faster form of Keras layers on the backends and devices ("cpu", "gpu", "tpu") named.

    `layer` is the name of a layer class. With `then`, the form stands for a chain: layers of those classes, each the
    only one to read what the one before gives. Of two forms that fit, the one of the longer chain is taken.
    """

    build: str
    layer: str
    backends: tuple[str, ...]
    then: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu",)
