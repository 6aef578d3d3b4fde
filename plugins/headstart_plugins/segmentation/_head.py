"""Heads that answer in every cell of a map at stride 8: a light one on two maps, and a feature pyramid on three. Side
outputs, which answer in every pixel, are in `_side_outputs`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import UsageError
from headstart.specs import read_head

if TYPE_CHECKING:
    import keras

LOGITS = "logits"
LR_ASPP, FPN, SIDE_OUTPUTS = "lr_aspp", "fpn", "side_outputs"
STRIDES: Mapping[str, tuple[int, ...]] = {LR_ASPP: (8, 16), FPN: (8, 16, 32)}
"""Of the maps that each head is on, the finest first."""
WIDTHS: Mapping[str, int] = {LR_ASPP: 128, FPN: 96}
"""Channels between the maps and the logits, where the user says none."""
LAST: Mapping[str, int] = {LR_ASPP: 2, FPN: 1, SIDE_OUTPUTS: 6}
"""How many of the last layers with weights have an output a class: see `class_layers`."""
LAYERS: Mapping[int, str] = {5: LR_ASPP, 6: SIDE_OUTPUTS}
"""Heads by how many layers with weights they have; a pyramid has more."""
GROUPS = 16
"""Of the norms, at most: those of a width that this does not divide are as many as divide both."""
RAREST = 1e-3
"""Share of a class that its first logit is told of at least."""
AXES = "(batch, height, width, channel)"

Shape = tuple[int | None, ...]


def build_head(
    name: str, features: Mapping[str, Shape], *, classes: int, seed: int, counts: Sequence[int] = ()
) -> keras.Model:
    """A Functional model from maps (batch, height, width, channel) to {"logits": (batch, row, column, class)}, a cell
    for each of map@8, all in float32.

    "lr_aspp" or "lr_aspp:WIDTH", on map@8 and map@16 (Howard et al. 2019, arXiv:1905.02244, section 6.4): the coarser
    map is brought to WIDTH channels, each of which is let through as far as its mean over the picture says; both maps
    give logits, which are added. As torchvision's `LRASPPHead`, but for norms over groups of channels of one sample (Wu
    and He 2018) in place of batch norms, a bias at the gate, and that logits of the coarser map are enlarged and not
    what they are computed from: 1 x 1 convolutions and bilinear interpolation can change places.

    "fpn" or "fpn:WIDTH", on map@32 too (Lin et al. 2017, arXiv:1612.03144; Kirillov et al. 2019, arXiv:1901.02446,
    section 3.1): each map is brought to WIDTH channels by a 1 x 1 convolution, gets the next coarser one, enlarged by
    nearest, and is smoothed by a 3 x 3 one; all are enlarged to map@8, bilinear, and added.

    "side_outputs", on map@1 to map@16, has a cell for each of map@1: see `_side_outputs.build_side_outputs`.

    Kernels are He-normal, those of the last layers normal with a deviation of 0.01, all drawn by numpy from `seed`.
    `counts` (class,), pixels of each class in train, are what the first logits tell without a look at the picture.
    Raises UsageError for another name, or maps that do not halve from stride to stride.
    """
    import keras

    kind, numbers = read_head(name)
    if kind == SIDE_OUTPUTS and not numbers:
        from headstart_plugins.segmentation._side_outputs import build_side_outputs

        return build_side_outputs(features, classes=classes, seed=seed, first=_first_logits(counts))
    if kind not in STRIDES or len(numbers) > 1:
        raise UsageError(
            f"unknown head {name!r}; expected lr_aspp, lr_aspp:WIDTH, fpn, fpn:WIDTH or side_outputs",
            hint="try `--head lr_aspp`",
        )
    _verify(name, features, STRIDES[kind])
    width = numbers[0] if numbers else WIDTHS[kind]
    maps = {
        stride: keras.Input(features[f"map@{stride}"][1:], name=f"map@{stride}", dtype="float32")
        for stride in STRIDES[kind]
    }
    logits = _lr_aspp(maps, classes, width) if kind == LR_ASPP else _fpn(maps, classes, width)
    model = keras.Model({f"map@{stride}": given for stride, given in maps.items()}, {LOGITS: logits})
    _draw(model, seed, counts)
    return model


def class_layers(count: int) -> tuple[int, ...]:
    """Which of a head's `count` layers with weights give an output a class, by their place: the last two of "lr_aspp",
    the last of "fpn", and all of "side_outputs"."""
    return tuple(range(count - LAST[LAYERS.get(count, FPN)], count))


def fusing_layer(count: int) -> int | None:
    """Which of a head's `count` layers with weights reads a channel a class of several maps: the last of
    "side_outputs"."""
    return count - 1 if LAYERS.get(count) == SIDE_OUTPUTS else None


def _verify(name: str, features: Mapping[str, Shape], strides: Sequence[int]) -> None:
    shapes = [features.get(f"map@{stride}", ()) for stride in strides]
    known = all(len(shape) == 4 and None not in shape[1:] for shape in shapes)
    sides = [tuple(int(side or 0) for side in shape[1:3]) for shape in shapes] if known else []
    if not known or any(tuple(-(-side // 2) for side in fine) != coarse for fine, coarse in pairwise(sides)):
        wanted = " and ".join(f"map@{stride}" for stride in strides)
        raise UsageError(
            f"the head {name!r} needs the features {wanted} {AXES}, each half as high and wide as the one before; "
            f"received {dict(features)}",
            hint=f"choose an --image-size that {strides[-1]} divides, or another backbone",
        )


def _layer(kind: str, name: str, *given: Any, **settings: Any) -> Any:
    """A stock Keras layer in float32."""
    import keras

    return getattr(keras.layers, kind)(*given, name=name, dtype="float32", **settings)


def _convolved(given: Any, channels: int, size: int, name: str, *, relu: bool) -> Any:
    """A convolution and a norm, and perhaps what cuts off below 0."""
    found = _layer("Conv2D", name, channels, size, padding="same")(given)
    found = _layer("GroupNormalization", f"{name}_norm", math.gcd(channels, GROUPS))(found)
    return _layer("ReLU", f"{name}_relu")(found) if relu else found


def _enlarged(given: Any, like: Any, *, factor: int, name: str, nearest: bool = False) -> Any:
    """A map as large as `like`: enlarged by a whole factor, bilinear or by nearest, and cut at the right and below
    where that is too much."""
    how = "nearest" if nearest else "bilinear"
    larger = _layer("UpSampling2D", f"enlarge_{name}", factor, interpolation=how)(given)
    odd = [larger.shape[axis] - like.shape[axis] for axis in (1, 2)]
    return _layer("Cropping2D", f"cut_{name}", [(0, each) for each in odd])(larger) if any(odd) else larger


def _lr_aspp(maps: Mapping[int, Any], classes: int, width: int) -> Any:
    fine, coarse = maps[8], maps[16]
    hidden = _convolved(coarse, width, 1, "project", relu=True)
    mean = _layer("GlobalAveragePooling2D", "mean", keepdims=True)(coarse)
    gate = _layer("Conv2D", "gate", width, 1, activation="sigmoid")(mean)
    gated = _layer("Multiply", "gated")([hidden, gate])
    coarse = _layer("Conv2D", "classes_16", classes, 1)(gated)
    fine = _layer("Conv2D", "classes_8", classes, 1)(fine)
    return _layer("Add", LOGITS)([_enlarged(coarse, fine, factor=2, name="classes"), fine])


def _fpn(maps: Mapping[int, Any], classes: int, width: int) -> Any:
    smooth: dict[int, Any] = {}
    above = None
    for stride in reversed(STRIDES[FPN]):
        lateral = _convolved(maps[stride], width, 1, f"lateral_{stride}", relu=False)
        if above is not None:
            larger = _enlarged(above, lateral, factor=2, name=f"to_{stride}", nearest=True)
            lateral = _layer("Add", f"add_{stride}")([lateral, larger])
        above = lateral
        smooth[stride] = _convolved(lateral, width, 3, f"smooth_{stride}", relu=True)
    fine = smooth[8]
    others = [
        _enlarged(smooth[stride], fine, factor=stride // 8, name=f"smooth_{stride}") for stride in STRIDES[FPN][1:]
    ]
    return _layer("Conv2D", "classes_8", classes, 1)(_layer("Add", "all")([fine, *others]))


def _draw(model: keras.Model, seed: int, counts: Sequence[int]) -> None:
    """Every backend starts from the same numbers; norms as Keras makes them."""
    for index, layer in enumerate(layer for layer in model.layers if hasattr(layer, "kernel")):
        height, width, channels, _ = layer.kernel.shape
        is_last = layer.name.startswith("classes_")
        deviation = 0.01 if is_last else math.sqrt(2.0 / (height * width * channels))
        random = np.random.default_rng((seed, index))
        layer.kernel.assign(random.normal(0.0, deviation, tuple(layer.kernel.shape)).astype(np.float32))
        if layer.name == "classes_8" and len(counts):
            layer.bias.assign(_first_logits(counts))


def _first_logits(counts: Sequence[int]) -> np.ndarray | None:
    """(class,) float32: the logarithm of each class' share of the pixels; None without any counts."""
    if not len(counts):
        return None
    shares = np.maximum(np.asarray(counts, np.float64) / max(sum(counts), 1), RAREST)
    return np.log(shares).astype(np.float32)
