"""What weights say about their input, validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headstart.errors import UsageError
from headstart.suggest import suggestion

CHOICES: Mapping[str, tuple[str, ...]] = {
    "channels": ("rgb", "bgr"),
    "resize": ("pad", "stretch", "crop"),
    "interpolation": ("bilinear", "bicubic", "nearest"),
}
DEFAULTS: Mapping[str, Any] = {
    "channels": "rgb",
    "scale": (1.0, 1.0, 1.0),
    "offset": (0.0, 0.0, 0.0),
    "resize": "pad",
    "interpolation": "bicubic",
    "background": 255,
    "range": (0, 255),
}


@dataclass(frozen=True)
class Preprocess:
    """Pixels 0..255 to a backbone's input: fit to (height, width), order channels, then x * scale + offset.

    `scale` and `offset` have one value a channel, in the order after `channels` was applied. `background`
    (0..255) is what transparent and padded places become.
    """

    height: int
    width: int
    channels: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    resize: str
    interpolation: str
    background: int


def parse(values: Mapping[str, Any]) -> Preprocess:
    """Check plain values. Raises UsageError naming the value that is missing, unknown or out of range."""
    known = ("size", *DEFAULTS)
    for name in values:
        if name not in known:
            raise UsageError(f"image preprocessing has no value {name!r}", hint=suggestion(name, known))
    full = {**DEFAULTS, **values}
    for name, choices in CHOICES.items():
        if full[name] not in choices:
            raise UsageError(f"preprocess.{name} is {full[name]!r}; expected {' or '.join(choices)}")
    if tuple(full["range"]) != (0, 255):
        raise UsageError(f"preprocess.range is {full['range']!r}; pixels are 0..255, so it can only be [0, 255]")
    background = full["background"]
    if not isinstance(background, int) or not 0 <= background <= 255:
        raise UsageError(f"preprocess.background is {background!r}; expected an integer from 0 to 255")
    height, width = _numbers(full, "size", 2, low=1)
    return Preprocess(
        height=int(height),
        width=int(width),
        channels=full["channels"],
        scale=_numbers(full, "scale", 3),
        offset=_numbers(full, "offset", 3),
        resize=full["resize"],
        interpolation=full["interpolation"],
        background=background,
    )


def _numbers(full: Mapping[str, Any], name: str, count: int, *, low: float | None = None) -> tuple[float, ...]:
    value = full.get(name)
    good = isinstance(value, (list, tuple)) and len(value) == count
    if good and all(isinstance(v, (int, float)) and (low is None or v >= low) for v in value or ()):
        return tuple(float(v) for v in value or ())
    raise UsageError(f"preprocess.{name} is {value!r}; expected {count} numbers" + (f" >= {low}" if low else ""))
