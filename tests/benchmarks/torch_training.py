"""EfficientNet-Lite0 trained in PyTorch by hand, in the layout and with the optimizer that are fastest on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.engine.network.network import Network

GROUPS = (
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)
"""(repeats, kernel, stride, times, filters) of each row of the paper's table (Tan & Le 2019, the Lite form)."""


def unit(before: int, after: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, cut: bool = True) -> nn.Module:
    """A convolution, BatchNorm and ReLU6. Padding is PyTorch's own, the same on both sides: TensorFlow's costs a copy
    wherever it is uneven, and who writes a network by hand leaves it out."""
    layers = [
        nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after, eps=1e-3, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([nn.ReLU6(inplace=True)] if cut else []))


class Block(nn.Module):
    """Inverted residual block: widen, depthwise, narrow (Sandler et al. 2018)."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, times: int) -> None:
        super().__init__()
        wide = before * times
        widen = [unit(before, wide)] if times > 1 else []
        depthwise = unit(wide, wide, kernel, stride=stride, groups=wide)
        self.path = nn.Sequential(*widen, depthwise, unit(wide, after, cut=False))
        self.same = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        return self.path(x) + x if self.same else self.path(x)


class Lite0(nn.Module):
    """Pictures (batch, 3, height, width) to logits (batch, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers, before = [unit(3, 32, 3, stride=2)], 32
        for repeats, kernel, stride, times, filters in GROUPS:
            for repeat in range(repeats):
                layers.append(Block(before, filters, kernel, stride if repeat == 0 else 1, times))
                before = filters
        self.layers = nn.Sequential(*layers, unit(before, 1280))
        self.head = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x).mean((2, 3)))


def hand_written_step(
    like: Network, pictures: np.ndarray, targets: np.ndarray, *, rate: float, fixed: bool
) -> Callable[[], object]:
    """One update on (batch, height, width, 3) uint8 pictures, with the weights of `like`, a Keras network.

    `fixed`: BatchNorm keeps its statistics, as ours does; else it takes the batch's.
    """
    classes = like.stages[-1].model.output["logits"].shape[-1]
    model = Lite0(classes).to(memory_format=torch.channels_last)
    take_arrays(model, [array for stage in like.learned for array in stage.model.get_weights()])
    model.train(not fixed)
    optimizer = torch.optim.AdamW(model.parameters(), rate, fused=True)
    answers = torch.from_numpy(targets.astype(np.int64))

    def step() -> float:
        # The permuted picture is channels_last without a copy.
        images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images), answers)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def take_arrays(module: nn.Module, arrays: Sequence[np.ndarray]) -> None:
    """Set all weights of `module` from those of Keras layers, which come in the same order; Keras keeps a kernel's
    height and width first. Raises ValueError where there are more or fewer."""
    values = [value for name, value in module.state_dict().items() if not name.endswith("num_batches_tracked")]
    for value, array in zip(values, arrays, strict=True):
        given = torch.from_numpy(np.array(array))
        if value.ndim == 4:
            given = given.permute(2, 3, 0, 1) if value.shape[1] == 1 else given.permute(3, 2, 0, 1)
        value.copy_(given.T if value.ndim == 2 else given)
