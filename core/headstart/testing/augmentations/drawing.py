"""In a fresh process: draw again. `python -m headstart.testing.augmentations.drawing`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headstart.options import parse_options
from headstart.registry import load_registry
from headstart.specs import Augmentation, AugmentationRequest
from headstart.testing.fresh_process import answer

Draw = tuple[int, int, str]
"""Seed, epoch, key."""


def draw_again(request: Mapping[str, Any]) -> list[Any]:
    """The matrices of `draws`, as lists."""
    registry = load_registry()
    spec = registry.get("augmentations", request["name"])
    options, _ = parse_options(spec.options, request["options"], "options")
    asked = AugmentationRequest(options, frozenset(request["symmetries"]))
    return matrices(registry.load_target(spec, spec.build)(asked), [tuple(draw) for draw in request["draws"]])


def matrices(augmentation: Augmentation, draws: Iterable[Draw]) -> list[Any]:
    """One matrix a draw, as lists of floats: JSON keeps them to the bit."""
    return [
        [[float(value) for value in row] for row in augmentation.draw(seed, epoch, key).matrix]
        for seed, epoch, key in draws
    ]


if __name__ == "__main__":
    answer(draw_again)
