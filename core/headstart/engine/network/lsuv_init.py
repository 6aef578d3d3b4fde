"""Random networks that are alive, and the same on every backend.

A deep network with fresh weights and BatchNorm statistics of 0 and 1 gives features of a scale of 1e-11, and
any two such features are "equal within 1e-4". Here every weight is drawn in numpy from its name and a seed,
and then set so that each layer of the network answers a given batch with a deviation of about 1.
"""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from headstart.data.noise import smooth_noise
from headstart.engine.device import without_gradients
from headstart.engine.network.cutting import nodes_of
from headstart.engine.network.liveness import let_go
from headstart.engine.network.stages import NORMALISATIONS, name_variables, weighted_layers
from headstart.specs import FeatureSpec, Stage

LOWEST_STD, HIGHEST_STD = 0.01, 20.0
"""Bounds on the deviation of every tensor between stages, after calibration. Embeddings of transformers begin with
0.02; features that are brought to length 1, as those of sentence encoders, have 1 / sqrt(width): 0.036 of 768 numbers.
"""
NORMALISATION_VALUES = {"gamma": 1.0, "scale": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}
KERNELS = ("pointwise_kernel", "kernel", "embeddings")
"""Names of the weight that scales a layer's output, the one that acts last first."""
TRANSFORMER_NORMS = (keras.layers.LayerNormalization, keras.layers.RMSNormalization)
DENSE = (keras.layers.Dense, keras.layers.EinsumDense)
TRANSFORMER_STD = 0.02
"""Deviation of `small_layers`, and of other weights inside composite layers: that of BERT's kernels and embeddings
(Devlin et al. 2019), of GPT-2's, of ViT's and of ConvNeXt's."""


def initialise(
    stages: Sequence[Stage],
    batch: Mapping[str, np.ndarray],
    seed: int = 0,
    *,
    features: Sequence[FeatureSpec] | None = None,
) -> None:
    """Random weights from `seed`, calibrated on `batch`: what `--weights none` and tiny builds use.

    `batch` maps the first stage's inputs to (batch, ...) arrays, preprocessed as the weights expect. The same
    seed and batch give the same network on every backend, within float32 rounding. `features` and ValueError as in
    `calibrate`.
    """
    seed_arrays(stages, seed)
    calibrate(stages, batch, features=features)


def calibration_batch(
    shapes: Mapping[str, tuple[int, ...]], *, seed: int = 0, count: int = 8
) -> Mapping[str, np.ndarray]:
    """A fixed batch of about standard normal values: {name: (count, *shape) float32}.

    Half of the variance is slow along every axis but the last (a coarse grid, linearly interpolated), so that
    samples differ in more than noise; the other half is white.
    """
    return {name: smooth_noise((count, *shape), _generator(name, seed)) for name, shape in shapes.items()}


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def seed_arrays(stages: Sequence[Stage], seed: int = 0) -> None:
    """Set every weight of `stages` from `seed` and its name, in numpy: equal bits on every backend.

    Kernels are He normal (He et al. 2015: variance 2 / fan in), normalisations start at the identity. Other
    weights keep the constants they were built with (zero biases, ConvNeXt's layer scale); random ones are
    drawn normal with a deviation of 0.02, and so are `small_layers`.
    """
    layers = [layer for stage in stages for layer in weighted_layers(stage.model)]
    owners = {id(variable): layer for layer in layers for variable in layer.weights}
    small = {id(variable) for layer in small_layers(stages) for variable in layer.weights}
    for name, variable in name_variables(stages).items():
        value = _drawn(owners[id(variable)], variable, _generator(name, seed), small=id(variable) in small)
        if value is not None:
            variable.assign(value)


