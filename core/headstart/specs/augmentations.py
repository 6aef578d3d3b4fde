"""Augmentations: ways to vary training samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from headstart.specs.base import Spec
from headstart.specs.inputs import Drawn


class Augmentation(Protocol):
    """Draws once per sample and epoch: a pure function, so that order and batch cuts never matter."""

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """What happens to sample `key` in `epoch`; equal arguments give equal results on every machine."""


@dataclass(frozen=True)
class AugmentationRequest:
    """What an augmentation is built from; it must draw nothing that `symmetries` does not allow.

    Symmetries that have a name: `horizontal_flip` (mirrored samples), `rotation` (turned by more than 90 degrees) and
    `colour_inversion` (values inverted, all or above a threshold).
    """

    options: Any
    symmetries: frozenset[str]


class AugmentationBuild(Protocol):
    """Build target of an AugmentationSpec."""

    def __call__(self, request: AugmentationRequest) -> Augmentation:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class AugmentationSpec(Spec):
    """A way to vary training samples. `uses` names the symmetries it would use; those not allowed are left out.

    `draws` are the names of all changes that it may draw: it fits each input kind whose `changes` cover them. `mixes`
    says that it draws a `Mix` for some samples: labels are then mixed with them. `default_for` names the medium
    ("image") for which `auto` means this one, as `headstart pretrain` asks for where the user names none.
    """

    build: str
    draws: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    mixes: bool = False
    default_for: str | None = None
