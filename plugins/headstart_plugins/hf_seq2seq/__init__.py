"""Sequence to sequence models in Hugging Face's folders: MarianMT (OPUS-MT), T5, T5 v1.1 and mT5. The encoder is a
backbone for texts, the decoder the head that comes with it.

Folders are read as data: `_folder` looks at their JSON, `_build` makes the encoder, `_load` reads the weights.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec
from headstart_plugins.hf_seq2seq._specs import REGISTERED


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """What folders are built from."""
    return [REGISTERED]


@hookimpl
def resolve_backbone(ref: str) -> BackboneSpec | None:
    """A folder whose config.json names a model of the family."""
    from headstart_plugins.hf_seq2seq._reference import resolve

    return resolve(ref)
