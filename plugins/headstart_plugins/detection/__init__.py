"""The task `detection`: boxes of classes in a picture, on any backbone with maps at strides 8, 16 and 32."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import TaskSpec


@dataclass(frozen=True)
class DetectionOptions:
    """What a user can choose about boxes: how many there may be, how they are learned, and which are answered."""

    most: int | None = option(
        None,
        "Boxes that a picture may have in training, mosaics too, whose further boxes are left out; if unset four times "
        "those of the data's fullest picture, but 64 at most where that has no more.",
        low=1,
        high=1000,
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
    voc: bool = option(False, "Adds Pascal VOC's two older measures to the metrics.")
    most_found: int = option(100, "Boxes that are found in a picture, at most: the surest ones.", low=1, high=1000)


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
            default=True,
        )
    ]
