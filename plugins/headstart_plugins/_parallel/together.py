"""What must stay on one side of a split: sentences that differ in nothing that a model would not know again."""

from __future__ import annotations

import hashlib
import unicodedata

LONGEST = 60
"""Letters of a group's name; of longer texts the beginning, and a digest of all."""


def source_group(source: str) -> str:
    """The name of the group that a source text belongs to: its letters and numbers alone, in one case and one Unicode
    form (NFKC), as texts are compared when near-copies are sought (`Save As...` is `saveas`); all of it where it has
    none."""
    folded = unicodedata.normalize("NFKC", source).casefold()
    plain = "".join(each for each in folded if unicodedata.category(each)[0] in "LMN") or " ".join(folded.split())
    if len(plain) <= LONGEST:
        return plain
    return f"{plain[: LONGEST - 10]}…{hashlib.sha256(plain.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
