"""The engine on PyTorch. `headstart.engine.device` is the door to it."""

from torch import no_grad as without_gradients

from headstart.engine.torch.forward import TorchForward as forward
from headstart.engine.torch.scan import TorchScan as scan
from headstart.engine.torch.step import TorchTrainStep as train_step
from headstart.engine.torch.step import gradients_of as gradient_step

__all__ = ["forward", "gradient_step", "scan", "train_step", "without_gradients"]
