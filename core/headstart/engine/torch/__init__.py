"""The engine on PyTorch. `headstart.engine.device` is the door to it."""

from torch import no_grad as without_gradients

from headstart.engine.torch.bare import stages as quick_stages
from headstart.engine.torch.scan import TorchScan as Scan
from headstart.engine.torch.step import TorchTrainStep as TrainStep
from headstart.engine.torch.step import gradients_of, inference, input_gradient

__all__ = ["Scan", "TrainStep", "gradients_of", "inference", "input_gradient", "quick_stages", "without_gradients"]
