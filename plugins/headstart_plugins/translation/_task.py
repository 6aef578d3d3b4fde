"""Build target of the task `translation`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import (
    Batch,
    Facts,
    Finding,
    Search,
    TakenOver,
    Task,
    TaskRequest,
    TensorSpec,
    TrainingSplit,
)
from headstart_plugins._heads.loss_alone import LossAlone
from headstart_plugins._sequences import DecoderConfig, lengths_up_to
from headstart_plugins._translation_scores import tokenizer_for
from headstart_plugins.translation import TranslationOptions
from headstart_plugins.translation import _vocabulary as vocabularies
from headstart_plugins.translation._evaluate import TranslationEvaluator
from headstart_plugins.translation._vocabulary import TARGET, Vocabulary

if TYPE_CHECKING:
    import keras

NEXT, SOURCE_BYTES, REFERENCE = "next", "source", "reference"
BYTES_A_PIECE = 4
"""Of a source text that is kept beside its target, for the answer that copies it."""


def build(request: TaskRequest) -> Translation:
    """The task with the vocabulary of `request`'s assets, or one that is still to be learned. Raises DataError for
    labels that are not whole."""
    options: TranslationOptions = request.options
    if request.labels is None:
        return Translation(options)
    labels = request.labels
    try:
        config = DecoderConfig.of(labels["decoder"])
        tokens = Tokens(**labels["tokens"])
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        message = f"the labels of a translation are not whole: {exc!r}"
        raise DataError(message, hint="get another copy of the artefact or the weights") from exc
    config = replace(config, dropout=options.dropout)
    assets = {name: path for name, path in request.assets.items() if name in (TARGET, *vocabularies.NUMBERED)}
    return Translation(options, assets, config, tokens)


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Ids that stand for no text, which of them are never answered, `most` pieces of a target in training, and how many
    the mean target has."""

    start: int
    end: int
    pad: int
    banned: tuple[int, ...] | list[int]
    most: int
    mean: float = 1.0


