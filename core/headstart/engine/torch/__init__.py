"""The engine on PyTorch. `headstart.engine.device` is the door to it."""

from torch import no_grad as without_gradients

from headstart.engine.torch.forward import TorchForward as Forward
from headstart.engine.torch.forward import TorchLossStep as LossStep
from headstart.engine.torch.forward import TorchScoreStep as ScoreStep
from headstart.engine.torch.scan import TorchScan as Scan
from headstart.engine.torch.step import TorchTrainStep as TrainStep
from headstart.engine.torch.step import gradients_of

__all__ = ["Forward", "LossStep", "Scan", "ScoreStep", "TrainStep", "gradients_of", "without_gradients"]
