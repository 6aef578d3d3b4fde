"""Build target of the task `detection`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from headstart.errors import DataError, PluginError
from headstart.lists import in_line
from headstart.specs import Batch, Facts, Finding, Mix, Sample, TakenOver, Task, TaskRequest, TensorSpec
from headstart.suggest import suggestion
from headstart_plugins._boxes import LEAST_LEFT, Boxes, Detections, cut_to_input
from headstart_plugins._heads.labels import natural_order, shortest, stored_names
from headstart_plugins._heads.loss_alone import LossAlone
from headstart_plugins._marks import Outline
from headstart_plugins._picture_facts import as_shares, cropped_off, is_cropped, verify_facts
from headstart_plugins.detection import MOST_BOXES, DetectionOptions
from headstart_plugins.detection._decode import Limits, detections, one_a_thing
from headstart_plugins.detection._draw import coco_files, drawn_boxes
from headstart_plugins.detection._grid import cells_of
from headstart_plugins.detection._loss import LossWeights, detection_loss
from headstart_plugins.detection._mix import join, outlines
from headstart_plugins.detection._scored import UNTUNED, DetectionEvaluator, ThresholdCalibrator
from headstart_plugins.detection._taking_over import take_over
from headstart_plugins.detection._tiles import CORNERS, TileMerger, merged_detections

if TYPE_CHECKING:
    import keras

PICTURES_OF_A_MOSAIC = 4
ROOM = 64
"""Boxes of a mosaic that there is room for where the fullest picture has no more: the loss weighs each box against each
cell, so that room costs time and memory."""


def build(request: TaskRequest) -> Detection:
    """The task bound to the classes of `request`. Raises DataError where no picture has a box, or one has more than
    `most`."""
    options: DetectionOptions = request.options
    limits = Limits(options.min_score, options.overlap, options.most_found)
    weights = LossWeights(options.box_weight, options.side_weight)
    stored = request.labels
    if stored is not None:
        return Detection(
            stored_names(stored, fewest=1),
            options.most or _whole_number(stored, "most"),  # a pretrained head was made for other data
            limits=limits,
            weights=weights,
            size=_stored_size(stored),
            threshold=_stored_threshold(stored) if options.threshold is None else options.threshold,
            voc=options.voc,
            across=options.across,
            category_ids=_stored_ids(stored),
        )
    values: Sequence[Boxes] = request.targets or ()
    classes = tuple(sorted({name for value in values for name in value.classes}, key=natural_order))
    if not classes:
        raise DataError(
            f"none of {len(values)} pictures has a box; there is nothing to learn",
            hint="`headstart check DATA` says how the annotations were read",
        )
    fullest = max(len(value.classes) for value in values)
    if options.most is not None and options.most < fullest:
        raise DataError(
            f"a picture has {fullest} boxes, and task.most is {options.most}",
            hint="leave --set task.most out, or give a larger one",
        )
    most = options.most or max(fullest, min(PICTURES_OF_A_MOSAIC * fullest, ROOM))
    return Detection(
        classes,
        most,
        limits=limits,
        weights=weights,
        threshold=options.threshold,
        voc=options.voc,
        across=options.across,
    )


@dataclass(frozen=True)
class Detection:
    """Boxes of `classes`; fulfils `headstart.specs.Task`, FitsTargets, TakesOverHead, Calibrates, JoinsTargets,
    MarksTargets, TellsOfTargets, MergesTiles, ListsAnswers, DrawsAnswers, CollectsAnswers and TakesLabelIds.

    Targets are those of `targets`: "boxes" (batch, most, 4) float32 are left, top, right, bottom as shares of the
    input's width and height, "truth_corners" the same in pixels of the picture, float64, which nothing moves; "size"
    (batch, 2) int32 is the input's height and width. "valid" is False of rows beyond a picture's own, and of boxes of
    which less than `LEAST_LEFT` is in the input; of others "boxes" is cut to it. Where a picture that is scored has
    more boxes than `most`, its batch is that much wider.

    Outputs are "classes" (batch, position, class) logits, each class by itself, and "sides" (batch, position, 4, 11):
    logits of the distance of each side from the cell's centre, 0 to 10 strides. A box is the expectation of its sides.
    In their place, of a picture in tiles, are the boxes that `_tiles.TileMerger` gives.
    """

    classes: tuple[str, ...]
    most: int
    limits: Limits
    weights: LossWeights
    size: tuple[int, int] | None = None
    threshold: float | None = None
    voc: bool = False
    across: float = 1.0
    category_ids: tuple[int, ...] | None = None
    primary_metric: str = "map"
    higher_is_better: bool = True
    lists_answers: ClassVar[bool] = True

    @property
    def targets(self) -> Mapping[str, TensorSpec]:
        """Arrays of `most` boxes, and the size of the input."""
        flags = dict.fromkeys(("valid", "crowd", "difficult"), TensorSpec((self.most,), "bool"))
        return {
            "boxes": TensorSpec((self.most, 4), "float32", room="task.most"),
            "classes": TensorSpec((self.most,), "int32"),
            **flags,
            "truth_corners": TensorSpec((self.most, 4), "float64"),
            "truth_areas": TensorSpec((self.most,), "float64"),
            "size": TensorSpec((2,), "int32"),
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """`class`, `score` and the sides in pixels of the upright picture."""
        return ("class", "score", "left", "top", "right", "bottom")

    def labels(self) -> Mapping[str, Any]:
        """The class names, in the order of the logits; most boxes; the input's size, the threshold, and the ids of the
        classes in COCO's results, once known."""
        return {
            "classes": list(self.classes),
            "most": self.most,
            **({"size": list(self.size)} if self.size is not None else {}),
            **({"threshold": self.threshold} if self.threshold is not None else {}),
            **({"category_ids": list(self.category_ids)} if self.category_ids is not None else {}),
        }

    def summary(self) -> Mapping[str, Any]:
        """The `classes`."""
        return {"classes": list(self.classes)}

    def encode(self, values: Sequence[Boxes], facts: Sequence[Facts], keys: Sequence[str]) -> dict[str, np.ndarray]:
        """See Task.

        Raises DataError naming the key of a class that is not known, or of more boxes than are trained with where the
        task is not `fitted`; PluginError where the input kind does not say where pixels went.
        """
        index = {name: place for place, name in enumerate(self.classes)}
        fullest = max((len(value.classes) for value in values), default=0)
        if fullest > self.most and self.size is None:
            key = next(key for key, value in zip(keys, values, strict=True) if len(value.classes) == fullest)
            raise DataError(
                f"{key} has {fullest} boxes, and the head is learned with {self.most} a picture",
                hint=f"--set task.most={fullest}",
            )
        most = self.most if fullest <= self.most else 1 << (fullest - 1).bit_length()  # few shapes to compile
        specs = replace(self, most=most).targets
        encoded = {name: np.zeros((len(values), *spec.shape), spec.dtype) for name, spec in specs.items()}
        for row, (value, fact, key) in enumerate(zip(values, facts, keys, strict=True)):
            verify_facts(fact, "boxes")
            if unknown := [name for name in value.classes if name not in index]:
                raise DataError(
                    f"{key}: class {unknown[0]!r} is none of the {len(self.classes)} known classes",
                    hint=suggestion(unknown[0], self.classes),
                )
            own = slice(0, len(value.classes))
            boxes, left = cut_to_input(as_shares(value.corners, fact))
            seen = left >= LEAST_LEFT
            encoded["boxes"][row, own] = np.where(seen[:, None], boxes, 0)
            encoded["classes"][row, own] = [index[name] for name in value.classes]
            encoded["valid"][row, own] = seen
            encoded["crowd"][row, own], encoded["difficult"][row, own] = value.crowd, value.difficult
            encoded["truth_corners"][row, own], encoded["truth_areas"][row, own] = value.corners, value.areas
            encoded["size"][row] = fact["input_height"], fact["input_width"]
        return encoded

    def fitted(self, targets: Batch) -> Detection:
        """See FitsTargets: the size of the input is known."""
        height, width = (int(side) for side in targets["size"][0])
        return replace(self, size=(height, width))

    def sampling_weights(self, targets: Batch) -> np.ndarray | None:
        """See FitsTargets: every picture once an epoch."""
        return None

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """See `_head.build_head`."""
        from headstart_plugins.detection._head import build_head

        return build_head(name, features, classes=len(self.classes), seed=seed)

    def take_over(self, other: Task, learned: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray]) -> TakenOver:
        """See TakesOverHead and `_taking_over.take_over`."""
        return take_over(other.summary()["classes"], self.classes, learned, first)

    def loss(self, targets: Mapping[str, Any], outputs: Mapping[str, Any], *, training: bool) -> Any:
        """See `_loss.detection_loss`; the same in training and outside of it."""
        if self.size is None:
            raise PluginError("detection is asked for a loss before it has seen the size of its input")
        return detection_loss(targets, outputs, cells_of(self.size), self.weights)

    def evaluator(self, *, running: bool = False) -> DetectionEvaluator | LossAlone:
        """A running one knows nothing but the loss: to find boxes at every step would cost more than it tells."""
        if running:
            return LossAlone()
        return DetectionEvaluator(self.classes, self.found, voc=self.voc, threshold=self._least_score)

    def baseline(self, train: Batch, test: Batch) -> Mapping[str, float]:
        """`no_box_map`: 0, the mean average precision of no boxes at all."""
        return {"no_box_map": 0.0}

    def found(self, outputs: Batch, facts: Sequence[Facts]) -> list[Detections]:
        """What is found in each picture, the surest first, class by class and whatever the threshold of answers."""
        return self._found(outputs, facts, self.limits)

    def _found(self, outputs: Batch, facts: Sequence[Facts], limits: Limits) -> list[Detections]:
        if CORNERS in outputs:
            return [merged_detections(outputs, row) for row in range(len(facts))]
        return [
            detections(
                outputs["classes"][row],
                outputs["sides"][row],
                cells_of((fact["input_height"], fact["input_width"])),
                fact,
                limits,
            )
            for row, fact in enumerate(facts)
        ]

    def decode(self, outputs: Batch, facts: Sequence[Facts], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`boxes`: {"class", "score" in [0, 1], "box": [left, top, right, bottom] in pixels of the upright picture}
        each, the surest first; those with a score of the threshold or more, whatever `top_k` is. Of those of different
        classes in one place the surest, see `one_a_thing`."""
        answers = []
        # No box depends on one with a lower score: those below the threshold need not be compared with others.
        limits = replace(self.limits, min_score=max(self.limits.min_score, self._least_score))
        for everything in self._found(outputs, facts, limits):
            sure = everything.scores >= self._least_score
            found = one_a_thing(
                Detections(everything.corners[sure], everything.scores[sure], everything.classes[sure]), self.across
            )
            parts = (found.classes, shortest(found.scores), shortest(found.corners))
            boxes = [
                {"class": self.classes[kind], "score": float(score), "box": box.tolist()}
                for kind, score, box in zip(*parts, strict=True)
            ]
            answers.append({"boxes": boxes})
        return answers

    def rows(self, answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        """One row a box."""
        for each in answer["boxes"]:
            yield dict(zip(self.columns, (each["class"], each["score"], *each["box"]), strict=True))

    def join(self, targets: Batch, partners: Sequence[Batch], mixes: Sequence[Sequence[Mix]]) -> Batch:
        """See JoinsTargets and `_mix.join`."""
        return join(targets, partners, mixes)

    def findings(
        self, values: Sequence[Boxes], facts: Sequence[Facts], keys: Sequence[str], *, mixes: bool
    ) -> Iterable[Finding]:
        """See TellsOfTargets: the fullest picture, what is left out of pictures that are too full, and the boxes that
        are lost where pictures are cropped."""
        counts = [len(value.classes) for value in values]
        fullest = max(counts)
        key = keys[counts.index(fullest)]
        message = f"the fullest picture, {key}, has {fullest} boxes, and training has room for {self.most} in one"
        together = PICTURES_OF_A_MOSAIC * fullest
        if not mixes or together <= self.most:
            yield Finding("note", message)
        else:
            is_usual = PICTURES_OF_A_MOSAIC * sum(counts) > self.most * len(counts)
            yield Finding(
                "warning" if is_usual else "note",
                f"{message}: of {'the usual four' if is_usual else 'four such'} mixed into one, as in a mosaic, the "
                f"last boxes are left out; --set task.most={min(together, MOST_BOXES)} makes room",
            )
        cases = [f"{each} with {count}" for each, count in zip(keys, counts, strict=True) if count > self.limits.most]
        if cases:
            what = f"{len(cases)} of {len(counts)} pictures have more than the {self.limits.most} boxes that are found"
            way = f"--set task.most_found={min(fullest, MOST_BOXES)} finds more"
            yield Finding("warning", f"{what} in one: {in_line(cases)}; {way}", len(cases), cases=tuple(cases))
        shares = [
            cut_to_input(as_shares(value.corners, fact))[1]
            for value, fact in zip(values, facts, strict=True)
            if is_cropped(fact)
        ]
        if lost := sum(int((left < LEAST_LEFT).sum()) for left in shares):
            yield cropped_off(lost, sum(counts), "boxes")

    def marks(self, targets: Batch) -> Sequence[Sequence[Outline]]:
        """See MarksTargets and `_mix.outlines`."""
        return outlines(targets, self.classes)

    def merger(self) -> TileMerger:
        """See MergesTiles and `_tiles.merge`."""
        return TileMerger(self.found, self.limits.overlap)

    def with_label_ids(self, ids: Mapping[str, int]) -> Detection:
        """See TakesLabelIds: what `ids` does not name has its number of before where that is free, else one above."""
        taken = {name: ids[name] for name in self.classes if name in ids}
        if len(set(taken.values())) < len(taken):  # of several files, which number classes otherwise
            return self
        free = max([*ids.values(), *(self.category_ids or ()), 0]) + 1
        for name, before in zip(self.classes, self.category_ids or (None,) * len(self.classes), strict=True):
            if name not in taken:
                if before is not None and before not in ids.values():
                    taken[name] = before
                else:
                    taken[name], free = free, free + 1
        return replace(self, category_ids=tuple(taken[name] for name in self.classes))

    def calibrator(self) -> ThresholdCalibrator:
        """See Calibrates: collects how sure hits and misses are."""
        return ThresholdCalibrator(self.classes, self.limits, self.across, is_chosen=self.threshold is not None)

    def calibrated(self, found: Mapping[str, Any]) -> Detection:
        """See Calibrates: answers have the threshold that was found, unless the user has said one."""
        threshold = found.get("threshold")
        return self if threshold is None or self.threshold is not None else replace(self, threshold=float(threshold))

    def drawn(self, answer: Mapping[str, Any], sample: Sample) -> Mapping[str, bytes]:
        """See DrawsAnswers: the picture with its boxes, a PNG."""
        return {".png": drawn_boxes(sample.value, answer["boxes"], self.classes)}

    def collected(self, answers: Sequence[tuple[str, Mapping[str, Any]]]) -> Mapping[str, bytes]:
        """See CollectsAnswers: all boxes in the form of COCO's results, and what their ids mean."""
        return coco_files(answers, self.classes, self.category_ids)

    @property
    def _least_score(self) -> float:
        """Of a box in an answer."""
        return UNTUNED if self.threshold is None else self.threshold


def _whole_number(labels: Mapping[str, Any], name: str, *, least: int = 1) -> int:
    value = labels.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise DataError(f"labels must hold `{name}`, a whole number from {least} on; received {str(value)[:80]!r}")
    return value


def _stored_ids(labels: Mapping[str, Any]) -> tuple[int, ...] | None:
    ids = labels.get("category_ids")
    if ids is None:
        return None
    if not isinstance(ids, list | tuple) or len(ids) != len(labels["classes"]) or len({*map(str, ids)}) != len(ids):
        raise DataError(f"labels must hold `category_ids`, another a class; received {str(ids)[:80]!r}")
    return tuple(_whole_number({"category_ids": each}, "category_ids", least=0) for each in ids)


def _stored_size(labels: Mapping[str, Any]) -> tuple[int, int] | None:
    size = labels.get("size")
    if size is None:
        return None
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise DataError(f"labels must hold `size` as height and width; received {str(size)[:80]!r}")
    height, width = (_whole_number({"size": side}, "size") for side in size)
    return height, width


def _stored_threshold(labels: Mapping[str, Any]) -> float | None:
    value = labels.get("threshold")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise DataError(f"labels must hold `threshold` from 0 to 1; received {str(value)[:80]!r}")
    return float(value)
