"""The contract of augmentations, in two levels: declared, drawn."""

from __future__ import annotations

from headstart.testing.augmentations.declared import AugmentationDeclared
from headstart.testing.augmentations.drawn import AugmentationDrawn

__all__ = ["AugmentationContract", "AugmentationDeclared", "AugmentationDrawn"]


class AugmentationContract(AugmentationDeclared, AugmentationDrawn):
    """All that an augmentation must do. Set `name`, and `varies = False` for one that changes nothing on purpose."""
