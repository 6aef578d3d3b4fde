"""What tasks share that give a logit for each of some names, the classes or labels that there are."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from headstart.engine.linear.pca import EigenBasis
from headstart.engine.linear.rows import Rows
from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import Batch, Solved, TakenOver, Task
from headstart_plugins._heads.evaluators import Kept
from headstart_plugins._heads.logistic import Link, Weights, make_design, regressions
from headstart_plugins._heads.taking_over import OutputLayer, taken_over
from headstart_plugins._heads.task import LinearHeadTask

LOGITS = "logits"
LOGISTIC = "logistic"
MAX_NAMES = 100_000


def natural_order(name: str) -> tuple[object, ...]:
    """A sort key that reads runs of digits as numbers: "2" < "10", "a9" < "a10"; ties by the text."""
    parts = re.split(r"([0-9]+)", name)
    numbers = [(len(part.lstrip("0")), part.lstrip("0")) for part in parts[1::2]]
    pairs = zip(parts[0::2], [*numbers, (0, "")], strict=True)
    return (*(value for pair in pairs for value in pair), name)


def stored_names(labels: Mapping[str, Any], *, fewest: int) -> tuple[str, ...]:
    """`classes` of labels.json, in stored order. Raises DataError where it is no list of `fewest` different names or
    more."""
    names = labels.get("classes")
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise DataError(f"labels must hold `classes`, a list of names; received {str(names)[:80]!r}")
    if not fewest <= len(names) <= MAX_NAMES or len(set(names)) != len(names):
        raise DataError(
            f"labels must hold from {fewest} to {MAX_NAMES} different names; received {len(names)}, "
            f"{len(set(names))} of them different"
        )
    return tuple(names)


def shortest(probability: np.ndarray) -> np.ndarray:
    """`probability` (...) as float64 that prints as the shortest decimal of its float32."""
    return probability.astype(np.float32).astype(str).astype(np.float64)


@dataclass(frozen=True)
class LabelTask(LinearHeadTask):
    """A task with a logit for each of `classes`, whose linear head is solved for by logistic regressions."""

    target: ClassVar[str]
    """The name of the one array of targets."""
    classes: tuple[str, ...]
    label_smoothing: float = 0.0
    temperature: float | None = None

    @property
    def units(self) -> int:
        """A logit a name."""
        return len(self.classes)

    @property
    @abstractmethod
    def link(self) -> Link:
        """The loss of a linear head's logits."""

    def summary(self) -> Mapping[str, Any]:
        """The `classes`, in the order of the logits."""
        return {"classes": list(self.classes)}

    def regressions(self, rows: Rows, spectrum: EigenBasis, start: Weights, path: Sequence[float]) -> Iterator[Solved]:
        """A logistic regression for each strength of a falling `path`, the first from `start`."""
        design = make_design(rows, rows.targets[self.target], spectrum, self.link)
        for strength, found in regressions(design, start, path):
            yield self.solved(LOGISTIC, strength, found, spectrum)

    def take_over(self, other: Task, learned: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray]) -> TakenOver:
        """See TakesOverHead: the logits of names that both have, whatever their order; the others as they were drawn.

        Names are the same where they are spelled the same: nothing else is guessed.
        """
        known = {name: place for place, name in enumerate(other.summary()["classes"])}
        kept = [name for name in self.classes if name in known]
        if not kept:
            raise DataError(
                f"the other run's head knows {in_line([*known])}, and none of {in_line(self.classes)}: nothing of it "
                "would be kept",
                hint="check how the names are spelled, or leave --head-from out for a new head",
            )
        here, there = [self.classes.index(name) for name in kept], [known[name] for name in kept]

        def carry(old: OutputLayer, new: OutputLayer) -> OutputLayer:
            kernel, bias = new.kernel.copy(), new.bias.copy()
            kernel[:, here], bias[here] = old.kernel[:, there], old.bias[there]
            return OutputLayer(kernel, bias)

        return TakenOver(
            taken_over(learned, first, carry),
            kept=kept,
            added=[name for name in self.classes if name not in known],
            left_out=[name for name in known if name not in self.classes],
        )

    def most_probable(self, logits: np.ndarray, probability: np.ndarray, top_k: int) -> Iterator[list[dict[str, Any]]]:
        """Of each row (batch, class), the `top_k` most probable names, best first; of equal ones the first counts."""
        ranked = np.argsort(-logits, axis=1, kind="stable")[:, : max(1, top_k)]
        for order, values in zip(ranked, probability, strict=True):
            yield [{"label": self.classes[index], "probability": float(values[index])} for index in order]

    def rows(self, answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        """One row."""
        named = {f"p:{each['label']}": each["probability"] for each in answer["top_k"]}
        return [{**{name: value for name, value in answer.items() if name != "top_k"}, **named}]


Labelling = TypeVar("Labelling", bound=LabelTask)


class LabelCalibrator(Kept[Labelling]):
    """Keeps the targets and logits of val, for the `found` of a `headstart.specs.Calibrator`."""

    def update(self, targets: Batch, outputs: Batch) -> None:
        """See `headstart.specs.Calibrator`."""
        self.keep(true=targets[self.task.target], logits=outputs[LOGITS])
