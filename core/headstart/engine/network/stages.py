"""Stages: names of their weights, `stage/index/role`, from position alone; what stages look like; and what is frozen.

Keras numbers layers by counters that differ from process to process, so its names cannot be stored. Ours come from
the place of a layer among the layers of its stage that hold weights, and the weight's own role in its layer.

Freezing is a set of weight names owned by a phase, and proof that the others did not move.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import keras
import numpy as np

from headstart.engine.network.cutting import nodes_of
from headstart.engine.network.keras_names import stable_paths
from headstart.engine.network.network import Network
from headstart.errors import HeadstartError, WrongWeightsError
from headstart.lists import in_line
from headstart.spans import span
from headstart.specs import HEAD, INPUT, Backbone, Stage

MAX_LISTED = 8
WRONG_FILE = "check that the file belongs to this backbone and variant (`headstart backbones NAME` shows its weights)"
EXPORTING = "openvino"
"""A backend of Keras that traces graphs, and computes nothing else well."""
STATISTICS = ("moving_mean", "moving_variance")


NORMALISATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
)


def weighted_layers(model: keras.Model) -> Iterator[keras.Layer]:
    """The layers of a Functional model that hold weights, in graph order; nested models are opened."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from weighted_layers(layer)
        elif layer.weights:
            yield layer


def name_variables(stages: Sequence[Stage]) -> dict[str, keras.Variable]:
    """Every weight of `stages` by our name, in order: trainable ones and statistics, without random seeds' state."""
    named: dict[str, keras.Variable] = {}
    for stage in stages:
        for index, layer in enumerate(weighted_layers(stage.model)):
            for variable, role in zip(
                layer.weights, stable_paths(layer, [_role(layer, variable) for variable in layer.weights]), strict=True
            ):
                name = f"{stage.name}/{index}/{role}"
                if name in named:
                    raise ValueError(f"layer {layer.name!r} of stage {stage.name!r} has two weights called {name}")
                named[name] = variable
    return named


def _role(layer: keras.Layer, variable: keras.Variable) -> str:
    parts = variable.path.split("/")
    if layer.name in parts:
        parts = parts[parts.index(layer.name) + 1 :]
    return "/".join(parts) if len(parts) > 1 else str(variable.name)


@span("building again")
def built_with(build: Callable[[], Network], arrays: Mapping[str, np.ndarray], *, source: str) -> Network:
    """What `build` builds, with `arrays` as the weights of what learns, see `assign_arrays`.

    What would be replaced at once is not drawn first: on JAX that is a program for each shape, to compile and to hold,
    on OpenVINO a graph for each weight. On PyTorch a layer is a module that takes its variables for parameters while it
    is built, so they must be there.
    """
    network = _begun_with(build, arrays) if keras.backend.backend() != "torch" else None
    network = network or build()
    is_told = keras.backend.backend() != EXPORTING  # which compiles a graph to say what a variable holds
    for name, variable in _fitting(network.learned, arrays, source, WRONG_FILE).items():
        if not is_told or not np.array_equal(keras.ops.convert_to_numpy(variable), arrays[name]):
            variable.assign(arrays[name])
    return network


def _begun_with(build: Callable[[], Network], arrays: Mapping[str, np.ndarray]) -> Network | None:
    """What `build` builds in a stateless scope, at whose end its variables begin, with `arrays` where they fit.

    None where a variable needs a value before, or is assigned one that is not among `arrays`.
    """
    try:
        with keras.StatelessScope() as scope:
            network = build()
            learned = name_variables(network.learned)
            for name, variable in learned.items():
                if name in arrays and tuple(arrays[name].shape) == tuple(variable.shape):
                    variable._initializer = partial(_given, arrays[name])
    except ValueError:  # Keras': a variable of a given value was made
        return None
    lost = scope.state_mapping.keys() - {id(variable) for variable in learned.values()}
    return None if lost else network


