"""Build target of the task `segmentation`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from headstart.calibration import stored_temperature
from headstart.errors import DataError, PluginError
from headstart.specs import Batch, Facts, Finding, Mix, Sample, TakenOver, Task, TaskRequest, TensorSpec
from headstart.suggest import suggestion
from headstart_plugins._heads.labels import stored_names
from headstart_plugins._marks import Overlay
from headstart_plugins._mask import MOST_CLASSES, VOID, Mask
from headstart_plugins._picture_facts import is_cropped, seen_share, verify_facts
from headstart_plugins.segmentation import SegmentationOptions
from headstart_plugins.segmentation._answers import IN_FILES, answer_files, answer_of, drawn_mask
from headstart_plugins.segmentation._calibrate import Honesty, PixelCalibrator
from headstart_plugins.segmentation._evaluate import MaskScores, majority
from headstart_plugins.segmentation._head import LOGITS
from headstart_plugins.segmentation._loss import Losses, class_weights
from headstart_plugins.segmentation._mix import join
from headstart_plugins.segmentation._palette import Colour, Palette
from headstart_plugins.segmentation._resize import Grid, how_sure, most_likely, sampled
from headstart_plugins.segmentation._scored import TRUTH, CellEvaluator, SegmentationEvaluator
from headstart_plugins.segmentation._taking_over import take_over
from headstart_plugins.segmentation._tiles import MASK, SURE, TileMerger

if TYPE_CHECKING:
    import keras


def build(request: TaskRequest) -> Segmentation:
    """The task bound to the classes of `request`. Raises DataError where there are fewer than two, PluginError where
    samples are no pictures."""
    options: SegmentationOptions = request.options
    stored = request.labels
    if stored is not None:
        palette = Palette(stored_names(stored, fewest=2), _stored_colours(stored))
    else:
        values: Sequence[Mask] = request.targets or ()
        palette = Palette(values[0].names, values[0].colours) if len(values) else Palette(())
        if len(palette.classes) < 2:
            received = f"one class, {palette.classes[0]!r}" if palette.classes else "no mask"
            raise DataError(
                f"segmentation needs two classes or more, and the data has {received}",
                hint="`headstart check DATA` says how the masks were read; a background is a class too",
            )
    if len(palette.classes) > MOST_CLASSES:
        raise DataError(f"masks have {MOST_CLASSES} classes at most; received {len(palette.classes)}")
    kind = CalibratedSegmentation if options.calibrate else Segmentation
    return kind(
        palette,
        _size_of(request.inputs),
        losses=Losses(options.loss, options.gamma),
        tau=0.0 if options.balance == "none" else options.tau,
        tolerance=options.tolerance,
        counts=() if stored is None else _stored_counts(stored, len(palette.classes)),
        temperature=stored_temperature(stored or {}) if options.calibrate else None,
    )


@dataclass(frozen=True)
class Segmentation:
    """A class of `palette` for every pixel; fulfils `headstart.specs.Task`, KeepsTruth, FitsTargets, TakesOverHead,
    JoinsTargets, MarksTargets, TellsOfTargets, MergesTiles, ListsAnswers, WritesFiles, HoldsInFiles and DrawsAnswers.

    The one target is "mask" (batch, height, width) uint8, in pixels of the input, `size`: the place of the class of
    each, VOID where nothing is said and beyond the picture. The truth of a finished network is TRUTH, the same in
    pixels of the picture.

    The one output is "logits" (batch, row, column, class) float32 of cells, see `_resize` for what they say of pixels.
    In its place, of a picture in tiles, is the mask that `_tiles.TileMerger` gives.
    """

    palette: Palette
    size: tuple[int, int]
    losses: Losses
    tau: float
    tolerance: float
    counts: tuple[int, ...] = ()
    temperature: float | None = None
    primary_metric: str = "miou"
    higher_is_better: bool = True
    lists_answers: ClassVar[bool] = True
    in_files: ClassVar[Mapping[str, str]] = IN_FILES

    @property
    def targets(self) -> Mapping[str, TensorSpec]:
        """A mask as large as the input."""
        return {"mask": TensorSpec(self.size, "uint8")}

    @property
    def columns(self) -> tuple[str, ...]:
        """`class`, and its area in `pixels` of the upright picture and as a `share` of it."""
        return ("class", "pixels", "share")

    def labels(self) -> Mapping[str, Any]:
        """The class names, in the order of the logits; the user's colours where there are some; pixels of each class in
        train once they are counted; the temperature."""
        colours = self.palette.colours
        return {
            **self.summary(),
            **({"colours": [list(each) for each in colours]} if colours is not None else {}),
            **({"counts": list(self.counts)} if self.counts else {}),
            **({"temperature": self.temperature} if self.temperature is not None else {}),
        }

    def summary(self) -> Mapping[str, Any]:
        """The `classes`."""
        return {"classes": list(self.palette.classes)}

    def encode(self, values: Sequence[Mask], facts: Sequence[Facts], keys: Sequence[str]) -> dict[str, np.ndarray]:
        """See Task, and `_resize.sampled`.

        Raises DataError naming the key of a mask whose size is not that of its picture, or that has a pixel of a class
        that is not known; PluginError where the input kind does not say where pixels went.
        """
        encoded = np.empty((len(values), *self.size), np.uint8)
        for row, (value, fact, key) in enumerate(zip(values, facts, keys, strict=True)):
            encoded[row] = sampled(self._known(value, fact, key), fact, VOID)
        return {"mask": encoded}

    def truth(self, value: Mask, facts: Facts, key: str) -> dict[str, np.ndarray]:
        """See KeepsTruth: the mask as it came, its classes in the order of the logits."""
        return {TRUTH: self._known(value, facts, key)[None]}

    def _known(self, value: Mask, fact: Facts, key: str) -> np.ndarray:
        """The mask (height, width) in places of `palette`. Raises as `encode` does."""
        verify_facts(fact, "masks")
        expected = (fact["height"], fact["width"])
        if value.classes.shape != expected:
            raise DataError(
                f"{key}: its mask has {value.classes.shape[1]} x {value.classes.shape[0]} pixels, and the picture "
                f"{expected[1]} x {expected[0]}",
                hint="a mask has a pixel for each of the upright picture; was one of both turned or resized?",
            )
        if value.names == self.palette.classes:
            return value.classes
        own = {name: place for place, name in enumerate(self.palette.classes)}
        places = np.full(VOID + 1, VOID, np.uint8)
        for place, name in enumerate(value.names):
            if name in own:
                places[place] = own[name]
            elif (value.classes == place).any():
                raise DataError(
                    f"{key}: class {name!r} is none of the {len(own)} known classes",
                    hint=suggestion(name, self.palette.classes),
                )
        found: np.ndarray = places[value.classes]
        return found

    def fitted(self, targets: Batch) -> Segmentation:
        """See FitsTargets: pixels of each class are counted."""
        return replace(self, counts=_counted(targets, len(self.palette.classes)))

    def sampling_weights(self, targets: Batch) -> np.ndarray | None:
        """See FitsTargets: every picture once an epoch."""
        return None

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """See `_head.build_head`."""
        from headstart_plugins.segmentation._head import build_head

        return build_head(name, features, classes=len(self.palette.classes), seed=seed, counts=self.counts)

    def take_over(self, other: Task, learned: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray]) -> TakenOver:
        """See TakesOverHead and `_taking_over.take_over`."""
        return take_over(other.summary()["classes"], self.palette.classes, learned, first)

    def loss(self, targets: Mapping[str, Any], outputs: Mapping[str, Any], *, training: bool) -> Any:
        """See `_loss.Losses.of`; classes are evened out in training alone."""
        if not training:
            return self.losses.one_by_one(targets["mask"], outputs[LOGITS])
        weights = class_weights(self.counts, self.tau) if self.tau and self.counts else None
        return self.losses.of(targets["mask"], outputs[LOGITS], weights)

    def evaluator(self, *, running: bool = False) -> SegmentationEvaluator | CellEvaluator:
        """A running one knows the pixels at the centres of cells alone."""
        if running:
            return CellEvaluator(len(self.palette.classes))
        honesty = None if self.temperature is None else Honesty(self.temperature)
        return SegmentationEvaluator(MaskScores(self.palette, self.tolerance), self.size, honesty)

    def baseline(self, train: Batch, test: Batch) -> Mapping[str, float]:
        """`majority_miou` and `majority_pixel_accuracy`: of the class with the most pixels in train, everywhere."""
        count = len(self.palette.classes)
        return majority(_counted(train, count), _counted(test, count))

    def decode(self, outputs: Batch, facts: Sequence[Facts], top_k: int) -> Sequence[Mapping[str, Any]]:
        """See `_answers.answer_of`: masks of pictures as they came, whatever `top_k` is."""
        answers = []
        for row, fact in enumerate(facts):
            sure = None
            if MASK in outputs:
                mask = outputs[MASK][row]
                sure = outputs[SURE][row] if SURE in outputs else None
            else:
                verify_facts(fact, "masks")
                logits = outputs[LOGITS][row]
                grid = Grid.of_picture(fact, logits.shape[:2])
                mask = most_likely(logits, grid)
                if self.temperature is not None:
                    sure = how_sure(logits, grid, self.temperature)
            answers.append(answer_of(mask, sure, self.palette.classes))
        return answers

    def rows(self, answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        """One row a class that the picture has."""
        for each in answer["classes"]:
            yield {column: each[column] for column in self.columns}

    def files(self, answer: Mapping[str, Any]) -> Mapping[str, bytes]:
        """See WritesFiles and `_answers.answer_files`."""
        return answer_files(answer, self.palette)

    def drawn(self, answer: Mapping[str, Any], sample: Sample) -> Mapping[str, bytes]:
        """See DrawsAnswers and `_answers.drawn_mask`."""
        return {".overlay.png": drawn_mask(sample.value, answer["mask"], self.palette)}

    def join(self, targets: Batch, partners: Sequence[Batch], mixes: Sequence[Sequence[Mix]]) -> Batch:
        """See JoinsTargets and `_mix.join`."""
        return {"mask": join(targets["mask"], [each["mask"] for each in partners], mixes)}

    def findings(
        self, values: Sequence[Mask], facts: Sequence[Facts], keys: Sequence[str], *, mixes: bool
    ) -> Iterable[Finding]:
        """See TellsOfTargets: what of masks is lost where pictures are cropped."""
        seen = [seen_share(fact) for fact in facts if is_cropped(fact)]
        if seen:
            message = (
                f"{len(seen)} of {len(facts)} pictures are cropped, and {1 - sum(seen) / len(seen):.1%} of their "
                "pixels lie outside of what the network sees: nothing is learned of them, and what is answered there "
                "is that of the nearest pixels; --set input.resize=pad shows all of each picture"
            )
            yield Finding("warning", message, len(seen))

    def marks(self, targets: Batch) -> Sequence[Sequence[Overlay]]:
        """See MarksTargets: the masks in their colours."""
        return [(Overlay(mask, self.palette.all_colours),) for mask in targets["mask"]]

    def merger(self) -> TileMerger:
        """See MergesTiles and `_tiles`."""
        return TileMerger(self.temperature)


@dataclass(frozen=True)
class CalibratedSegmentation(Segmentation):
    """The same, and Calibrates too: a pass over val more, and answers say how sure they are."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Those without, and the mean `probability` of the class over its pixels, once a temperature is known."""
        return super().columns if self.temperature is None else (*super().columns, "probability")

    def calibrator(self) -> PixelCalibrator:
        """See Calibrates: one temperature for all pixels."""
        return PixelCalibrator(self.size)

    def calibrated(self, found: Mapping[str, Any]) -> CalibratedSegmentation:
        """See Calibrates: with the temperature that was found. No mask changes by it."""
        temperature = found.get("temperature")
        return self if temperature is None else replace(self, temperature=float(temperature))


