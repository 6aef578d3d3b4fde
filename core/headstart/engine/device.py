"""The door to the backend of this process: JAX or PyTorch, chosen in one place."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import keras

from headstart.engine.network.network import Network
from headstart.engine.precision import FLOAT32, run_network, verify_precision
from headstart.engine.step import (
    Forward,
    GradientStep,
    InputGradient,
    LossStep,
    Scan,
    Scored,
    ScoreStep,
    Step,
    TrainStep,
    with_head_inputs,
)
from headstart.specs import Stage, Task


def backend_module() -> ModuleType:
    """The package of this process' backend: `headstart.engine.jax` or `headstart.engine.torch`."""
    return importlib.import_module(f"headstart.engine.{keras.backend.backend()}")


def compiles_each_shape() -> bool:
    """True where this backend compiles a program for every shape of its arguments."""
    return bool(keras.backend.backend() == "jax")


def arithmetic() -> ModuleType:
    """The few operations that a search is made of, as quick as the backend has them: `headstart.engine.jax.arithmetic`
    or `headstart.engine.torch.arithmetic`."""
    return importlib.import_module(f"headstart.engine.{keras.backend.backend()}.arithmetic")


def quick_stages(network: Network, start: int, stop: int) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """`Network.run` of stages `start` to `stop` - 1 in inference mode on backend tensors, for small batches that run
    many times: on PyTorch without what Keras adds to each layer's call, where the answer is held equal without it."""
    made: Callable[[Mapping[str, Any]], dict[str, Any]] = backend_module().quick_stages(network, start, stop)
    return made


def inference(compute: Callable[..., Any], stages: Sequence[Stage], *, stays: bool = False) -> Callable[..., Any]:
    """`compute`, a pure function of backend tensors by name, on arrays by name, without gradients; what it gives, by
    name or alone, as arrays. It reads the weights of `stages` as they are at each call.

    Where it `stays`, what it gives are backend tensors, nested as they may be, and it takes such ones too.
    """
    made: Callable[..., Any] = backend_module().inference(compute, stages, stays=stays)
    return made


def forward(network: Network, start: int, stop: int, *, precision: str = FLOAT32) -> Forward:
    """Stages `start` to `stop` - 1 in inference mode; outputs are float32.

    `precision` is "float32" or "bfloat16", for all stages but the head. Raises EngineRefusal where the backend's device
    gains nothing from bfloat16.
    """
    verify_precision(precision)

    def outputs_of(tensors: Mapping[str, Any]) -> dict[str, Any]:
        return run_network(network, tensors, start, stop, precision=precision)

    return inference(outputs_of, network.stages[start:stop])


def input_gradient(network: Network, start: int, tensor: str, *, output: str) -> InputGradient:
    """How the head's `output` depends on `tensor`, one of those alive where stage `start` begins: stages from there on
    in inference mode, in float32."""

    def outputs_of(entering: Any, others: Mapping[str, Any], weights: Any) -> Any:
        outputs = network.run({**others, tensor: entering}, start, len(network.stages))
        weighed = keras.ops.cast(outputs[output], FLOAT32) * weights
        return keras.ops.sum(keras.ops.reshape(weighed, (entering.shape[0], -1)), axis=-1)

    made: InputGradient = backend_module().input_gradient(outputs_of, network.stages[start:])
    return made


def score_step(network: Network, start: int, task: Task, *, precision: str = FLOAT32) -> ScoreStep:
    """Stages from `start` on in inference mode, and the loss of each row. Raises EngineRefusal as `forward` does."""
    verify_precision(precision)

    def scored(tensors: Mapping[str, Any], targets: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        fed = with_head_inputs(task, tensors, targets)
        outputs = run_network(network, fed, start, len(network.stages), precision=precision)
        return outputs, task.loss(targets, outputs, training=False)

    on_arrays = inference(scored, network.stages[start:])
    return lambda batch, targets: Scored(*on_arrays(batch, targets))


def loss_step(task: Task) -> LossStep:
    """The loss of each row for outputs that are at hand."""
    return inference(lambda targets, outputs: task.loss(targets, outputs, training=False), ())


def train_step(step: Step, *, parts: int = 1) -> TrainStep:
    """The training step. Raises EngineRefusal as `forward` does.

    A batch is computed in so many `parts`, one after the other, whose gradients are added up: less memory, and the same
    update but for rounding, except where BatchNorm takes the statistics of what it is given: then those of a part.
    """
    verify_precision(step.precision)
    made: TrainStep = backend_module().TrainStep(step, parts)
    return made


def gradient_step(step: Step) -> GradientStep:
    """Mean loss and gradients without an update."""
    verify_precision(step.precision)
    made: GradientStep = backend_module().gradients_of(step)
    return made


def scan(step: Step) -> Scan:
    """Many training steps at once; for stages so small that a step takes microseconds."""
    verify_precision(step.precision)
    made: Scan = backend_module().Scan(step)
    return made


def without_gradients() -> contextlib.AbstractContextManager[Any]:
    """Inference outside of `forward`: nothing is kept for a backward pass."""
    made: contextlib.AbstractContextManager[Any] = backend_module().without_gradients()
    return made
