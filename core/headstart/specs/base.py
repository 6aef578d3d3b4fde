"""What every offer has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headstart.options import NoOptions

if TYPE_CHECKING:
    import numpy as np

Batch = Mapping[str, "np.ndarray"]
"""Named arrays of the same rows, first axis batch: samples, encoded targets, or a head's outputs."""

API = 2
"""The version of this boundary. A spec declares the one it was written for."""

AUTO = "auto"
"""The value of a setting that leaves the choice to headstart: `--engine auto`, `--precision auto`."""

BACKENDS = ("jax", "torch")
"""The backends we run on, the one taken first where nothing is said first."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every offer has: its full name `plugin/name`, one sentence, and its options."""

    name: str
    summary: str
    api: int = API
    options: type = NoOptions

    @property
    def plugin(self) -> str:
        """The plugin's part of the name."""
        return self.name.partition("/")[0]

    @property
    def short_name(self) -> str:
        """The name without its plugin; usable alone where it is unique."""
        return self.name.partition("/")[2]