def small_layers(stages: Sequence[Stage]) -> list[keras.Layer]:
    """The embeddings, and of the projections on the way to a sum, of networks with layer or RMS norms.

    Branches whose answers have a deviation of 1 add to the stream what is as large as the stream: after a few layers
    with norms behind the sum little of a sample's own is left, and training stays at chance (Liu et al. 2020,
    "Understanding the difficulty of training transformers"). Embeddings of a deviation of 1 hardly move: Adam's steps
    are as long whatever a weight's scale is. Of a composite layer with such norms of its own, whose sums are not seen,
    all projections are meant.
    """
    layers = (layer for stage in stages for layer in stage.model._flatten_layers())
    if not any(isinstance(layer, TRANSFORMER_NORMS) for layer in layers):
        return []
    small: list[keras.Layer] = []
    for stage in stages:
        summed: set[int] = set()
        for node in reversed(nodes_of(stage.model)):
            reached = any(id(tensor) in summed for tensor in node.outputs)
            if reached or type(node.operation).__name__ == "Add":
                summed |= {id(tensor) for tensor in node.arguments.keras_tensors}
            if isinstance(node.operation, keras.layers.Layer):
                inner = node.operation._flatten_layers(include_self=False)
                reached = reached or any(isinstance(layer, TRANSFORMER_NORMS) for layer in inner)
                small += [
                    layer
                    for layer in node.operation._flatten_layers()
                    if isinstance(layer, keras.layers.Embedding) or (reached and isinstance(layer, DENSE))
                ]
    return small


def _drawn(
    layer: keras.Layer, variable: keras.Variable, generator: np.random.Generator, *, small: bool
) -> np.ndarray | None:
    """The start value of a weight as float32, or None where the built one stays; `small`: as transformers begin."""
    shape = tuple(variable.shape)
    if isinstance(layer, NORMALISATIONS) and variable.name in NORMALISATION_VALUES:
        return np.full(shape, NORMALISATION_VALUES[variable.name], dtype=np.float32)
    if not small and variable.name.endswith("kernel") and (_kernel(layer) is not None or len(shape) == 2):
        std = math.sqrt(2.0 / _fan_in(layer, variable.name, shape))
    elif isinstance(layer, keras.layers.Normalization) or _is_constant(variable):
        return None
    else:
        std = TRANSFORMER_STD
    return (std * generator.standard_normal(shape)).astype(np.float32)


def _fan_in(layer: keras.Layer, name: str, shape: tuple[int, ...]) -> int:
    """Inputs that are summed for one output."""
    if name == "depthwise_kernel" or "Depthwise" in type(layer).__name__:
        return math.prod(shape[:-2])
    if "Transpose" in type(layer).__name__:
        return math.prod(shape[:-2]) * shape[-1]
    return math.prod(shape[:-1])


def _is_constant(variable: keras.Variable) -> bool:
    # Only random initialisers differ between backends; a constant start is part of the architecture. Several
    # constants in one weight, as in an LSTM's bias, are few distinct values.
    values = keras.ops.convert_to_numpy(variable)
    return len(np.unique(values)) <= 2


def calibrate(
    stages: Sequence[Stage], batch: Mapping[str, np.ndarray], *, features: Sequence[FeatureSpec] | None = None
) -> None:
    """Bring random stages to life on `batch` ({input: (batch, ...) float32}), bottom first, in one pass.

    Each BatchNorm takes the batch's mean and variance as its statistics (training mode with momentum 0; its
    momentum is restored), and each convolution, dense layer and embedding is divided by the deviation of its output
    before activation, inside composite layers too: layer-sequential unit variance, Mishkin and Matas 2015,
    "All you need is a good init", algorithm 1 with one step, exact because biases are zero. All else runs in
    inference mode, so nothing random enters. `small_layers` stay as they were drawn.
    Raises ValueError naming stage, tensor and deviation where an output of a stage, in plain inference, has a
    deviation outside [0.01, 20]. Only float tensors are judged that a later stage or one of `features` uses as values
    (None: any may be used); a mask or an id may well be the same everywhere.
    """
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in batch.items()}
    small = {id(layer) for layer in small_layers(stages)}
    with without_gradients():
        for place, stage in enumerate(stages):
            inputs = {name: tensors[name] for name in stage.model.input}
            let_go(stage.model)
            with contextlib.ExitStack() as stack:
                for layer in weighted_layers(stage.model):
                    for leaf in filter(_is_leaf, layer._flatten_layers()):
                        if id(leaf) not in small:
                            stack.enter_context(_calibrating(leaf))
                stage.model(inputs, training=False)
            tensors = stage.model(inputs, training=False)
            values = _used_as_values(stage, stages[place + 1 : place + 2], features)
            _check_alive(stage.name, {name: tensor for name, tensor in tensors.items() if name in values})


