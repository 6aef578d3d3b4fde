"""Language models in Hugging Face's folders as backbones for texts: BERT, MiniLM, DistilBERT, RoBERTa, XLM-R,
ModernBERT and GPT-2, and two sentence encoders by name.

Folders are read as data: `_folder` looks at their JSON, `_build` makes the network, `_load` reads the weights.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec
from headstart_plugins.hf_text._specs import OFFERED


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """What folders are built from, and the encoders that can be fetched by name."""
    return OFFERED


@hookimpl
def resolve_backbone(ref: str) -> BackboneSpec | None:
    """A folder whose config.json names a model of the family."""
    from headstart_plugins.hf_text._reference import resolve

    return resolve(ref)