def without_draws(build: Callable[[], Backbone]) -> Backbone:
    """What `build` builds, with numbers in place of weights that it would draw at random: published weights replace
    these, and `lsuv_init.seed_arrays` does where there are none. On JAX each draw is a program for its shape.

    On PyTorch, see `built_with`, they are drawn, and where building needs the value of a variable.
    """
    if keras.backend.backend() == "torch":
        return build()
    try:
        with keras.StatelessScope() as scope:
            backbone = build()
            for variable in (each for stage in backbone.stages for each in stage.model.variables):
                if getattr(variable._initializer, "seed", None) is not None:  # as all have that draw
                    variable._initializer = _any_numbers
    except ValueError:  # Keras': a variable of a given value was made
        return build()
    return build() if scope.state_mapping else backbone


def _any_numbers(shape: Sequence[int], dtype: str | None = None) -> Any:
    """As an initializer of Keras: several numbers, since one alone is taken for a constant."""
    return keras.ops.convert_to_tensor(np.resize(np.linspace(-0.05, 0.05, 101, dtype=np.float32), shape), dtype=dtype)


def _given(array: np.ndarray, shape: Sequence[int], dtype: str | None = None) -> Any:
    """As an initializer of Keras."""
    return keras.ops.convert_to_tensor(array, dtype=dtype)


def assign_arrays(
    stages: Sequence[Stage], arrays: Mapping[str, np.ndarray], *, source: str, hint: str = WRONG_FILE
) -> None:
    """Set every weight of `stages` from `arrays`; names and shapes must match exactly.

    Raises WrongWeightsError, before anything is assigned, listing what is missing, unexpected or of another shape, with
    `hint`.
    """
    for name, variable in _fitting(stages, arrays, source, hint).items():
        variable.assign(arrays[name])


def _fitting(
    stages: Sequence[Stage], arrays: Mapping[str, np.ndarray], source: str, hint: str
) -> dict[str, keras.Variable]:
    """The variables of `stages` by name, which `arrays` fit; else see `assign_arrays`."""
    variables = name_variables(stages)
    problems = [
        f"{name} has shape {tuple(arrays[name].shape)}, expected {tuple(variable.shape)}"
        for name, variable in variables.items()
        if name in arrays and tuple(arrays[name].shape) != tuple(variable.shape)
    ]
    problems += [f"unexpected {name}" for name in arrays if name not in variables]
    problems += [f"missing {name}" for name in variables if name not in arrays]
    if problems:
        raise wrong_weights(source, problems, hint)
    return variables


def wrong_weights(source: str, problems: Sequence[str], hint: str = WRONG_FILE) -> WrongWeightsError:
    """The error for a weights file that does not fit: the first few differences, and how many there are."""
    return WrongWeightsError(
        f"{source} does not fit this network: {in_line(problems, MAX_LISTED, between='; ')}",
        hint=hint,
    )


def read_arrays(stages: Sequence[Stage]) -> dict[str, np.ndarray]:
    """A copy of every weight of `stages` as numpy arrays under our names."""
    return {
        name: np.array(keras.ops.convert_to_numpy(variable), copy=True)
        for name, variable in name_variables(stages).items()
    }


def verify_names(stages: Sequence[Stage]) -> None:
    """Check that weights can be named by stages. Raises ValueError with the names that are empty, twice or ours."""
    names = tuple(stage.name for stage in stages)
    if not names or len(set(names)) != len(names) or {INPUT, HEAD} & set(names) or any("/" in name for name in names):
        raise ValueError(f"stages are called {names}; expected names, each once, without '/', not {INPUT} or {HEAD}")


def verify_composition(stages: Sequence[Stage]) -> None:
    """Check that the outputs of each stage are the inputs of the next. Raises ValueError naming the boundary."""
    for lower, upper in pairwise(stages):
        given, wanted = _names(lower.model.output), _names(upper.model.input)
        if not wanted <= given:
            raise ValueError(f"stage {upper.name!r} needs {sorted(wanted - given)}, which {lower.name!r} does not give")


def _names(tensors: object) -> set[str]:
    if not isinstance(tensors, dict):
        raise ValueError("a stage maps a dict of named tensors to a dict of named tensors")
    return set(tensors)


@dataclass(frozen=True)
class StageSummary:
    """One stage: how many layers and numbers it has, and the shapes (batch first) of what it gives."""

    stage: str
    layers: int
    parameters: int
    outputs: Mapping[str, tuple[int | None, ...]]


