"""sacrebleu, behind what is asked of it: counts of segments, scores of their sums, signatures (Post 2018)."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.errors import UsageError
from headstart_plugins._parallel.doubts import script_of

TOKENIZERS = ("13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none")
"""How BLEU finds tokens; of sacrebleu's, those that download nothing."""
WITHOUT_SPACES = frozenset({"THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"})
FEW_KANA = 0.05
"""The share of letters above which a text of East Asia is Japanese."""


def tokenizer_for(texts: Sequence[str]) -> str:
    """The one of TOKENIZERS that sacrebleu takes for the language of most of some texts, by its script: "13a" for most,
    to which a sentence in Chinese would be a single token; "char" for others that put no space between words."""
    scripts = Counter(script for text in texts if (script := script_of(text)) is not None)
    script = scripts.most_common(1)[0][0] if scripts else ""
    if script in WITHOUT_SPACES:
        return "char"
    if script != "EAST ASIAN":
        return "13a"
    letters = Counter(unicodedata.name(letter, "").partition(" ")[0] for text in texts for letter in text)
    if letters["HANGUL"] > letters["CJK"]:
        return "ko-mecab"
    kana = letters["HIRAGANA"] + letters["KATAKANA"]
    return "ja-mecab" if kana > FEW_KANA * (kana + letters["CJK"]) else "zh"


class Sacre:
    """BLEU and chrF of sacrebleu with one reference a segment, case kept unless `lowercase`.

    Raises UsageError where sacrebleu, or what it needs for the tokenizer, is not installed.
    """

    def __init__(self, tokenize: str, *, lowercase: bool) -> None:
        if tokenize not in TOKENIZERS:
            raise UsageError(f"BLEU knows no tokenizer {tokenize!r}; expected one of {', '.join(TOKENIZERS)}")
        try:
            from sacrebleu.metrics import BLEU, CHRF
        except ImportError as exc:
            hint = "pip install 'headstart[translation]'"
            raise UsageError("scores of translations need sacrebleu", hint=hint) from exc
        try:
            # `force`: what ends in " ." is scored as it is, without a warning in the log.
            self._bleu: Any = BLEU(tokenize=tokenize, lowercase=lowercase, force=True)
        except (ImportError, RuntimeError) as exc:  # RuntimeError is what sacrebleu makes of it
            hint = f"pip install 'sacrebleu[{tokenize[:2]}]'"
            raise UsageError(f"BLEU's tokenizer {tokenize} needs another package: {exc}", hint=hint) from exc
        self._chrf: Any = CHRF(lowercase=lowercase)
        self.counts([""], [""])  # a signature tells the number of references, which the metric has to see first

    def counts(self, hypotheses: Sequence[str], references: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Of each segment what BLEU (segment, BLEU_COLUMNS) and chrF (segment, CHRF_COLUMNS) count, int64.

        This and `scores` call what sacrebleu's own significance tests are built from; nothing public gives counts of
        chrF.
        """
        bleu, chrf = (
            np.array(metric._extract_corpus_statistics(list(hypotheses), [list(references)]), np.int64)
            for metric in (self._bleu, self._chrf)
        )
        return bleu, chrf

    def scores(self, bleu: np.ndarray, chrf: np.ndarray) -> tuple[Any, float]:
        """sacrebleu's BLEUScore, and the score of chrF in 0..100, of sums (BLEU_COLUMNS,) and (CHRF_COLUMNS,)."""
        scored: Any = self._bleu._compute_score_from_stats(bleu.tolist())
        return scored, float(self._chrf._compute_score_from_stats(chrf.tolist()).score)

    def signatures(self) -> dict[str, str]:
        """What each score means to the last setting, to be told beside it: `nrefs:1|case:mixed|...`."""
        return {name: str(each.get_signature()) for name, each in (("bleu", self._bleu), ("chrf", self._chrf))}
