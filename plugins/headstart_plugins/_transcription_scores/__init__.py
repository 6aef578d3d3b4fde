"""How good transcripts are: word and character error rates as jiwer counts them, and their bootstrap. No plugin."""

from __future__ import annotations

from headstart_plugins._transcription_scores.normal_form import FORMS, Form, normal_form
from headstart_plugins._transcription_scores.scores import TranscriptionScores

__all__ = ["FORMS", "Form", "TranscriptionScores", "normal_form"]
