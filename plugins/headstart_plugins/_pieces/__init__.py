"""Vocabularies of pieces of words by sentencepiece: learned from texts, read, joined. No plugin."""

from __future__ import annotations

from headstart_plugins._pieces.numbered import NumberedPieces
from headstart_plugins._pieces.pieces import Pieces
from headstart_plugins._pieces.training import joined, learned

__all__ = ["NumberedPieces", "Pieces", "joined", "learned"]
