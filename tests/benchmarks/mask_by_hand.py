"""EfficientNet-Lite0 below a light head for masks, trained in PyTorch by hand: network, loss and metrics, in the layout
and with the optimizer that are fastest on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_networks import ConvNorm, Inverted
from torch_training import GROUPS, Block, take_arrays, unit

from headstart.engine.network.network import Network

FINE, COARSE = 3, 5
"""The rows of GROUPS that end at a stride of 8, and at one of 16; what is above them is left out."""
WIDTH, NORMS, EPSILON = 128, 16, 1e-3
"""Channels of the head, groups of its norm, and what that adds to a variance."""
VOID = 255


class Segmenter(nn.Module):
    """Pictures (batch, 3, height, width) to logits (batch, class, height / 8, width / 8): LR-ASPP (Howard et al. 2019)
    on two maps of Lite0.

    `exact` pads as TensorFlow does, which costs a copy at every stride of 2; else padding is PyTorch's own.
    """

    def __init__(self, classes: int, *, exact: bool = False) -> None:
        super().__init__()
        first, block = (ConvNorm, Inverted) if exact else (unit, Block)
        layers, before = [[first(3, 32, 3, stride=2)], []], 32
        for number, (repeats, kernel, stride, times, filters) in enumerate(GROUPS[:COARSE]):
            for repeat in range(repeats):
                made = block(before, filters, kernel, stride if repeat == 0 else 1, times)
                layers[number >= FINE].append(made)
                before = filters
        self.trunk = nn.ModuleList(nn.Sequential(*each) for each in layers)
        channels = [GROUPS[rows - 1][-1] for rows in (FINE, COARSE)]
        made = {
            "project": nn.Conv2d(channels[1], WIDTH, 1),
            "project_norm": nn.GroupNorm(NORMS, WIDTH, EPSILON),
            "gate": nn.Conv2d(channels[1], WIDTH, 1),
            "classes_16": nn.Conv2d(WIDTH, classes, 1),
            "classes_8": nn.Conv2d(channels[0], classes, 1),
        }
        self.made = nn.ModuleDict(made)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.trunk[0](x)
        coarse = self.trunk[1](fine)
        hidden = F.relu(self.made["project_norm"](self.made["project"](coarse)), inplace=True)
        gate = self.made["gate"](coarse.mean((2, 3), keepdim=True)).sigmoid()
        above = self.made["classes_16"](hidden * gate)
        fine = self.made["classes_8"](fine)
        return fine + F.interpolate(above, fine.shape[2:], mode="bilinear")


def losses_of(logits: Tensor, masks: Tensor) -> Tensor:
    """(batch,): the mean cross-entropy of those pixels of a picture that are not void; `masks` (batch, height, width)
    uint8."""
    # With a class after the other the interpolation and the softmax take half of the time that they take channels last.
    larger = F.interpolate(logits.contiguous(), masks.shape[1:], mode="bilinear")
    costs = F.cross_entropy(larger, masks.long(), ignore_index=VOID, reduction="none")
    return costs.sum((1, 2)) / (masks != VOID).sum((1, 2)).clamp(min=1)


def images_of(pictures: np.ndarray) -> Tensor:
    """(batch, 3, height, width) float32 of (batch, height, width, 3) uint8, as Lite0 wants them."""
    # The permuted picture is channels_last without a copy.
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().sub_(127.0).div_(128.0)


def confusion_of(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """(class, class) int64: how many pixels of each true class (row) are taken for which; of arrays of one shape."""
    said = truth != VOID
    pairs = truth[said].astype(np.int64) * classes + found[said]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def mean_overlap(confusion: np.ndarray) -> float:
    """The mean intersection over union of the classes that the truth has."""
    shared, true = np.diag(confusion), confusion.sum(1)
    union = true + confusion.sum(0) - shared
    return float(np.mean(shared[true > 0] / union[true > 0]))


class ByHand:
    """The network with the weights of `like`, a Keras network of the same form, and its updates; BatchNorm keeps its
    statistics, as ours does."""

    def __init__(self, like: Network, *, rate: float, exact: bool = False) -> None:
        head = like.stages[-1].model
        self.model = Segmenter(head.output["logits"].shape[-1], exact=exact).to(memory_format=torch.channels_last)
        self.model.eval()
        self._head = [layer for layer in head.layers if layer.weights]
        below = [stage for stage in like.backbone if stage.name not in like.idle]
        take_arrays(self.model.trunk, [array for stage in below for array in stage.model.get_weights()])
        for layer in self._head:
            take_arrays(self.model.made[layer.name], layer.get_weights())
        self._optimizer = torch.optim.AdamW(self.model.parameters(), rate, fused=True)

    def losses(self, pictures: np.ndarray, masks: np.ndarray) -> Tensor:
        """(batch,) of pictures (batch, height, width, 3) and masks (batch, height, width), both uint8."""
        return losses_of(self.model(images_of(pictures)), torch.from_numpy(masks))

    def step(self, pictures: np.ndarray, masks: np.ndarray) -> Callable[[], float]:
        """One update on this batch."""

        def run() -> float:
            self._optimizer.zero_grad(set_to_none=True)
            loss = self.losses(pictures, masks).mean()
            loss.backward()
            self._optimizer.step()
            return float(loss.detach())

        return run

    def gradients(self, pictures: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Losses (batch,), and the gradients of their mean by every weight, in the order and layout of Keras."""
        losses = self.losses(pictures, masks)
        weights = list(self.model.trunk.parameters())
        weights += [weight for layer in self._head for weight in self.model.made[layer.name].parameters()]
        found = torch.autograd.grad(losses.mean(), weights)
        return losses.detach().numpy(), [_as_keras(each) for each in found]


def _as_keras(gradient: Tensor) -> np.ndarray:
    if gradient.ndim != 4:
        return gradient.numpy()
    depthwise = gradient.shape[1] == 1
    return gradient.permute(*((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))).numpy()
