"""What the ids of a speech decoder mean, and texts as these ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import DataError, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class SpeechTokens:
    """Ids of a decoder's vocabulary that stand for no text.

    A transcript follows `start`, the language and the task where the decoder knows several, and `no_times`, which asks
    for text without times. `suppressed` are never answered, `first_suppressed` not as the first of a transcript.
    """

    start: int
    end: int
    pad: int
    no_times: int
    languages: Mapping[str, int] = field(default_factory=dict)
    transcribe: int | None = None
    suppressed: Sequence[int] = ()
    first_suppressed: Sequence[int] = ()

    @property
    def first_time(self) -> int:
        """The token of the time 0; those behind it are 20 ms apart, up to the end of the vocabulary."""
        return self.no_times + 1

    def prompt(self, language: str, *, times: bool = False) -> tuple[int, ...]:
        """What stands before each transcript, with `times` among its words or without.

        Raises UsageError for a language that the decoder does not know.
        """
        asked = () if times else (self.no_times,)
        if not self.languages:
            if language != "en":
                raise UsageError(
                    f"task.language is {language!r}, and this decoder knows English alone",
                    hint="leave it out, or choose weights for several languages",
                )
            return (self.start, *asked)
        if language not in self.languages:
            known = ", ".join(sorted(self.languages))
            raise UsageError(f"task.language is {language!r}, which this decoder does not know", hint=f"one of {known}")
        task = () if self.transcribe is None else (self.transcribe,)
        return (self.start, self.languages[language], *task, *asked)


class Transcripts:
    """Texts as ids and back, by the tokenizer that came with the weights.

    A transcript begins with a space, as those that Whisper learned from. Raises UsageError where `tokenizers` is not
    installed, DataError for a file that is no tokenizer.
    """

    def __init__(self, file: Path, tokens: SpeechTokens) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as exc:
            raise UsageError("transcripts are read by tokenizers", hint="pip install 'headstart[text]'") from exc
        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(file))
        except Exception as exc:  # the library raises nothing more exact
            raise DataError(f"{file} is no tokenizer: {exc}", hint="get another copy of the weights") from exc
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokens = tokens

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each, without the end; runs of spaces are one, and none stand at the ends."""
        spaced = [f" {' '.join(text.split())}" if text.strip() else "" for text in texts]
        return [each.ids for each in self._tokenizer.encode_batch(spaced, add_special_tokens=False)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids up to the end, without the space before it."""
        kept = []
        for each in ids:
            if each == self._tokens.end:
                break
            kept.append(each)
        text: str = self._tokenizer.decode(kept, skip_special_tokens=True)
        return text.strip()


def of_labels(labels: Mapping[str, Any]) -> SpeechTokens:
    """The tokens that `labels` hold. Raises DataError where they are not whole."""
    try:
        return SpeechTokens(**labels)
    except TypeError as exc:
        message = f"the labels of a transcription are not whole: {exc!r}"
        raise DataError(message, hint="get another copy of the artefact or the weights") from exc
