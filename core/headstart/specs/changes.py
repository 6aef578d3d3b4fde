"""What an augmentation draws for one sample, as plain values that are equal on every backend.

Core passes changes on and never looks into them: an input kind lists the names that it applies in `InputSpec.changes`,
and alone knows what their values mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """One change of a sample: a name from the input kind's `changes`, and a plain value (numbers, texts, tuples)."""

    name: str
    value: Any = None


@dataclass(frozen=True)
class Mix:
    """What another training sample contributes to one.

    `partner` in [0, 1) picks row floor(partner * count) of the training samples in their fixed order. `share` in
    [0, 1] is the sample's own. Without a `region` values are averaged with these weights; with one the partner's values
    stand inside of it, and `share` is what remains outside, before the kind rounds the region to whole elements. What
    a region looks like, the input kind says.
    """

    partner: float
    share: float
    region: Any = None


@dataclass(frozen=True)
class Drawn:
    """One draw for one sample: `changes` in the order in which they apply, then the `mix`. `Drawn()` changes nothing.

    An input kind may fuse changes into one step where that is more exact, such as several moves of a picture.
    """

    changes: tuple[Change, ...] = ()
    mix: Mix | None = None
