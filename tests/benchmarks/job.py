"""What the controls are told: pictures of each split by path and class, their size, and the backbone's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

RESAMPLING = {name: Image.Resampling[name.upper()] for name in ("bicubic", "bilinear", "nearest")}
WHITE = (255, 255, 255, 255)


def read_job(path: str | Path) -> dict[str, Any]:
    """The document that `cold.py` wrote."""
    return dict(json.loads(Path(path).read_text(encoding="utf-8")))


def read_split(job: dict[str, Any], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (count, size, size, 3) uint8 and classes (count,) int64 of "train", "val" or "test"."""
    rows = job["pictures"][split]
    pictures = np.stack([_read(path, job["size"], job["interpolation"]) for path, _ in rows])
    return pictures, np.array([label for _, label in rows])


def _read(path: str, size: int, interpolation: str) -> np.ndarray:
    """RGB, transparent places white, scaled to fit a square and centred in it on white."""
    with Image.open(path) as picture:
        rgba = picture.convert("RGBA")
        rgb = Image.alpha_composite(Image.new("RGBA", rgba.size, WHITE), rgba).convert("RGB")
    ratio = size / max(rgb.size)
    inner = rgb.resize(tuple(max(1, round(side * ratio)) for side in rgb.size), RESAMPLING[interpolation])
    square = Image.new("RGB", (size, size), WHITE[:3])
    square.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
    return np.asarray(square)
