"""The contract of backbones, in three levels: declared, built on one backend, equal on both."""

from __future__ import annotations

from headstart.testing.backbones.agrees import BackboneAgrees
from headstart.testing.backbones.built import BackboneBuilt
from headstart.testing.backbones.declared import BackboneDeclared

__all__ = ["BackboneAgrees", "BackboneBuilt", "BackboneContract", "BackboneDeclared"]


class BackboneContract(BackboneDeclared, BackboneBuilt, BackboneAgrees):
    """All that a backbone must do. Set `name`; see `headstart.testing`."""
