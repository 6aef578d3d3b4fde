"""What is wrong with a built network, in words for its author."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from headstart.engine.network.frozen import is_statistic, trainable_variables
from headstart.engine.network.network import Network
from headstart.engine.network.stages import name_variables, verify_composition, verify_names, weighted_layers
from headstart.specs import FeatureSpec, Stage
from headstart.testing.backbones.network import Arrays, Outputs

if TYPE_CHECKING:
    import keras

K = TypeVar("K", bound=Hashable)
MAX_LISTED = 6


def stage_problems(stages: Sequence[Stage], declared: Sequence[str] | None) -> Iterator[str]:
    """Where the stages are not those that are declared, or no chain of models between named tensors."""
    names = tuple(stage.name for stage in stages)
    if declared is not None and names != tuple(declared):
        yield f"it declares the stages {', '.join(declared)} and builds {', '.join(names)}"
    for verify in (verify_names, verify_composition):
        try:
            verify(stages)
        except ValueError as exc:
            yield str(exc)


def feature_problems(features: Sequence[FeatureSpec], outputs: Outputs, *, inputs: Arrays) -> Iterator[str]:
    """Where a feature is not in the outputs of its stage, not finite, or of another shape than declared."""
    for feature in features:
        where = f"the feature {feature.name!r} should be the tensor {feature.tensor!r} of stage {feature.stage!r}"
        array = outputs.get((feature.stage, feature.tensor))
        if array is None:
            given = ", ".join(sorted(name for stage, name in outputs if stage == feature.stage)) or "does not exist"
            yield f"{where}, which gives {given}"
            continue
        if not np.isfinite(array).all():
            yield f"{where}, which holds NaN or infinity"
        if array.ndim != len(feature.axes):
            yield f"{where} with the axes {', '.join(feature.axes)}, but that has the shape {array.shape}"
        elif problem := _stride_problem(feature, array, inputs):
            yield f"{where} {problem}"
        if feature.mask is not None and (feature.stage, feature.mask) not in outputs:
            yield f"{where} with the mask {feature.mask!r}, which that stage does not give"


def _stride_problem(feature: FeatureSpec, array: np.ndarray, inputs: Arrays) -> str | None:
    """A map of another stride. Convolutions without padding lose a margin, so it has to be nearer than the next one."""
    pictures = [image.shape[1:3] for image in inputs.values() if image.ndim == 4]
    if feature.stride is None or len(pictures) != 1 or "height" not in feature.axes:
        return None
    for axis, side in zip(("height", "width"), pictures[0], strict=True):
        size = array.shape[feature.axes.index(axis)]
        ratio = side / size / feature.stride
        highest = 3.0 if size == 1 else 2.0
        if not math.sqrt(0.5) < ratio < highest:
            return f"with the stride {feature.stride}, but {side} of {axis} became {size}"
    return None


def wrong_channels(features: Sequence[FeatureSpec], stages: Sequence[Stage]) -> Iterator[str]:
    """Where the network's channels are others than declared."""
    shapes = {(s.name, name): tuple(tensor.shape) for s in stages for name, tensor in s.model.output.items()}
    for feature in features:
        shape = shapes.get((feature.stage, feature.tensor))
        if shape is None or shape[-1] != feature.channels:
            yield f"the feature {feature.name!r} declares {feature.channels} channels; with the default options " + (
                f"its shape is {shape}" if shape else f"stage {feature.stage!r} gives no {feature.tensor!r}"
            )


def count_parameters(stages: Sequence[Stage]) -> int:
    """Every number in the weights of `stages`."""
    return sum(math.prod(variable.shape) for variable in name_variables(stages).values())


def differences(expected: Mapping[K, np.ndarray], found: Mapping[K, np.ndarray]) -> str:
    """The arrays that are not equal to the bit, by name, with the largest difference; empty where all are."""
    odd = []
    for key in expected.keys() | found.keys():
        one, other = expected.get(key), found.get(key)
        if one is None or other is None or one.shape != other.shape:
            odd.append(f"{_spelt(key)} is in one of them alone, or has another shape")
        elif not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            odd.append(f"{_spelt(key)} by {np.abs(one.astype(np.float64) - other).max():.2g}")
    return "; ".join(sorted(odd)[:MAX_LISTED])


def _spelt(key: Hashable) -> str:
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)


def frozen_layers(stages: Sequence[Stage]) -> list[str]:
    """Layers with weights whose `trainable` is False, as `stage: layer`."""
    return [
        f"{stage.name}: {layer.name}"
        for stage in stages
        for layer in (stage.model, *_every_layer(stage.model))
        if layer.weights and not layer.trainable
    ]


def _every_layer(model: keras.Model) -> Iterator[Any]:
    """Every layer, those inside composite ones too."""
    for layer in weighted_layers(model):
        yield from layer._flatten_layers()


def freezing_problems(stages: Sequence[Stage]) -> Iterator[str]:
    """Train each stage alone: exactly its own weights may learn, all that its layers call trainable and no others."""
    network = Network((stages[0], *stages), ())  # `learned` leaves out the first, which is the input stage in a run
    owner: dict[int, str] = {}
    for stage in stages:
        named = name_variables([stage])
        own = {id(variable) for layer in weighted_layers(stage.model) for variable in layer.trainable_weights}
        expected = {name for name, variable in named.items() if id(variable) in own and not is_statistic(name)}
        found = set(trainable_variables(network, (stage.name,)))
        if found != expected:
            yield f"training stage {stage.name!r} alone would train others than its own: {_listed(found ^ expected)}"
        shared = [name for name, variable in named.items() if owner.setdefault(id(variable), stage.name) != stage.name]
        if shared:
            yield f"a stage below has the same weights as {_listed(shared)}: frozen there, they would learn here"


def statistics(names: Iterable[str]) -> set[str]:
    """Those of `names` that are moving means and variances."""
    return {name for name in names if is_statistic(name)}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:MAX_LISTED])
