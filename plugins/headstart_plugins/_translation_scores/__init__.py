"""How good translations are: BLEU and chrF as sacrebleu gives them, their bootstrap, what a report shows. No plugin."""

from __future__ import annotations

from headstart_plugins._translation_scores.sacre import TOKENIZERS, tokenizer_for
from headstart_plugins._translation_scores.scores import TranslationScores

__all__ = ["TOKENIZERS", "TranslationScores", "tokenizer_for"]
