"""ViT-B/16 in PyTorch by hand, its attention in one fused call, and as a Hugging Face folder."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F


class Vit(nn.Module):
    """ViT-B/16 (Dosovitskiy et al. 2020): the class token after twelve blocks and a norm."""

    def __init__(self, size: int, width: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__()
        torch.manual_seed(0)  # the folder is written by another instance
        self.size, self.heads = size, heads
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.first = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.places = nn.Parameter(torch.randn(1, (size // 16) ** 2 + 1, width) * 0.02)
        self.blocks = nn.Sequential(*(VitBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(x), -1, -1), tokens], 1) + self.places
        return self.norm(self.blocks(tokens)[:, 0])


class VitBlock(nn.Module):
    """Attention and a perceptron, each behind a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, 1e-6) for _ in range(2))
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        batch, time, width = x.shape
        parts = (
            self.mixed(self.norms[0](x)).view(batch, time, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        )
        attended = F.scaled_dot_product_attention(*parts.unbind(0)).transpose(1, 2).reshape(batch, time, width)
        x = x + self.out(attended)
        return x + self.mlp(self.norms[1](x))


PARTS = {
    "attention.attention.query": lambda block: _share(block, 0),
    "attention.attention.key": lambda block: _share(block, 1),
    "attention.attention.value": lambda block: _share(block, 2),
    "attention.output.dense": lambda block: block.out,
    "intermediate.dense": lambda block: block.mlp[0],
    "output.dense": lambda block: block.mlp[2],
    "layernorm_before": lambda block: block.norms[0],
    "layernorm_after": lambda block: block.norms[1],
}
"""A block's layers by the name that Hugging Face gives them."""


def _share(block: VitBlock, number: int) -> nn.Linear:
    """The queries', keys' or values' third of the mixed layer."""
    width = block.out.in_features
    part = nn.Linear(width, width)
    part.load_state_dict({name: value.chunk(3)[number] for name, value in block.mixed.state_dict().items()})
    return part


def write_folder(network: Vit, folder: Path) -> Path:
    """`network` as Hugging Face saves a ViT: config.json, preprocessor_config.json and model.safetensors."""
    width = network.norm.normalized_shape[0]
    config = {
        "model_type": "vit",
        "architectures": ["ViTModel"],
        "image_size": network.size,
        "patch_size": 16,
        "num_channels": 3,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": len(network.blocks),
        "num_attention_heads": network.heads,
        "hidden_act": "gelu",
        "layer_norm_eps": network.norm.eps,
        "qkv_bias": True,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    pixels = {
        "size": {"height": network.size, "width": network.size},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "rescale_factor": 1 / 255,
        "resample": 2,
    }
    layers = {"embeddings.patch_embeddings.projection": network.patches, "layernorm": network.norm}
    for number, block in enumerate(network.blocks):
        layers |= {f"encoder.layer.{number}.{name}": part(block) for name, part in PARTS.items()}
    arrays = {"embeddings.cls_token": network.first, "embeddings.position_embeddings": network.places}
    for name, layer in layers.items():
        arrays |= {f"{name}.{key}": value for key, value in layer.state_dict().items()}
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels), "utf-8")
    save_file(
        {name: value.detach().contiguous().clone() for name, value in arrays.items()}, folder / "model.safetensors"
    )
    return folder