@dataclass(frozen=True)
class Translation:
    """Texts answered with texts; fulfils `headstart.specs.Task`, FitsAhead, FitsTargets, FeedsTargets, Generates,
    GeneratesOnVal, TrimsTargets, PoolsRows, TakesOverHead, KeepsTruth, TellsOfTargets and HasAssets.

    Targets: "next" (batch, most) int32, the pieces and their end, padded; "source" (batch, byte) uint8, the beginning
    of the source in UTF-8. The head gives "logits" (batch, most, piece); what is generated are "tokens" (batch, most)
    int32 and "score" (batch,) float32, with an axis of answers behind the first where several are asked for.
    """

    options: TranslationOptions
    stored: Mapping[str, Path] | None = None
    config: DecoderConfig | None = None
    tokens: Tokens | None = None

    @property
    def primary_metric(self) -> str:
        """The loss of pieces; chrF where val is translated after each epoch."""
        return "chrf" if self.options.chrf_on_val else "loss"

    @property
    def higher_is_better(self) -> bool:
        """Of chrF."""
        return self.options.chrf_on_val

    @property
    def columns(self) -> tuple[str, ...]:
        """The answer and its score: the mean log p of its pieces, where the length penalty is 1."""
        return ("translation", "score")

    # --- the vocabulary ----------------------------------------------------------------------------------------------

    @property
    def is_fitted(self) -> bool:
        """See FitsAhead."""
        return self.config is not None

    def fitted_ahead(self, training: TrainingSplit) -> Translation:
        """With a vocabulary of the training split's targets; the decoder's sizes are those of the run that it goes on
        from, where there is one."""
        source = training.source if isinstance(training.source, Translation) else None
        options = self.options
        if source is not None:
            usual, its = TranslationOptions(), source._config
            asked = {name: getattr(options, name) for name in ("layers", "width", "heads", "hidden")}
            unused = {
                name: value for name, value in asked.items() if value not in (getattr(usual, name), getattr(its, name))
            }
            if unused:
                told = in_line([f"task.{name}={value} (it has {getattr(its, name)})" for name, value in unused.items()])
                message = f"the decoder keeps the sizes of the run that it goes on from; not used: {told}"
                hint = "leave them out, or leave out --head-from for a new decoder"
                training.tell(Finding("warning", message, len(unused), hint))
        if source is not None and options.parent_vocabulary == "kept" and not options.joint:
            copied = {name: training.folder / name for name in source.assets()}
            for name, path in source.assets().items():
                copied[name].write_bytes(path.read_bytes())
            return self._of(copied, source)
        file = vocabularies.fitted(options, training, None if source is None else source.vocabulary)
        return self._of({TARGET: file}, source)

    def _of(self, files: Mapping[str, Path], source: Translation | None) -> Translation:
        options = self.options
        pieces: Any = vocabularies.opened(files)
        if source is not None:
            # Published decoders may have more rows than pieces, as T5's have.
            is_same = list(pieces.pieces) == list(source.vocabulary.pieces)
            rows = source._config.vocabulary if is_same else len(pieces)
            config = replace(source._config, vocabulary=rows, dropout=options.dropout)
            if is_same or options.parent_vocabulary == "joined":
                return replace(self, stored=files, config=config, tokens=replace(source._tokens, most=options.most))
        else:
            config = DecoderConfig(
                vocabulary=len(pieces),
                width=options.width,
                layers=options.layers,
                heads=options.heads,
                hidden=options.hidden,
                embedding_scale=options.width**0.5,
                dropout=options.dropout,
                logits_bias=True,
            )
        tokens = Tokens(
            start=pieces.pad, end=pieces.end, pad=pieces.pad, banned=(pieces.pad, pieces.unknown), most=options.most
        )
        return replace(self, stored=files, config=config, tokens=tokens)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Of the targets. Raises DataError where it was not learned."""
        return vocabularies.opened(self.stored or {})

    def assets(self) -> Mapping[str, Path]:
        """The files of the vocabulary."""
        return self.stored or {}

    def labels(self) -> Mapping[str, Any]:
        """The decoder's shape, and what its ids mean."""
        if self.config is None or self.tokens is None:
            return {}
        tokens = {**asdict(self.tokens), "banned": list(self.tokens.banned)}
        return {"decoder": {**asdict(self.config), "dropout": 0.0}, "tokens": tokens}

    def summary(self) -> Mapping[str, Any]:
        """How many pieces there are."""
        return {"pieces": 0 if self.config is None else self.config.vocabulary}

    @property
    def _config(self) -> DecoderConfig:
        if self.config is None:
            raise DataError("a translation is asked for before its vocabulary was learned")
        return self.config

    @property
    def _tokens(self) -> Tokens:
        if self.tokens is None:
            raise DataError("a translation is asked for before its vocabulary was learned")
        return self.tokens

    # --- targets -----------------------------------------------------------------------------------------------------

    @property
    def targets(self) -> Mapping[str, TensorSpec]:
        """See the class."""
        return {
            NEXT: TensorSpec((self._tokens.most,), "int32", length_axis=0, values=self._config.vocabulary),
            SOURCE_BYTES: TensorSpec((self._tokens.most * BYTES_A_PIECE,), "uint8"),
        }

    @property
    def target_lengths(self) -> tuple[int, ...]:
        """See TrimsTargets."""
        return lengths_up_to(self._tokens.most)

    def used(self, targets: Batch) -> np.ndarray:
        """See TrimsTargets: the pieces of each target, its end among them."""
        real = targets[NEXT] != self._tokens.pad
        count: np.ndarray = np.where(real.any(axis=1), real.shape[1] - np.argmax(real[:, ::-1], axis=1), 0)
        return count.astype(np.int64)

    def encode(self, values: Sequence[str], facts: Sequence[Facts], keys: Sequence[str]) -> dict[str, np.ndarray]:
        """See Task. Of a source in several parts the target has no pieces: nobody knows which are of which part."""
        tokens = self._tokens
        encoded = {name: np.zeros((len(values), *spec.shape), spec.dtype) for name, spec in self.targets.items()}
        encoded[NEXT][:] = tokens.pad
        for row, (ids, fact) in enumerate(zip(self.vocabulary.encode(list(values)), facts, strict=True)):
            if fact.get("parts", 1) == 1:
                kept = [*ids[: tokens.most - 1], tokens.end]
                encoded[NEXT][row, : len(kept)] = kept
            source = np.frombuffer(str(fact.get("text", "")).encode()[: encoded[SOURCE_BYTES].shape[1]], np.uint8)
            encoded[SOURCE_BYTES][row, : len(source)] = source
        return encoded

    def fitted(self, targets: Batch) -> Translation:
        """See FitsTargets: the mean length of a target, by which losses are weighed so that each piece counts alike.
        Raises DataError where no sample has a target."""
        used = self.used(targets)
        if not (used > 0).any():
            raise DataError(
                "every text of the training split is so long that it is split, and parts have no target of their own",
                hint="--max-tokens with a larger number",
            )
        return replace(self, tokens=replace(self._tokens, mean=float(used[used > 0].mean())))

    def sampling_weights(self, targets: Batch) -> np.ndarray | None:
        """See FitsTargets: every text once an epoch."""
        return None

    def findings(
        self, values: Sequence[str], facts: Sequence[Facts], keys: Sequence[str], *, mixes: bool
    ) -> Iterable[Finding]:
        """See TellsOfTargets: texts without targets of their own, sources and targets that are cut, letters that the
        vocabulary does not know, and words that BLEU would not find."""
        for fact_name, least, what in (
            ("parts", 2, "are split at sentences: nobody knows which part says what, so that none of them is learned"),
            ("cut", 1, "are cut by this backbone, and their whole targets are learned"),
        ):
            told = [key for key, fact in zip(keys, facts, strict=True) if fact.get(fact_name, 0) >= least]
            if told:
                message = f"{len(told)} of {len(values)} texts {what}: {in_line(told)}"
                hint = "--max-tokens with a larger number, as far as the weights take it, or shorter texts"
                yield Finding("warning", message, len(told), hint, tuple(told))
        most, cut, unknown = self._tokens.most, [], []
        strange = self.vocabulary.pieces.index("<unk>") if "<unk>" in self.vocabulary.pieces else -1
        for start in range(0, len(values), 256):
            texts = list(values[start : start + 256])
            for place, ids in enumerate(self.vocabulary.encode(texts), start):
                if len(ids) >= most:
                    cut.append(keys[place])
                if strange in ids:
                    unknown.append(keys[place])
        if cut:
            message = f"{len(cut)} of {len(values)} targets have more than {most} pieces and are cut: {in_line(cut)}"
            yield Finding("warning", message, len(cut), f"--set task.most={2 * most}", tuple(cut))
        suits = tokenizer_for(values)
        if self.options.tokenize == "13a" and suits != "13a":
            message = (
                "BLEU by task.tokenize=13a finds words by their spaces, which these targets lack, or use otherwise"
            )
            yield Finding("warning", message, len(values), f"--set task.tokenize={suits}, in `evaluate` too")
        if unknown:
            message = (
                f"{len(unknown)} of {len(values)} targets have letters that the vocabulary does not know, and that are "
                f"never answered: {in_line(unknown)}"
            )
            yield Finding("note", message, len(unknown), cases=tuple(unknown))

    def truth(self, value: str, facts: Facts, key: str) -> dict[str, np.ndarray]:
        """See KeepsTruth: "reference" (1, byte) uint8, the whole target in UTF-8."""
        return {REFERENCE: np.frombuffer(value.encode(), np.uint8)[None]}

    # --- head and loss -----------------------------------------------------------------------------------------------

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """See `_sequences.decoder.decoder`; what is frozen has no part in any phase."""
        from headstart_plugins._sequences.decoder import decoder
        from headstart_plugins.translation._freezing import freeze

        model = decoder(self._config, features, seed)
        freeze(model, self.options.freeze)
        return model

    def head_inputs(self, targets: Mapping[str, Any]) -> Mapping[str, Any]:
        """See FeedsTargets: "previous", the piece before each one."""
        from headstart_plugins._sequences.targets import teacher_inputs

        return {"previous": teacher_inputs(targets[NEXT], self._tokens.start)}

    def loss(self, targets: Mapping[str, Any], outputs: Mapping[str, Any], *, training: bool) -> Any:
        """The cross-entropy of a row's pieces over the length of the mean target: (batch,) float32. So each piece
        counts alike over a whole split, however long its sentence is; smoothed in training alone."""
        from keras import ops

        from headstart_plugins._sequences.targets import loss_by_mean_length

        real = ops.not_equal(targets[NEXT], self._tokens.pad)
        smoothing = self.options.label_smoothing if training else 0.0
        mean = self._tokens.mean
        return loss_by_mean_length(outputs["logits"], targets[NEXT], real, mean=mean, smoothing=smoothing)

    def take_over(self, other: Task, learned: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray]) -> TakenOver:
        """See TakesOverHead and `_taking_over.take_over`."""
        from headstart_plugins.translation._taking_over import take_over

        if not isinstance(other, Translation):
            raise DataError(
                f"a translation cannot go on from the head of {type(other).__name__}",
                hint="name a run of translation, or leave --head-from out for a new decoder",
            )
        rows = (other._config.vocabulary, self._config.vocabulary)
        return take_over(other.vocabulary, self.vocabulary, learned, first, rows=rows)

    # --- answers -----------------------------------------------------------------------------------------------------

    @property
    def search(self) -> Search:
        """See Generates."""
        tokens, options = self._tokens, self.options
        return Search(
            start=tokens.start,
            end=tokens.end,
            pad=tokens.pad,
            most=options.longest or tokens.most,
            beams=options.beams,
            length_penalty=options.length_penalty,
            banned=tuple(tokens.banned),
            answers=options.answers,
        )

    def on_val(self) -> Translation | None:
        """See GeneratesOnVal: greedily, where chrF chooses."""
        return replace(self, options=replace(self.options, beams=1, answers=1)) if self.options.chrf_on_val else None

    def start(self, head: keras.Model, features: Mapping[str, Any]) -> dict[str, Any]:
        """See Generates and `_sequences.decoding.start`."""
        from headstart_plugins._sequences import decoding

        search = self.search
        return decoding.start(self._config, head, features, most=search.most, beams=search.beams)

    def step(self, head: keras.Model, state: dict[str, Any], last: Any, position: Any) -> tuple[dict[str, Any], Any]:
        """See Generates and `_sequences.decoding.step`."""
        from headstart_plugins._sequences import decoding

        return decoding.step(self._config, state, last, position)

    def evaluator(self, *, running: bool = False) -> TranslationEvaluator | LossAlone:
        """A running one knows nothing but the loss: to translate at every step would cost more than it tells."""
        if running:
            return LossAlone()
        return TranslationEvaluator(self.vocabulary, self.options.tokenize)

    def baseline(self, train: Batch, test: Batch) -> Mapping[str, float]:
        """`copy_chrf` and `copy_bleu`: what the sources would score as they are, as far as they are kept."""
        copied = TranslationEvaluator(self.vocabulary, self.options.tokenize)
        copied.add_copies(test)
        return {f"copy_{name}": value for name, value in copied.metrics().items()}

    def pool(self, outputs: Batch, facts: Sequence[Facts]) -> Batch:
        """See PoolsRows: the parts of a long text one after the other. Of what a head that is fed gives, the first."""
        if "tokens" not in outputs:
            return {name: array[:1] for name, array in outputs.items()}
        end, pad = self._tokens.end, self._tokens.pad
        tokens, score = outputs["tokens"], outputs["score"]
        several = tokens if tokens.ndim == 3 else tokens[:, None]
        joined = np.full((several.shape[1], len(several) * several.shape[2]), pad, np.int32)
        for answer in range(several.shape[1]):
            ids = [each for part in several[:, answer] for each in self._until_end(part)]
            joined[answer, : len(ids) + 1] = [*ids, end][: joined.shape[1]]
        found = joined[None] if tokens.ndim == 3 else joined
        return {"tokens": found, "score": score.mean(axis=0, keepdims=True)}

    def _until_end(self, ids: np.ndarray) -> list[int]:
        kept: list[int] = ids.tolist()
        return kept[: kept.index(self._tokens.end)] if self._tokens.end in kept else kept

    def decode(self, outputs: Batch, facts: Sequence[Facts], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`translation` and its `score`; where several answers are asked for, all of them as `answers`."""
        decoded = []
        for tokens, scores in zip(outputs["tokens"], outputs["score"], strict=True):
            found = [
                {"translation": self.vocabulary.decode(ids.tolist()), "score": float(score)}
                for ids, score in zip(np.atleast_2d(tokens), np.atleast_1d(scores), strict=True)
                if np.isfinite(score)
            ]
            several = {"answers": found} if self.options.answers > 1 else {}
            best = found[0] if found else {"translation": "", "score": 0.0}
            decoded.append({**best, **several})
        return decoded

    def rows(self, answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        """One row; where several answers are asked for, one each, the best first."""
        for each in answer.get("answers", [answer]):
            yield {name: each[name] for name in self.columns}

    @property
    def lists_answers(self) -> bool:
        """See ListsAnswers: where several answers are asked for."""
        return self.options.answers > 1
