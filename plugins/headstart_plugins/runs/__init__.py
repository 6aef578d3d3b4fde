"""Any run as a backbone: `--backbone runs/x`, the folder of a finished run, or the `artefact` folder of one.

What it learned, how it read its samples, and its head come along. Nothing is built here: the artefact is verified, and
its description read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec

if TYPE_CHECKING:
    from headstart.registry import Registry


@hookimpl
def resolve_backbone(ref: str, registry: Registry) -> BackboneSpec | None:
    """A finished run or an artefact as the backbone that it was built with, with its own weights."""
    from headstart_plugins.runs._source import resolve

    return resolve(ref, registry)
