"""EfficientNet-Lite0 below a light head, from random weights in PyTorch by hand, trained and tested on a table of
masks: the control of `segmented.py`.

    python segmented_by_hand.py TABLE SEED SIZE BATCH EPOCHS

A loop as one writes it: AdamW, a rate that rises and falls as a cosine, gradients clipped, pictures mirrored by
chance, the epoch that val likes best. Masks are scored in pixels of the files, by counts of classes. Prints the metrics
of test.
"""

from __future__ import annotations

import copy
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from detected_by_hand import CLIP, optimizer_of
from mask_by_hand import Segmenter, confusion_of, images_of, losses_of, mean_overlap
from PIL import Image
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Side:
    """Pictures (picture, size, size, 3) and their masks (picture, size, size), both uint8; and the masks as they are in
    the files."""

    pictures: np.ndarray
    masks: np.ndarray
    truths: Sequence[np.ndarray]


def main() -> None:
    """Train, test and print."""
    table, (seed, size, batch, epochs) = Path(sys.argv[1]), map(int, sys.argv[2:6])
    sides = read(table, size)
    classes = len((table.parent / "classes.txt").read_text("utf-8").split())
    torch.manual_seed(seed)
    model = new_model(classes)
    train(model, sides, batch=batch, epochs=epochs)
    confusion = scored(model, sides["test"], classes)
    accuracy = float(np.trace(confusion) / confusion.sum())
    print(json.dumps({"miou": mean_overlap(confusion), "pixel_accuracy": accuracy}))


def read(table: Path, size: int) -> dict[str, Side]:
    """By side, the pictures of the table, stretched to `size` pixels a side, masks by nearest."""
    sides: dict[str, tuple[list[np.ndarray], ...]] = {}
    with table.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            pictures, masks, truths = sides.setdefault(row["split"], ([], [], []))
            with Image.open(row["path"]) as opened:
                picture = opened.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
            with Image.open(row["mask"]) as mask:
                pictures.append(np.asarray(picture))
                masks.append(np.asarray(mask.resize((size, size), Image.Resampling.NEAREST)))
                truths.append(np.asarray(mask))
    return {name: Side(np.stack(each[0]), np.stack(each[1]), each[2]) for name, each in sides.items()}


def new_model(classes: int) -> Segmenter:
    """Random weights for rectified units (He et al. 2015). Statistics follow at PyTorch's own momentum: with that of
    the published network, 0.01, they lag behind in so few updates, and only background is answered."""
    model = Segmenter(classes).to(memory_format=torch.channels_last)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    for name in ("classes_8", "classes_16"):
        nn.init.normal_(model.made[name].weight, std=0.01)
    return model


def train(model: Segmenter, sides: dict[str, Side], *, batch: int, epochs: int) -> None:
    """Leaves the weights of the epoch with the best mean IoU on val in `model`."""
    side = sides["train"]
    count, classes = len(side.pictures), model.made["classes_8"].out_channels
    optimizer, schedule = optimizer_of(model, epochs * -(-count // batch))
    best, kept = -1.0, copy.deepcopy(model.state_dict())
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(count).split(batch):
            mirrored = torch.rand(len(rows)) < 0.5
            images, masks = images_of(side.pictures[rows.numpy()]), torch.from_numpy(side.masks[rows.numpy()])
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
            masks = torch.where(mirrored[:, None, None], masks.flip(2), masks)
            optimizer.zero_grad(set_to_none=True)
            losses_of(model(images.contiguous(memory_format=torch.channels_last)), masks).mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
        found = mean_overlap(scored(model, sides["val"], classes))
        if found > best:
            best, kept = found, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)


@torch.no_grad()
def scored(model: Segmenter, side: Side, classes: int) -> np.ndarray:
    """How many pixels of the files of a side have which class, and are taken for which: (class, class)."""
    model.eval()
    confusion = np.zeros((classes, classes), np.int64)
    for row, truth in enumerate(side.truths):
        logits = F.interpolate(model(images_of(side.pictures[row : row + 1])), truth.shape, mode="bilinear")
        confusion += confusion_of(truth, logits[0].argmax(0).numpy(), classes)
    return confusion


if __name__ == "__main__":
    main()
