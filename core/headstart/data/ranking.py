"""Chance without state: a rank for each key, equal on every machine and whatever the order of records."""

from __future__ import annotations

import hashlib


def rank(seed: int, purpose: str, key: str) -> bytes:
    """32 bytes to sort by: SHA-256 of seed, purpose and key. Different purposes give unrelated orders."""
    return hashlib.sha256(f"{seed}\0{purpose}\0{key}".encode("utf-8", "surrogateescape")).digest()