def summarise_stage(stage: Stage) -> StageSummary:
    """Describe one built stage."""
    return StageSummary(
        stage=stage.name,
        layers=sum(not isinstance(layer, keras.layers.InputLayer) for layer in stage.model.layers),
        parameters=sum(math.prod(variable.shape) for variable in name_variables([stage]).values()),
        outputs={name: tuple(tensor.shape) for name, tensor in stage.model.output.items()},
    )


@dataclass(frozen=True)
class LayerSummary:
    """One layer of a stage: its name and type as Keras has them, the shapes (batch first) of what it gives, and how
    many numbers its weights hold, `trainable` of them by gradients."""

    stage: str
    layer: str
    type: str
    outputs: tuple[tuple[int | None, ...], ...]
    parameters: int
    trainable: int


def summarise_layers(stage: Stage) -> Iterator[LayerSummary]:
    """Describe the layers of one built stage, in graph order and without its inputs, as Keras' `summary()` does."""
    given = {id(node.operation): node.outputs for node in nodes_of(stage.model)}
    for layer in stage.model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            yield LayerSummary(
                stage=stage.name,
                layer=layer.name,
                type=type(layer).__name__,
                outputs=tuple(tuple(tensor.shape) for tensor in given[id(layer)]),
                parameters=sum(math.prod(variable.shape) for variable in layer.weights),
                trainable=sum(math.prod(variable.shape) for variable in layer.trainable_weights),
            )


def uncuttable(stages: Sequence[Stage]) -> tuple[str, ...]:
    """Composite layers, as `stage: layer (type)`: nothing can be cut or lowered inside them."""
    return tuple(
        f"{stage.name}: {layer.name} ({type(layer).__name__})"
        for stage in stages
        for layer in stage.model.layers
        if not isinstance(layer, keras.Model) and list(layer._flatten_layers(include_self=False))
    )


def trainable_variables(network: Network, train: Sequence[str]) -> dict[str, keras.Variable]:
    """The weights of the stages `train` that learn, by name; statistics and idle stages never do."""
    named = name_variables([stage for stage in network.learned if stage.name not in network.idle])
    return {
        name: variable
        for name, variable in named.items()
        if name.partition("/")[0] in train and not is_statistic(name) and variable.trainable
    }


def normalisation_weights(network: Network, stages: Container[str]) -> frozenset[int]:
    """The `id` of each weight that the normalisation layers of these stages learn, those inside other layers too."""
    return frozenset(
        id(variable)
        for stage in network.stages
        if stage.name in stages
        for layer in stage.model._flatten_layers(include_self=False)
        if isinstance(layer, NORMALISATIONS)
        for variable in layer.trainable_variables
    )


def is_statistic(name: str) -> bool:
    """True for BatchNorm's moving mean and variance."""
    return name.rpartition("/")[2].startswith(STATISTICS)


def count_by_stage(network: Network, learning: Mapping[str, keras.Variable]) -> dict[str, int]:
    """The numbers in the weights `learning`, by stage, every stage named, 0 where it is frozen."""
    counts = {stage.name: 0 for stage in network.learned}
    for name, variable in learning.items():
        counts[name.partition("/")[0]] += int(np.prod(variable.shape))
    return counts


def hash_frozen(network: Network, learning: Container[str]) -> dict[str, str]:
    """A SHA-256 of every weight that must not move, by name: all but those named in `learning`."""
    return {
        name: hashlib.sha256(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes()).hexdigest()
        for name, variable in name_variables(network.learned).items()
        if name not in learning
    }


def verify_frozen(network: Network, before: Mapping[str, str], phase: str) -> int:
    """Compare with `before`; returns how many were compared. Raises HeadstartError naming what moved."""
    learning = {name for name in name_variables(network.learned) if name not in before}
    now = hash_frozen(network, learning)
    moved = [name for name, digest in before.items() if now[name] != digest]
    if moved:
        raise HeadstartError(
            f"phase {phase!r} changed {len(moved)} weights that were frozen: {', '.join(moved[:8])}",
            hint="this is a bug in the strategy or in a layer that updates itself; please report it",
        )
    return len(before)