def _counted(targets: Batch, classes: int) -> tuple[int, ...]:
    """Pixels of each class in all encoded masks, a mask at a time: they may lie in a file."""
    counts = np.zeros(VOID + 1, np.int64)
    for mask in targets["mask"]:
        counts += np.bincount(np.asarray(mask).ravel(), minlength=len(counts))
    return tuple(counts[:classes].tolist())


def _size_of(inputs: Mapping[str, TensorSpec]) -> tuple[int, int]:
    """Height and width of the one tensor of a sample that is a picture. Raises PluginError where there is none."""
    pictures = [spec.shape for spec in inputs.values() if len(spec.shape) == 3]
    if len(pictures) != 1:
        shapes = {name: spec.shape for name, spec in inputs.items()}
        raise PluginError(
            f"a mask needs one picture (height, width, channel) a sample; the input kind makes {shapes}",
            hint="choose a backbone that takes pictures",
        )
    height, width, _ = pictures[0]
    return height, width


def _stored_colours(labels: Mapping[str, Any]) -> tuple[Colour, ...] | None:
    """`colours` of labels.json. Raises DataError where there is not one of red, green and blue for each class."""
    colours, classes = labels.get("colours"), labels["classes"]
    if colours is None:
        return None
    if not isinstance(colours, list | tuple) or len(colours) != len(classes) or not all(map(_is_colour, colours)):
        raise DataError(
            f"labels must hold `colours` as red, green and blue from 0 to 255 of {len(classes)} classes; received "
            f"{str(colours)[:80]!r}"
        )
    return tuple((red, green, blue) for red, green, blue in colours)


def _is_colour(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and all(_is_whole(part, 255) for part in value)


def _is_whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _stored_counts(labels: Mapping[str, Any], classes: int) -> tuple[int, ...]:
    """`counts` of labels.json, () without any. Raises DataError where there is not one for each class."""
    counts = labels.get("counts", ())
    sound = isinstance(counts, list | tuple) and all(_is_whole(each, 2**62) for each in counts)
    if not sound or len(counts) not in (0, classes):
        raise DataError(f"labels must hold `counts` as {classes} whole numbers; received {str(counts)[:80]!r}")
    return tuple(counts)
