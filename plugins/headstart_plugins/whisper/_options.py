"""What users can choose, and what an encoder of Whisper's family is built from: what `config.json` says of it."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.options import option
from headstart_plugins._waves import WaveOptions


@dataclass(frozen=True)
class EncoderOptions:
    """The shape of the encoder."""

    width: int = option(384, "Numbers that each position is told by.", low=4, high=65536)
    blocks: int = option(4, "Blocks of attention and feed-forward layers, one above the other.", low=1, high=200)
    heads: int = option(6, "Attention heads of a block.", low=1, high=512)
    hidden: int = option(1536, "Units of each feed-forward layer.", low=4, high=262144)
    positions: int = option(1500, "Rows of the table of positions, 20 ms each.", low=2, high=100_000)

    def __post_init__(self) -> None:
        """Raise ValueError where heads cannot share the width, or sines and cosines not."""
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width {self.width} is no even multiple of heads {self.heads}")


@dataclass(frozen=True)
class LogMelOptions(WaveOptions):
    """How recordings become Whisper's spectrograms."""

    hop: float | None = option(
        None,
        "Seconds from one window to the next, the last one ending with the sound; if unset they lie one behind the "
        "other, each ending where it is quiet.",
        low=0.01,
        high=600.0,
    )
    max_windows: int = option(
        240, "Windows of one sound; of longer ones the beginning is heard, which is told.", low=1, high=100_000
    )
