"""Build target of the task `transcription`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import DataError, UsageError
from headstart.lists import in_line
from headstart.specs import Batch, Facts, Finding, Search, TaskRequest, TensorSpec
from headstart_plugins._heads.loss_alone import LossAlone
from headstart_plugins._sequences import DecoderConfig, lengths_up_to
from headstart_plugins.transcription import TranscriptionOptions
from headstart_plugins.transcription._evaluate import TranscriptionEvaluator
from headstart_plugins.transcription._loops import before_loop
from headstart_plugins.transcription._speech_tokens import TOKENIZER, SpeechTokens, Transcripts, of_labels
from headstart_plugins.transcription._subtitles import subtitles
from headstart_plugins.transcription._times import begun, by_rules, stretches

if TYPE_CHECKING:
    import keras

NEXT, REFERENCE = "next", "reference"
LONGER = "cut the recordings, or --set input.seconds with a larger number"
UNUSED = -1
"""In place of a token behind a target's end: the decoder's own padding is a token that it may say."""


def build(request: TaskRequest) -> Transcription:
    """The task of a decoder that was trained: what its ids mean stands in the labels, and its tokenizer is among the
    assets. Raises UsageError where there is none, DataError for labels that are not whole."""
    options: TranscriptionOptions = request.options
    labels = request.labels
    if labels is None:
        raise UsageError(
            "transcription goes on from a decoder that comes trained with its encoder",
            hint="choose a backbone whose weights have one, such as whisper/tiny_en, and --head pretrained",
        )
    try:
        config = DecoderConfig.of(labels["decoder"])
        tokens = of_labels(labels["tokens"])
        mean = float(labels.get("mean", 1.0))
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        message = f"the labels of a transcription are not whole: {exc!r}"
        raise DataError(message, hint="get another copy of the artefact or the weights") from exc
    if TOKENIZER not in request.assets:
        raise DataError(f"there is no {TOKENIZER} for these transcripts", hint="get another copy of the weights")
    tokens.prompt(options.language)
    return Transcription(options, config, tokens, request.assets[TOKENIZER], mean)


@dataclass(frozen=True)
class Transcription:
    """Recordings answered with what is said in them; fulfils `headstart.specs.Task`, FitsTargets, FeedsTargets,
    Generates, TrimsTargets, PoolsRows, KeepsTruth, TellsOfTargets, WritesFiles, ListsAnswers and HasAssets.

    Targets: "next" (batch, most) int32, the tokens and their end, then UNUSED. The head gives "logits" (batch, time,
    token); what is generated are "tokens" (batch, time) int32 and "score" (batch,) float32, the mean log p of these.
    Of several windows, pooled: "tokens" (1, window * time), one behind the other.
    """

    options: TranscriptionOptions
    config: DecoderConfig
    tokens: SpeechTokens
    tokenizer: Path
    mean: float = 1.0

    primary_metric = "loss"
    higher_is_better = False
    columns = ("transcript", "score")
    lists_answers = True
    """Tables have what `rows` gives, and not the segments."""

    @cached_property
    def transcripts(self) -> Transcripts:
        """Texts as ids and back."""
        return Transcripts(self.tokenizer, self.tokens)

    def assets(self) -> Mapping[str, Path]:
        """The tokenizer."""
        return {TOKENIZER: self.tokenizer}

    def labels(self) -> Mapping[str, Any]:
        """The decoder's shape, what its ids mean, and how many tokens the mean target has."""
        return {"decoder": asdict(self.config), "tokens": plain_tokens(self.tokens), "mean": self.mean}

    def summary(self) -> Mapping[str, Any]:
        """How many tokens there are."""
        return {"tokens": self.config.vocabulary}

    @property
    def _given(self) -> tuple[int, ...]:
        """The tokens before a transcript that is learned but for the last of them."""
        return self.tokens.prompt(self.options.language)[:-1]

    @property
    def _asked(self) -> tuple[int, ...]:
        """The tokens before a transcript that is looked for."""
        return self.tokens.prompt(self.options.language, times=self.options.times)

    # --- targets -----------------------------------------------------------------------------------------------------

    @property
    def _room(self) -> int:
        """Tokens that the decoder has positions for, behind what stands before each transcript."""
        return self.config.most_positions - len(self._given)

    @property
    def _most(self) -> int:
        """Tokens of a target."""
        return min(self.options.most, self._room)

    @property
    def targets(self) -> Mapping[str, TensorSpec]:
        """See the class."""
        return {NEXT: TensorSpec((self._most,), "int32", length_axis=0)}

    @property
    def target_lengths(self) -> tuple[int, ...]:
        """See TrimsTargets."""
        return lengths_up_to(self._most)

    def used(self, targets: Batch) -> np.ndarray:
        """See TrimsTargets."""
        count: np.ndarray = (targets[NEXT] != UNUSED).sum(axis=1)
        return count.astype(np.int64)

    def encode(self, values: Sequence[str], facts: Sequence[Facts], keys: Sequence[str]) -> dict[str, np.ndarray]:
        """See Task. Of a recording in several windows the target has no tokens: nobody knows which are of which."""
        most = self._most
        encoded = np.full((len(values), most), UNUSED, np.int32)
        for row, (ids, fact) in enumerate(zip(self.transcripts.encode(values), facts, strict=True)):
            if fact.get("windows", 1) == 1:
                kept = [*ids[: most - 1], self.tokens.end]
                encoded[row, : len(kept)] = kept
        return {NEXT: encoded}

    def fitted(self, targets: Batch) -> Transcription:
        """See FitsTargets: the mean length of a target, by which losses are weighed so that each token counts alike.
        Raises DataError where no recording of the training split fits into a window."""
        used = self.used(targets)
        if not (used > 0).any():
            raise DataError(
                "every recording of the training split is longer than a window, and windows have no targets of their "
                "own",
                hint=LONGER,
            )
        return replace(self, mean=float(used[used > 0].mean()))

    def sampling_weights(self, targets: Batch) -> np.ndarray | None:
        """See FitsTargets: every recording once an epoch."""
        return None

    def findings(
        self, values: Sequence[str], facts: Sequence[Facts], keys: Sequence[str], *, mixes: bool
    ) -> Iterable[Finding]:
        """See TellsOfTargets: recordings without targets of their own, and targets that are cut. Raises UsageError
        where windows overlap."""
        if any("hop" in fact for fact in facts):
            raise UsageError(
                "input.hop makes windows overlap or leave sound out, and what each says stands in the transcript once",
                hint="leave input.hop out: windows lie one behind the other then, each ending where it is quiet",
            )
        several = [key for key, fact in zip(keys, facts, strict=True) if fact.get("windows", 1) > 1]
        if several:
            message = (
                f"{len(several)} of {len(values)} recordings are longer than a window: nobody knows which words are in "
                f"which, so that none of them is learned: {in_line(several)}"
            )
            yield Finding("warning", message, len(several), LONGER, tuple(several))
        most = self._most
        lengths = [len(ids) for ids in self.transcripts.encode(values)]
        cut = [
            key
            for key, length, fact in zip(keys, lengths, facts, strict=True)
            if length >= most and fact.get("windows", 1) == 1
        ]
        if cut:
            message = f"{len(cut)} of {len(values)} transcripts have {most} tokens or more and are cut: {in_line(cut)}"
            room = min(2 * most, self._room)
            hint = f"--set task.most={room}" if room > most else "the decoder has no more positions: cut the recordings"
            yield Finding("warning", message, len(cut), hint, tuple(cut))

    def truth(self, value: str, facts: Facts, key: str) -> dict[str, np.ndarray]:
        """See KeepsTruth: "reference" (1, byte) uint8, the whole transcript in UTF-8."""
        return {REFERENCE: np.frombuffer(value.encode(), np.uint8)[None]}

    # --- head and loss -----------------------------------------------------------------------------------------------

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """See `_sequences.decoder.decoder`. It hears the silence behind a recording too, as it did in training: no mask
        reaches it."""
        from headstart_plugins._sequences.decoder import TOKENS, decoder

        return decoder(self.config, {TOKENS: features[TOKENS]}, seed)

    def head_inputs(self, targets: Mapping[str, Any]) -> Mapping[str, Any]:
        """See FeedsTargets: "previous" (batch, prompt + time - 1) int32, the prompt and all tokens but the last."""
        from keras import ops

        following = targets[NEXT]
        prompt = np.array(self.tokens.prompt(self.options.language), np.int32)
        before = ops.repeat(ops.convert_to_tensor(prompt[None]), following.shape[0], axis=0)
        said = ops.where(ops.equal(following, UNUSED), self.tokens.pad, following)[:, :-1]
        return {"previous": ops.concatenate([before, ops.cast(said, "int32")], axis=1)}

    def loss(self, targets: Mapping[str, Any], outputs: Mapping[str, Any], *, training: bool) -> Any:
        """The cross-entropy of a row's tokens over the length of the mean target: (batch,) float32. So each token
        counts alike over a whole split, however long its sentence is; smoothed in training alone."""
        from keras import ops

        from headstart_plugins._sequences.targets import loss_by_mean_length

        real = ops.not_equal(targets[NEXT], UNUSED)
        logits = outputs["logits"][:, len(self._given) :]
        smoothing = self.options.label_smoothing if training else 0.0
        return loss_by_mean_length(logits, targets[NEXT], real, mean=self.mean, smoothing=smoothing)

    # --- answers -----------------------------------------------------------------------------------------------------

    @property
    def search(self) -> Search:
        """See Generates."""
        tokens = self.tokens
        room = self.config.most_positions - len(self._asked)
        return Search(
            start=self._asked[-1],
            end=tokens.end,
            pad=tokens.end,
            most=min(self.options.longest, room),
            beams=self.options.beams,
            banned=tuple(tokens.suppressed),
            banned_first=() if self.options.times else tuple(tokens.first_suppressed),
        )

    def start(self, head: keras.Model, features: Mapping[str, Any]) -> dict[str, Any]:
        """See Generates and `_sequences.decoding.start`."""
        from headstart_plugins._sequences import decoding
        from headstart_plugins._sequences.decoder import TOKENS

        heard = {TOKENS: features[TOKENS]}
        search = self.search
        state = decoding.start(self.config, head, heard, most=search.most, beams=search.beams, given=self._asked[:-1])
        if not self.options.times:
            return state
        banned = (*self.tokens.suppressed, self.tokens.no_times)
        return state | begun(
            features[TOKENS].shape[0], self.config.vocabulary, first=self.tokens.first_time, banned=banned
        )

    def step(self, head: keras.Model, state: dict[str, Any], last: Any, position: Any) -> tuple[dict[str, Any], Any]:
        """See Generates and `_sequences.decoding.step`."""
        from headstart_plugins._sequences import decoding

        following, logits = decoding.step(self.config, state, last, position, given=len(self._asked) - 1)
        if not self.options.times:
            return following, logits
        first, end = self.tokens.first_time, self.tokens.end
        told, logits = by_rules(state, logits, last, position, first=first, end=end)
        return following | told, logits

    def evaluator(self, *, running: bool = False) -> TranscriptionEvaluator | LossAlone:
        """A running one knows nothing but the loss: to transcribe at every step would cost more than it tells."""
        if running:
            return LossAlone()
        return TranscriptionEvaluator(self.said, lambda ids: self.transcripts.decode(ids), self.options.form)

    def baseline(self, train: Batch, test: Batch) -> Mapping[str, float]:
        """None: without listening there is nothing to say."""
        return {}

    def pool(self, outputs: Batch, facts: Sequence[Facts]) -> Batch:
        """See PoolsRows: the windows of a recording one behind the other. Of what a head that is fed gives, the
        first."""
        if "tokens" not in outputs:
            return {name: array[:1] for name, array in outputs.items()}
        return {"tokens": outputs["tokens"].reshape(1, -1), "score": outputs["score"].mean(axis=0, keepdims=True)}

    def said(self, tokens: np.ndarray, facts: Facts) -> list[tuple[str, bool]]:
        """What (time,) or (window * time,) tokens say in each window, and whether that is the beginning of a loop."""
        return [
            (" ".join(each.text for each in of_window), is_loop) for of_window, is_loop in self._heard(tokens, facts)
        ]

    def _heard(self, tokens: np.ndarray, facts: Facts) -> list[tuple[list[_Stretch], bool]]:
        """The stretches of each window, a single one without times, and whether a loop of it was left out."""
        windows, most = facts.get("windows", 1), self.search.most
        parts = tokens.reshape(-1, most)[:windows] if windows > 1 else tokens[None, :most]
        spans, heard = _spans(facts), []
        for ids, (start, end) in zip(parts.tolist(), [*spans, *[(0.0, 0.0)] * (len(parts) - len(spans))], strict=False):
            ended = self.tokens.end in ids
            own = ids[: ids.index(self.tokens.end)] if ended else ids
            own = [each for each in own if self.options.times or each < self.tokens.end]  # words alone
            kept = own if self.options.loops else before_loop(own, ended=ended, seconds=end - start)
            told = stretches(kept, first=self.tokens.first_time) if self.options.times else [(None, None, kept)]
            decoded = [_Stretch(begin, end, self.transcripts.decode(words)) for begin, end, words in told]
            heard.append(([each for each in decoded if each.text], len(kept) < len(own)))
        return heard

    def decode(self, outputs: Batch, facts: Sequence[Facts], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`transcript`, its `score`, and the `segments`: what is said in each window, or between the times that the
        decoder says, with its times in seconds, and `loop` where a loop of it was left out."""
        decoded = []
        for row, fact in enumerate(facts):
            heard = self._heard(outputs["tokens"][row], fact)
            spans = _spans(fact)
            segments = []
            for (start, end), (said, is_loop) in zip(spans, heard, strict=False):
                own = [
                    {"start": round(begin, 3), "end": round(max(begin, stop), 3), "text": each.text}
                    for each in said or [_Stretch(None, None, "")]
                    for begin, stop in [each.within(float(start), float(end))]
                ]
                if is_loop:
                    own[-1]["loop"] = True
                segments += own
            score = float(outputs["score"][row])
            transcript = " ".join(str(each["text"]) for each in segments if each["text"])
            decoded.append({"transcript": transcript, "score": score, "segments": segments})
        return decoded

    def rows(self, answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        """One row."""
        yield {name: answer[name] for name in self.columns}

    def files(self, answer: Mapping[str, Any]) -> Mapping[str, bytes]:
        """See WritesFiles: subtitles, where they are asked for."""
        return {".srt": subtitles(answer["segments"])} if self.options.srt else {}


def _spans(facts: Facts) -> Sequence[tuple[float, float]]:
    """When each window begins and ends, in seconds of the recording; 0 and 0 where that is not known."""
    return facts.get("spans") or [(facts.get("start", 0.0), facts.get("end", 0.0))]


@dataclass(frozen=True)
class _Stretch:
    """Words of a window, and when they begin and end in it in seconds, None where that is not said."""

    begin: float | None
    end: float | None
    text: str

    def within(self, start: float, end: float) -> tuple[float, float]:
        """Its times in seconds of the recording, whose window goes from `start` to `end`."""
        begin, stop = (start + each if each is not None else None for each in (self.begin, self.end))
        return min(start if begin is None else begin, end), min(end if stop is None else stop, end)


def plain_tokens(tokens: SpeechTokens) -> dict[str, Any]:
    """As labels hold them."""
    return {
        **asdict(tokens),
        "languages": dict(tokens.languages),
        "suppressed": list(tokens.suppressed),
        "first_suppressed": list(tokens.first_suppressed),
    }
