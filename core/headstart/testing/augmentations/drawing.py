"""In a fresh process: draw again. `python -m headstart.testing.augmentations.drawing`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from headstart.options import parse_options
from headstart.registry import load_registry
from headstart.specs import Augmentation, AugmentationRequest
from headstart.testing.fresh_process import answer

Draw = tuple[int, int, str]
"""Seed, epoch, key."""


def draw_again(request: Mapping[str, Any]) -> list[Any]:
    """What is drawn for `draws`, as plain values."""
    registry = load_registry()
    spec = registry.get("augmentations", request["name"])
    options, _ = parse_options(spec.options, request["options"], "options")
    asked = AugmentationRequest(options, frozenset(request["symmetries"]))
    return plain_draws(registry.load_target(spec, spec.build)(asked), [tuple(draw) for draw in request["draws"]])


def plain_draws(augmentation: Augmentation, draws: Iterable[Draw]) -> list[Any]:
    """What is drawn, one a draw, as JSON has it: floats are kept to the bit."""
    drawn = [asdict(augmentation.draw(seed, epoch, key)) for seed, epoch, key in draws]
    made: list[Any] = json.loads(json.dumps(drawn, default=float))  # numbers of numpy are numbers
    return made


if __name__ == "__main__":
    answer(draw_again)
