"""The engine on JAX. `headstart.engine.device` is the door to it."""

from contextlib import nullcontext as without_gradients

from headstart.engine.jax.forward import JaxForward as Forward
from headstart.engine.jax.forward import JaxLossStep as LossStep
from headstart.engine.jax.forward import JaxScoreStep as ScoreStep
from headstart.engine.jax.scan import JaxScan as Scan
from headstart.engine.jax.step import JaxTrainStep as TrainStep
from headstart.engine.jax.step import gradients_of

__all__ = ["Forward", "LossStep", "Scan", "ScoreStep", "TrainStep", "gradients_of", "without_gradients"]
