"""What tasks need to know of a picture that became an input: where its pixels went."""

from __future__ import annotations

import numpy as np

from headstart.errors import PluginError
from headstart.specs import Facts, Finding

NEEDED = (
    *("height", "width", "input_height", "input_width"),
    *("scale_x", "scale_y", "offset_x", "offset_y"),
)
"""Names of facts of the image kind: x of the input is x of the picture * `scale_x` + `offset_x`, y likewise."""


def verify_facts(fact: Facts, what: str) -> None:
    """Raise PluginError where the input kind does not tell what `what`, in the plural, needs."""
    if lacking := [name for name in NEEDED if name not in fact]:
        raise PluginError(
            f"the input kind does not tell {', '.join(lacking)} of a picture, which {what} need",
            hint="choose a backbone that takes pictures, or tell the author of the input kind",
        )


def as_shares(corners: np.ndarray, fact: Facts) -> np.ndarray:
    """`corners` (box, 4), left, top, right, bottom in pixels of the picture, as shares of the input's width and height,
    float64; beyond 0..1 where they are cut off."""
    scale, offset = ([fact[f"{name}_x"], fact[f"{name}_y"]] * 2 for name in ("scale", "offset"))
    shares: np.ndarray = (corners * np.array(scale) + np.array(offset)) / (
        [fact["input_width"], fact["input_height"]] * 2
    )
    return shares


def is_cropped(fact: Facts) -> bool:
    """Whether the input shows less than the picture; False where the input kind does not tell."""
    return any(fact.get(name, 0) < 0 for name in ("offset_x", "offset_y"))


def seen_share(fact: Facts) -> float:
    """The share of the picture's pixels that the input shows."""
    across = min(1.0, float(fact["input_width"] / (fact["width"] * fact["scale_x"])))
    down = min(1.0, float(fact["input_height"] / (fact["height"] * fact["scale_y"])))
    return across * down


def cropped_off(lost: int, total: int, what: str) -> Finding:
    """A warning that so many of `total`, of `what` there is in the plural, are not in the input."""
    message = (
        f"{lost} of {total} {what} ({lost / total:.1%}) lie where pictures are cropped, outside of what the network "
        "sees: they are not learned, and in scores they count as missed; --set input.resize=pad shows all of each "
        "picture"
    )
    return Finding("warning", message, lost)
