"""What must stay on one side of a split: sentences that differ in nothing that a model would not know again."""

from __future__ import annotations

import hashlib
import unicodedata

LONGEST = 60
"""Letters of a group's name; of longer texts the beginning, and a digest of all."""
ENDS = ".…:;!?。：！？ "  # noqa: RUF001 - what ends sentences in Chinese and Japanese


def source_group(source: str) -> str:
    """The name of the group that a source text belongs to: the text in one case and one Unicode form (NFKC), with
    single spaces, without what stands at its end (`Save As...` is `save as`)."""
    plain = " ".join(unicodedata.normalize("NFKC", source).casefold().split())
    plain = plain.rstrip(ENDS) or plain
    if len(plain) <= LONGEST:
        return plain
    return f"{plain[: LONGEST - 10]}…{hashlib.sha256(plain.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
