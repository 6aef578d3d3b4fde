"""The engine on JAX. `headstart.engine.device` is the door to it."""

from contextlib import nullcontext as without_gradients

from headstart.engine.jax.scan import JaxScan as Scan
from headstart.engine.jax.step import JaxTrainStep as TrainStep
from headstart.engine.jax.step import gradients_of, inference, input_gradient, quick_stages

__all__ = ["Scan", "TrainStep", "gradients_of", "inference", "input_gradient", "quick_stages", "without_gradients"]
