"""The task `detection`: boxes of classes in a picture, on any backbone with maps at strides 8, 16 and 32."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import TaskSpec

MOST_BOXES = 1000
"""Of a picture, that options can ask for."""


@dataclass(frozen=True)
class DetectionOptions:
    """What a user can choose about boxes: how many there may be, how they are learned, and which are answered."""

    most: int | None = option(
        None,
        "Boxes that a picture may have in training, mosaics too, whose further boxes are left out; if unset four times "
        "those of the data's fullest picture, but 64 at most where that has no more.",
        low=1,
        high=MOST_BOXES,
    )
    box_weight: float = option(2.0, "What the overlap of boxes (1 - GIoU) weighs in the loss.", low=0.0, high=100.0)
    side_weight: float = option(
        0.25, "What the distribution of each side (distribution focal loss) weighs in the loss.", low=0.0, high=100.0
    )
    min_score: float = option(
        0.05, "Boxes with a lower score are never looked at, by metrics neither.", low=0.0, high=1.0
    )
    threshold: float | None = option(
        None,
        "Lowest score of a box in an answer; if unset, that of the best F1 on val. Metrics do without one.",
        low=0.0,
        high=1.0,
    )
    overlap: float = option(
        0.6,
        "Of two boxes of one class whose intersection over union is above this, the surer one stays.",
        low=0.0,
        high=1.0,
    )
    across: float = option(
        0.7,
        "In answers, of two boxes of different classes whose intersection over union is above this, the surer one "
        "stays, so that one thing has one box; 1 leaves both. Metrics judge each class by itself, as COCO's do.",
        low=0.0,
        high=1.0,
    )
    voc: bool = option(False, "Adds Pascal VOC's two older measures to the metrics.")
    most_found: int = option(
        100,
        "Boxes that are found in a picture, or in a tile of one, at most: the surest ones.",
        low=1,
        high=MOST_BOXES,
    )

    def __post_init__(self) -> None:
        """Raises ValueError where `threshold` is below what is looked at."""
        if self.threshold is not None and self.threshold < self.min_score:
            raise ValueError(
                f"task.threshold={self.threshold} is below task.min_score={self.min_score}, and boxes below that are "
                "never looked at; give a higher threshold, or train with a lower task.min_score"
            )


@hookimpl
def register_tasks() -> Iterable[TaskSpec]:
    """Offer detection."""
    return [
        TaskSpec(
            name="detection/detection",
            summary="Boxes of classes: focal losses, task-aligned assignment; pyramid, pyramid:WIDTH,DEPTH or plain "
            "head.",
            options=DetectionOptions,
            build="headstart_plugins.detection._task:build",
            features=("map@8", "map@16", "map@32"),
            targets="boxes/boxes",
            heads=("pyramid", "plain"),
            batch_size=8,
            answer_options=("threshold", "across"),
            default=True,
        )
    ]
