"""The interval of a share of hits."""

from __future__ import annotations

import math

NORMAL_95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


def wilson_interval(share: float, total: int) -> tuple[float, float]:
    """95 % score interval for a `share` of hits, 0 to 1, among `total` > 0 (Wilson 1927, JASA 22:209-212)."""
    z2 = NORMAL_95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = NORMAL_95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
