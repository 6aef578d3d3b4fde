"""How made sets are drawn and cut, as users can say it."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.options import option


def must_advance(tile: int, overlap: int) -> None:
    """Raises ValueError where tiles that share so many pixels would not advance."""
    if overlap * 2 > tile:
        raise ValueError(f"overlap is {overlap}, more than half of a tile, which is {tile}")


@dataclass(frozen=True)
class SceneOptions:
    """What is drawn."""

    scenes: int = option(500, "Pictures of all sides together: 64 % train, 16 % val, 20 % test.", low=10, high=100_000)
    size: int = option(320, "Side of a picture in pixels.", low=96, high=2048)
    most: int = option(8, "Stamps that are drawn for a picture at most; at least 1.", low=1, high=50)
    kept: float = option(
        0.4,
        "Share of each stamp that stays visible at least, inside of the picture and in front: a stamp that finds no "
        "such place, or would hide more of another, is left out of the picture.",
        low=0.05,
        high=1.0,
    )
    seed: int = option(0, "Another seed gives other pictures; which stamps are whose stays.", low=0)
