"""Heads that answer in every cell of three maps: a feature pyramid with shared towers, and plain convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import UsageError
from headstart.specs import read_head
from headstart_plugins.detection._grid import STEPS, STRIDES

if TYPE_CHECKING:
    import keras

WIDTH, DEPTH = 96, 2
GROUPS = 16
"""Of the norms, at most: those of a width that this does not divide are as many as divide both."""
RARE = math.log(0.01 / 0.99)
"""The logit that each class begins with: one cell in a hundred (Lin et al. 2017, arXiv:1708.02002, section 4.1)."""
AXES = "(batch, height, width, channel)"

Shape = tuple[int | None, ...]


def build_head(name: str, features: Mapping[str, Shape], *, classes: int, seed: int) -> keras.Model:
    """A Functional model from {"map@8", "map@16", "map@32": (batch, height, width, channel)} to {"classes": (batch,
    position, class), "sides": (batch, position, 4, STEPS)}, all in float32; positions as in `Cells`.

    "pyramid", or "pyramid:WIDTH,DEPTH", brings each map to WIDTH channels by a 1 x 1 convolution, adds to it the next
    coarser one, enlarged by nearest (Lin et al. 2017, arXiv:1612.03144), and smooths it by a 3 x 3 one; two towers of
    DEPTH 3 x 3 convolutions, one for classes and one for sides, are shared by the three maps (Tian et al. 2019,
    arXiv:1904.01355). Norms are over groups of channels of one sample (Wu and He 2018). "plain" has two 1 x 1
    convolutions a map and shares none, for backbones whose maps are ready.

    Kernels are He-normal, those of the last layers normal with a deviation of 0.01, all drawn by numpy from `seed`.
    Raises UsageError for another name, or maps that do not halve from stride to stride.
    """
    import keras

    kind, numbers = read_head(name)
    if kind not in ("pyramid", "plain") or len(numbers) > 2 or (kind == "plain" and numbers):
        raise UsageError(
            f"unknown head {name!r}; expected pyramid, pyramid:WIDTH, pyramid:WIDTH,DEPTH or plain",
            hint="try `--head pyramid`",
        )
    _verify(name, features)
    maps = {
        stride: keras.Input(features[f"map@{stride}"][1:], name=f"map@{stride}", dtype="float32") for stride in STRIDES
    }
    if kind == "plain":
        found = _plain(maps, classes)
    else:
        width, depth = (*numbers, *(WIDTH, DEPTH)[len(numbers) :])
        found = _towers(_pyramid(maps, width), classes, width=width, depth=depth)
    outputs = {
        "classes": _flat({stride: pair[0] for stride, pair in found.items()}, (classes,), "classes"),
        "sides": _flat({stride: pair[1] for stride, pair in found.items()}, (4, STEPS), "sides"),
    }
    model = keras.Model({f"map@{stride}": given for stride, given in maps.items()}, outputs)
    _draw(model, seed)
    return model


def class_layers(count: int) -> tuple[int, ...]:
    """Which of a head's `count` layers with weights give logits of classes, by their place: the first three of a plain
    head, which has six in all, and the last but one of a pyramid."""
    return (0, 1, 2) if count == 2 * len(STRIDES) else (count - 2,)


def _verify(name: str, features: Mapping[str, Shape]) -> None:
    shapes = [features.get(f"map@{stride}", ()) for stride in STRIDES]
    known = all(len(shape) == 4 and None not in shape[1:] for shape in shapes)
    sides = [tuple(int(side or 0) for side in shape[1:3]) for shape in shapes] if known else []
    if not known or any(tuple(-(-side // 2) for side in fine) != coarse for fine, coarse in pairwise(sides)):
        raise UsageError(
            f"the head {name!r} needs the features map@8, map@16 and map@32 {AXES}, each half as high and wide as the "
            f"one before; received {dict(features)}",
            hint="choose an --image-size that 32 divides, or another backbone",
        )


def _convolution(channels: int, size: int, name: str) -> Callable[[Any], Any]:
    import keras

    made: Callable[[Any], Any] = keras.layers.Conv2D(channels, size, padding="same", name=name, dtype="float32")
    return made


def _norm(channels: int, name: str) -> Callable[[Any], Any]:
    import keras

    made: Callable[[Any], Any] = keras.layers.GroupNormalization(math.gcd(channels, GROUPS), name=name, dtype="float32")
    return made


def _plain(maps: Mapping[int, Any], classes: int) -> dict[int, tuple[Any, Any]]:
    return {
        stride: (
            _convolution(classes, 1, f"classes_{stride}")(given),
            _convolution(4 * STEPS, 1, f"sides_{stride}")(given),
        )
        for stride, given in maps.items()
    }


def _pyramid(maps: Mapping[int, Any], width: int) -> dict[int, Any]:
    """Maps of equal width, of which each knows the coarser ones."""
    import keras

    layers = keras.layers
    found: dict[int, Any] = {}
    above = None
    for stride in reversed(STRIDES):
        lateral = _convolution(width, 1, f"lateral_{stride}")(maps[stride])
        lateral = _norm(width, f"lateral_norm_{stride}")(lateral)
        if above is not None:
            larger = layers.UpSampling2D(2, interpolation="nearest", name=f"enlarge_{stride}", dtype="float32")(above)
            odd = [larger.shape[axis] - lateral.shape[axis] for axis in (1, 2)]
            if any(odd):
                larger = layers.Cropping2D([(0, each) for each in odd], name=f"cut_{stride}", dtype="float32")(larger)
            lateral = layers.Add(name=f"add_{stride}", dtype="float32")([lateral, larger])
        above = lateral
        smoothed = _norm(width, f"smooth_norm_{stride}")(_convolution(width, 3, f"smooth_{stride}")(lateral))
        found[stride] = layers.ReLU(name=f"smooth_relu_{stride}", dtype="float32")(smoothed)
    return found


def _towers(maps: Mapping[int, Any], classes: int, *, width: int, depth: int) -> dict[int, tuple[Any, Any]]:
    import keras

    tower = {
        what: [
            layer
            for place in range(depth)
            for layer in (
                _convolution(width, 3, f"{what}_{place}"),
                _norm(width, f"{what}_norm_{place}"),
                keras.layers.ReLU(name=f"{what}_relu_{place}", dtype="float32"),
            )
        ]
        + [_convolution(channels, 1, what)]
        for what, channels in (("classes", classes), ("sides", 4 * STEPS))
    }

    def through(what: str, hidden: Any) -> Any:
        for layer in tower[what]:
            hidden = layer(hidden)
        return hidden

    return {stride: (through("classes", maps[stride]), through("sides", maps[stride])) for stride in STRIDES}


def _flat(maps: Mapping[int, Any], shape: tuple[int, ...], what: str) -> Any:
    """Maps (batch, height, width, channel) as (batch, position, *shape), one after the other."""
    import keras

    rows = [
        keras.layers.Reshape((-1, *shape), name=f"{what}_rows_{stride}", dtype="float32")(maps[stride])
        for stride in STRIDES
    ]
    return keras.layers.Concatenate(axis=1, name=f"{what}_positions", dtype="float32")(rows)


def _draw(model: keras.Model, seed: int) -> None:
    """Every backend starts from the same numbers; norms as Keras makes them."""
    for index, layer in enumerate(layer for layer in model.layers if hasattr(layer, "kernel")):
        is_last = layer.name.rpartition("_")[0] in ("classes", "sides") and layer.kernel_size == (1, 1)
        is_last = is_last or layer.name in ("classes", "sides")
        height, width, channels, _ = layer.kernel.shape
        deviation = 0.01 if is_last else math.sqrt(2.0 / (height * width * channels))
        random = np.random.default_rng((seed, index))
        layer.kernel.assign(random.normal(0.0, deviation, tuple(layer.kernel.shape)).astype(np.float32))
        if is_last and layer.name.startswith("classes"):
            layer.bias.assign(np.full(tuple(layer.bias.shape), RARE, np.float32))