def _is_leaf(layer: keras.Layer) -> bool:
    """Whether a layer holds weights, and no layer inside it does."""
    inner = layer._flatten_layers(include_self=False)
    return bool(layer.weights) and not any(sub.weights for sub in inner)


@contextlib.contextmanager
def _calibrating(layer: keras.Layer) -> Iterator[None]:
    """While open, the layer sets itself right at its first call."""
    if isinstance(layer, keras.layers.BatchNormalization):
        call, momentum = settling_statistics(layer), layer.momentum
        layer.momentum = 0.0
    elif _kernel(layer) is not None:
        call, momentum = _scaling_kernel(layer), None
    else:
        yield
        return
    vars(layer)["call"] = call  # shadows the method, past Keras' tracking of attributes
    try:
        yield
    finally:
        del vars(layer)["call"]
        if momentum is not None:
            layer.momentum = momentum


def settling_statistics(layer: keras.Layer) -> Callable[..., Any]:
    """A call in which BatchNorm takes the statistics of its batch, whatever mode its network runs in."""
    original = layer.call

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return original(inputs, training=True, mask=mask)

    return call


def _scaling_kernel(layer: keras.Layer) -> Callable[..., Any]:
    original, kernel, pending = layer.call, _kernel(layer), [True]

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if pending:
            pending.clear()
            std = _std(_before_activation(layer, original, inputs))
            if math.isfinite(std) and std > 0:
                kernel.assign(kernel / std)
        return original(inputs, *args, **kwargs)

    return call


def _before_activation(layer: keras.Layer, call: Callable[..., Any], inputs: Any) -> Any:
    activation = getattr(layer, "activation", None)
    if activation is None:
        return call(inputs)
    layer.activation = keras.activations.linear
    try:
        return call(inputs)
    finally:
        layer.activation = activation


def _kernel(layer: keras.Layer) -> Any:
    """The variable that scales the layer's output, for layers of one kernel such as Dense; else None."""
    own = {variable.name: variable for variable in layer.weights}
    if len(own) != len(layer.weights) or getattr(layer, "cell", None) is not None:
        return None
    simple = set(own) <= {*KERNELS, "depthwise_kernel", "bias"}
    return next((own[name] for name in KERNELS if name in own), None) if simple else None


def _std(tensor: Any) -> float:
    return float(keras.ops.convert_to_numpy(tensor).astype(np.float64).std())


def _used_as_values(stage: Stage, above: Sequence[Stage], features: Sequence[FeatureSpec] | None) -> set[str]:
    """The float outputs of `stage` that are read above it, without those that are some feature's mask."""
    outputs = stage.model.output
    floats = {name for name, tensor in outputs.items() if "float" in keras.backend.standardize_dtype(tensor.dtype)}
    if features is None:
        return floats
    used = {name for upper in above for name in upper.model.input}
    used |= {feature.tensor for feature in features if feature.stage == stage.name}
    return (floats & used) - {feature.mask for feature in features if feature.mask is not None}


def _check_alive(stage: str, outputs: Mapping[str, Any]) -> None:
    for name, tensor in outputs.items():
        std = _std(tensor)
        if not LOWEST_STD <= std <= HIGHEST_STD:
            raise ValueError(
                f"stage {stage!r} gives {name!r} a standard deviation of {std:.3g} on the calibration batch, "
                f"expected {LOWEST_STD} to {HIGHEST_STD}: nothing can be compared on such a network"
            )
