"""What users say of pictures whatever their labels are: options that datasets of pictures share; no plugin."""

from __future__ import annotations

from dataclasses import dataclass, fields

from headstart.options import option


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """What may be done to pictures without making their labels wrong, beside small changes: turns of 30 degrees at
    most, shears, shifts, zooms, and changes of colour that leave light and dark."""

    horizontal_flip: bool = option(
        True, "A mirrored picture still has its label; switch off for letters, digits, road signs and the like."
    )
    rotation: bool = option(
        False,
        "A picture turned by any angle, even upside down, still has its label: one seen from above, for example.",
    )
    colour_inversion: bool = option(
        False, "A picture whose light and dark are exchanged still has its label, as that of a drawing does."
    )

    @property
    def symmetries(self) -> frozenset[str]:
        """The names of those that are switched on."""
        return frozenset(each.name for each in fields(PictureOptions) if getattr(self, each.name))
