"""NanoDet trained in PyTorch by hand: network, assignment and loss, in the layout and with the optimizer that are
fastest on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.engine.network.network import Network

BLOCKS = ((1, 32, 32, 1, 1), (5, 64, 64, 2, 2), (11, 128, 128, 2, 2), (17, 256, 256, 3, 2))
"""(number of its first convolution, channels that come in, channels, pairs, stride) of each block."""
STRIDES, STEPS = (8, 16, 32), 11
MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
"""Of blue, green and red."""
TOP, BETA, LEVELS, OVERLAP_LEVELS, LOWEST = 13, 6.0, 1024, 4096, 128
BOX_WEIGHT, SIDE_WEIGHT = 2.0, 0.25


class Targets(NamedTuple):
    """Boxes (batch, box, 4) in pixels, their classes (batch, box) int64, and which rows are boxes, (batch, box)."""

    boxes: Tensor
    classes: Tensor
    valid: Tensor


class NanoDet(nn.Module):
    """Pictures (batch, 3, height, width) to logits (batch, position, class) and sides (batch, position, 4, STEPS).

    Convolutions are called as in the published graph.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        made = {"convolution": nn.Conv2d(3, 32, 3, 2, 1)}
        for first, before, filters, pairs, stride in BLOCKS:
            made[f"convolution_{first}"] = nn.Conv2d(before, filters, 3, stride, 1)
            for number in range(first + 1, first + 1 + 2 * pairs, 2):
                made[f"convolution_{number}"] = nn.Conv2d(filters, filters // 2, 3, 1, 1)
                made[f"convolution_{number + 1}"] = nn.Conv2d(filters // 2, filters // 2, 3, 1, 1)
            made[f"convolution_{first + 1 + 2 * pairs}"] = nn.Conv2d(filters, filters, 3, 1, 1)
        for place, stride in enumerate(STRIDES):
            made[f"convolution_{25 + place}"] = nn.Conv2d(128 << place, 128, 1)
            made[f"convolution_{28 + 2 * place}"] = nn.Conv2d(128, 128, 3, 1, 1)
            made[f"classes_{stride}"] = nn.Conv2d(128, classes, 1)
            made[f"sides_{stride}"] = nn.Conv2d(128, 4 * STEPS, 1)
        self.made = nn.ModuleDict(made)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.leaky_relu(F.max_pool2d(self.made["convolution"](x), 3, 2, 1), 0.1, inplace=True)
        maps = []
        for first, _, _, pairs, _ in BLOCKS:
            entry = x = self._leaky(first, x)
            for number in range(first + 1, first + 1 + 2 * pairs, 2):
                half = self._leaky(number, x)
                x = torch.cat([self._leaky(number + 1, half), half], 1)
            x = torch.cat([self._leaky(first + 1 + 2 * pairs, x), entry], 1)
            maps.append(x)
        fine, middle, coarse = (self.made[f"convolution_{25 + place}"](x) for place, x in enumerate(maps[1:]))
        middle = middle + F.interpolate(coarse, scale_factor=2.0, mode="bilinear")
        fine = fine + F.interpolate(middle, scale_factor=2.0, mode="bilinear")
        middle = middle + F.avg_pool2d(fine, 2)
        coarse = coarse + F.avg_pool2d(middle, 2)
        logits, sides = [], []
        for place, (stride, x) in enumerate(zip(STRIDES, (fine, middle, coarse), strict=True)):
            x = self._leaky(28 + 2 * place, x)
            # Channels last: rows of positions are views.
            logits.append(self.made[f"classes_{stride}"](x).permute(0, 2, 3, 1).flatten(1, 2))
            sides.append(self.made[f"sides_{stride}"](x).permute(0, 2, 3, 1).flatten(1, 2))
        return torch.cat(logits, 1), torch.cat(sides, 1).unflatten(2, (4, STEPS))

    def _leaky(self, number: int, x: Tensor) -> Tensor:
        return F.leaky_relu(self.made[f"convolution_{number}"](x), 0.1, inplace=True)


class Grid:
    """Centres (position, 2) and strides (position,) of the cells of a square input."""

    def __init__(self, size: int) -> None:
        centres, strides = [], []
        for stride in STRIDES:
            count = size // stride
            y, x = torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij")
            centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
            strides.append(torch.full((count * count,), float(stride)))
        self.centres, self.strides = torch.cat(centres), torch.cat(strides)
        self.columns = size // STRIDES[0]
        self.steps = torch.arange(STEPS, dtype=torch.float32)

    def boxes(self, sides: Tensor) -> Tensor:
        """Corners (batch, position, 4) that the distributions expect."""
        away = (sides.softmax(-1) @ self.steps) * self.strides[:, None]
        return torch.cat([self.centres - away[..., :2], self.centres + away[..., 2:]], -1)


@torch.no_grad()
def assign(targets: Targets, logits: Tensor, predicted: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Task-aligned assignment (Feng et al. 2021): of each cell the place of its box, whether it has one, and its
    overlap with that. Ties are decided as in headstart's `assign`, by whole numbers."""
    boxes, classes, valid = targets
    positions = len(grid.strides)
    inside = (grid.centres > boxes[:, :, None, :2]).all(-1) & (grid.centres < boxes[:, :, None, 2:]).all(-1)
    cell = ((boxes[..., :2] + boxes[..., 2:]) / (2 * STRIDES[0])).floor().clamp(0, grid.columns - 1).long()
    home = F.one_hot(cell[..., 1] * grid.columns + cell[..., 0], positions).bool()
    allowed = torch.where(inside.any(-1, keepdim=True), inside, home) & valid[..., None]

    overlap = pair_overlaps(boxes[:, :, None], predicted[:, None])
    scores = logits.transpose(1, 2).gather(1, classes[..., None].expand(-1, -1, positions))
    alignment = F.logsigmoid(scores) + BETA * overlap.clamp(min=1e-6).log()
    levels = min(LEVELS, (2**31 - positions) // (LOWEST * positions))
    keys = ((alignment.clamp(-LOWEST, 0.0) + LOWEST) * levels).floor().int() * positions
    keys = (keys + torch.arange(positions - 1, -1, -1, dtype=torch.int32)).masked_fill(~allowed, -1)
    taken = allowed & (keys >= keys.topk(TOP, -1).values[..., -1:])

    count = boxes.shape[1]
    ranks = (overlap * OVERLAP_LEVELS).floor().int() * count + torch.arange(count - 1, -1, -1)[:, None]
    best, owner = ranks.masked_fill(~taken, -1).max(1)
    positive = best >= 0
    own = overlap.gather(1, owner[:, None])[:, 0]
    return owner * positive, positive, own * positive


def pair_overlaps(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of corners (..., 4) that broadcast."""
    left, top, right, bottom = one.unbind(-1)
    left_2, top_2, right_2, bottom_2 = other.unbind(-1)
    wide = (torch.minimum(right, right_2) - torch.maximum(left, left_2)).clamp_(min=0)
    shared = wide.mul_((torch.minimum(bottom, bottom_2) - torch.maximum(top, top_2)).clamp_(min=0))
    union = (right - left) * (bottom - top) + (right_2 - left_2) * (bottom_2 - top_2) - shared
    return shared / union.clamp_(min=1e-9)


def giou(one: Tensor, other: Tensor) -> Tensor:
    """Generalised intersection over union (Rezatofighi et al. 2019) of rows of corners (row, 4)."""
    shared = (torch.minimum(one[:, 2:], other[:, 2:]) - torch.maximum(one[:, :2], other[:, :2])).clamp(min=0).prod(-1)
    hull = (torch.maximum(one[:, 2:], other[:, 2:]) - torch.minimum(one[:, :2], other[:, :2])).prod(-1)
    union = (one[:, 2:] - one[:, :2]).prod(-1) + (other[:, 2:] - other[:, :2]).prod(-1) - shared
    return shared / union.clamp(min=1e-9) - (hull - union) / hull.clamp(min=1e-9)


def losses_of(targets: Targets, logits: Tensor, sides: Tensor, grid: Grid) -> Tensor:
    """(batch,): quality focal loss, GIoU and distribution focal loss (Li et al. 2020), each picture over its own cells
    with a box. Parts for boxes are computed of the cells that have one alone."""
    predicted = grid.boxes(sides)
    owner, positive, overlap = assign(targets, logits.detach(), predicted.detach(), grid)
    count = positive.sum(1).clamp(min=1)
    quality = torch.zeros_like(logits)
    samples, cells = positive.nonzero(as_tuple=True)
    owners = owner[samples, cells]
    quality[samples, cells, targets.classes[samples, owners]] = overlap[samples, cells]
    focal = (quality - logits.sigmoid()).square() * F.binary_cross_entropy_with_logits(
        logits, quality, reduction="none"
    )
    wanted = targets.boxes[samples, owners]
    centres, strides = grid.centres[cells], grid.strides[cells]
    away = torch.cat([centres - wanted[:, :2], wanted[:, 2:] - centres], -1) / strides[:, None]
    away = away.clamp(0, STEPS - 1)[..., None]
    shares = (1 - (grid.steps - away).abs()).clamp(min=0)
    side = -(shares * sides[samples, cells].log_softmax(-1)).sum(-1).mean(-1)
    of_cells = BOX_WEIGHT * (1 - giou(predicted[samples, cells], wanted)) + SIDE_WEIGHT * side
    return (focal.sum((1, 2)).index_add(0, samples, of_cells)) / count


class ByHand:
    """NanoDet with the weights of `like`, a Keras network on it with a plain head, and its updates."""

    def __init__(self, like: Network, *, rate: float) -> None:
        outputs = like.stages[-1].model.output
        self._model = NanoDet(outputs["classes"].shape[-1]).to(memory_format=torch.channels_last)
        self._layers = [
            (layer.name, layer) for stage in like.learned for layer in stage.model.layers if layer.trainable_weights
        ]
        with torch.no_grad():
            for name, layer in self._layers:
                kernel, bias = (torch.from_numpy(np.array(array)) for array in layer.get_weights())
                self._model.made[name].weight.copy_(kernel.permute(3, 2, 0, 1))
                self._model.made[name].bias.copy_(bias)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), rate, fused=True)

    def losses(self, pictures: np.ndarray, targets: Targets) -> Tensor:
        """(batch,) of (batch, side, side, 3) uint8 pictures."""
        # The permuted picture is channels_last without a copy.
        images = torch.from_numpy(pictures).permute(0, 3, 1, 2).flip(1).float()
        images = images.sub_(torch.tensor(MEAN)[:, None, None]).div_(torch.tensor(DEVIATION)[:, None, None])
        images = images.contiguous(memory_format=torch.channels_last)
        return losses_of(targets, *self._model(images), Grid(pictures.shape[1]))

    def step(self, pictures: np.ndarray, targets: Targets) -> Callable[[], float]:
        """One update on this batch."""

        def run() -> float:
            self._optimizer.zero_grad(set_to_none=True)
            loss = self.losses(pictures, targets).mean()
            loss.backward()
            self._optimizer.step()
            return float(loss.detach())

        return run

    def gradients(self, pictures: np.ndarray, targets: Targets) -> tuple[np.ndarray, list[np.ndarray]]:
        """Losses (batch,), and the gradients of their mean by every weight, in the order and layout of Keras."""
        losses = self.losses(pictures, targets)
        weights = [
            weight
            for name, _ in self._layers
            for weight in (self._model.made[name].weight, self._model.made[name].bias)
        ]
        found = torch.autograd.grad(losses.mean(), weights)
        return losses.detach().numpy(), [
            each.permute(2, 3, 1, 0).numpy() if each.ndim == 4 else each.numpy() for each in found
        ]


def targets_by_hand(encoded: dict[str, Any], size: int) -> Targets:
    """Of encoded targets of `Detection`; as many rows as the fullest picture has boxes."""
    fullest = int(encoded["valid"].sum(1).max())
    return Targets(
        torch.from_numpy(encoded["boxes"][:, :fullest] * np.float32(size)),
        torch.from_numpy(encoded["classes"][:, :fullest].astype(np.int64)),
        torch.from_numpy(encoded["valid"][:, :fullest]),
    )
