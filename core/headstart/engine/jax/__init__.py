"""The engine on JAX. `headstart.engine.device` is the door to it."""

from contextlib import nullcontext as without_gradients

from headstart.engine.jax.forward import JaxForward as forward
from headstart.engine.jax.scan import JaxScan as scan
from headstart.engine.jax.step import JaxTrainStep as train_step
from headstart.engine.jax.step import gradients_of as gradient_step

__all__ = ["forward", "gradient_step", "scan", "train_step", "without_gradients"]
