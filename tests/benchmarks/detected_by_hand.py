"""NanoDet from random weights in PyTorch by hand, trained and tested on a table of boxes: the control of `detected.py`.

    python detected_by_hand.py TABLE SEED SIZE BATCH EPOCHS

A loop as one writes it: AdamW, a rate that rises and falls as a cosine, gradients clipped, pictures mirrored by chance,
the epoch that val likes best. Boxes are scored by headstart's measures, which equal pycocotools'. Prints the metrics
of test, and `classes`: the average precision of each.
"""

from __future__ import annotations

import copy
import csv
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from box_by_hand import DEVIATION, MEAN, Grid, NanoDet, Targets, losses_of
from PIL import Image
from torch import Tensor, nn

from headstart_plugins._boxes import Boxes
from headstart_plugins.detection._decode import Limits, detections
from headstart_plugins.detection._evaluate import BoxEvaluator
from headstart_plugins.detection._grid import cells_of

RATE, DECAY, WARM, CLIP = 1e-3, 0.05, 0.1, 1.0
RARE = math.log(0.01 / 0.99)
LIMITS = Limits(0.05, 0.6, 100)


@dataclass(frozen=True)
class Side:
    """Pictures (picture, size, size, 3) uint8, and what is in each, in pixels of the file, which is (width, height)."""

    pictures: np.ndarray
    truths: Sequence[Boxes]
    sizes: Sequence[tuple[int, int]]


def main() -> None:
    """Train, test and print."""
    table, (seed, size, batch, epochs) = Path(sys.argv[1]), map(int, sys.argv[2:6])
    sides = read(table, size)
    classes = sorted({name for truth in sides["train"].truths for name in truth.classes})
    torch.manual_seed(seed)
    model = new_model(len(classes))
    train(model, sides, classes, batch=batch, epochs=epochs)
    tested = scored(model, sides["test"], classes).result()
    aps = {name: each["ap"] for name, each in tested.report["per_class"].items()}
    print(json.dumps({"map": tested.metrics["map"], "map50": tested.metrics["map50"], "classes": aps}))


def read(table: Path, size: int) -> dict[str, Side]:
    """By side, the pictures of the table, stretched to `size` pixels a side."""
    rows: dict[str, dict[str, list[dict[str, str]]]] = {}
    with table.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            rows.setdefault(row["split"], {}).setdefault(row["path"], []).append(row)
    sides = {}
    for name, paths in rows.items():
        pictures, truths, sizes = [], [], []
        for path, boxes in paths.items():
            with Image.open(path) as opened:
                sizes.append(opened.size)
                pictures.append(np.asarray(opened.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)))
            found = [each for each in boxes if each["label"]]
            sides_of = [[float(each[side]) for side in ("left", "top", "right", "bottom")] for each in found]
            none = np.zeros(len(found), bool)
            areas = np.array([float(each["area"]) for each in found])
            corners = np.array(sides_of, np.float64).reshape(-1, 4)
            truths.append(Boxes(corners, tuple(each["label"] for each in found), areas, none, none))
        sides[name] = Side(np.stack(pictures), truths, sizes)
    return sides


def new_model(classes: int) -> NanoDet:
    """Random weights for leaky units (He et al. 2015); scores begin at one cell in a hundred (Lin et al. 2017)."""
    model = NanoDet(classes).to(memory_format=torch.channels_last)
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.1)
            nn.init.zeros_(layer.bias)
            if "classes_" in name or "sides_" in name:
                nn.init.normal_(layer.weight, std=0.01)
            if "classes_" in name:
                nn.init.constant_(layer.bias, RARE)
    return model


def train(model: NanoDet, sides: dict[str, Side], classes: list[str], *, batch: int, epochs: int) -> None:
    """Leaves the weights of the epoch with the best mAP on val in `model`."""
    side = sides["train"]
    count, size = len(side.pictures), side.pictures.shape[1]
    steps = epochs * -(-count // batch)
    optimizer, schedule = optimizer_of(model, steps)
    grid, best, kept = Grid(size), -1.0, copy.deepcopy(model.state_dict())
    for _ in range(epochs):
        for rows in torch.randperm(count).split(batch):
            mirrored = torch.rand(len(rows)) < 0.5
            targets = targets_of([side.truths[row] for row in rows], [side.sizes[row] for row in rows], classes, size)
            left, top, right, bottom = targets.boxes.unbind(-1)
            turned = torch.stack([size - right, top, size - left, bottom], -1)
            boxes = torch.where(mirrored[:, None, None], turned, targets.boxes)
            images = images_of(side.pictures[rows.numpy()])
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
            images = images.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad(set_to_none=True)
            losses_of(targets._replace(boxes=boxes), *model(images), grid).mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
        found = scored(model, sides["val"], classes).metrics()["map"]
        if found > best:
            best, kept = found, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)


def optimizer_of(model: nn.Module, steps: int) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW, and its rate: a line up to RATE, and half of a cosine down."""
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY, fused=True)
    rising = max(1, round(WARM * steps))

    def share(step: int) -> float:
        falling = (step - rising) / max(1, steps - rising)
        return (step + 1) / rising if step < rising else (1 + math.cos(math.pi * falling)) / 2

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, share)


def targets_of(truths: Sequence[Boxes], sizes: Sequence[tuple[int, int]], classes: list[str], size: int) -> Targets:
    """Of a batch, in pixels of the input; as many rows as the fullest picture has boxes, and one at least."""
    fullest = max(1, *(len(truth.classes) for truth in truths))
    boxes, kinds = np.zeros((len(truths), fullest, 4), np.float32), np.zeros((len(truths), fullest), np.int64)
    valid = np.zeros((len(truths), fullest), bool)
    for row, (truth, (width, height)) in enumerate(zip(truths, sizes, strict=True)):
        own = slice(0, len(truth.classes))
        boxes[row, own] = truth.corners * np.array([size / width, size / height] * 2)
        kinds[row, own] = [classes.index(name) for name in truth.classes]
        valid[row, own] = True
    return Targets(torch.from_numpy(boxes), torch.from_numpy(kinds), torch.from_numpy(valid))


def images_of(pictures: np.ndarray) -> Tensor:
    """(batch, 3, size, size) float32: blue, green and red, less their mean, over their deviation."""
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).flip(1).float()
    return images.sub_(torch.tensor(MEAN)[:, None, None]).div_(torch.tensor(DEVIATION)[:, None, None])


@torch.no_grad()
def scored(model: NanoDet, side: Side, classes: list[str]) -> BoxEvaluator:
    """Knows what is found in each picture of a side."""
    evaluator = BoxEvaluator(tuple(classes))
    size = side.pictures.shape[1]
    for row, (truth, (width, height)) in enumerate(zip(side.truths, side.sizes, strict=True)):
        logits, sides = model(images_of(side.pictures[row : row + 1]))
        facts = {"width": width, "height": height, "scale_x": size / width, "scale_y": size / height}
        facts |= {"offset_x": 0.0, "offset_y": 0.0}
        evaluator.add(truth, detections(logits[0].numpy(), sides[0].numpy(), cells_of((size, size)), facts, LIMITS))
    return evaluator


if __name__ == "__main__":
    main()
