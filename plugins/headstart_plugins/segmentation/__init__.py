"""The task `segmentation`: a class for every pixel, on any backbone with maps at strides 8 and 16."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import TaskSpec

Loss = Literal["cross_entropy", "dice", "focal", "cross_entropy+dice"]
"""What is learned by; the last is the sum of two."""
Balance = Literal["none", "class_weights"]
"""What evens out classes of which there is more or less to see."""


@dataclass(frozen=True)
class SegmentationOptions:
    """What a user can choose about the loss, about what is measured, and about what is answered."""

    loss: Loss = option(  # noqa: RUF009 - a field, as all options are
        "cross_entropy",
        "What is learned by: the cross-entropy of each pixel, Dice's overlap of each class, the focal loss of each "
        "pixel, or the sum of cross-entropy and Dice.",
    )
    gamma: float = option(
        2.0, "How far the focal loss turns from pixels that are right already; 0 is the cross-entropy.", low=0, high=5
    )
    balance: Balance = option(  # noqa: RUF009 - a field, as all options are
        "none",
        "What evens out classes of different areas, counted in pixels of train: weights of each pixel's loss by its "
        "class.",
    )
    tau: float = option(
        0.5,
        "How far weights even classes out: each is the share of its class to the power -tau; 1 makes all classes weigh "
        "the same, 0 does nothing.",
        low=0.0,
        high=1.0,
    )
    tolerance: float = option(
        3.0,
        "How far apart, in pixels of the picture, a true boundary and a found one may be to count as the same.",
        low=0.0,
        high=50.0,
    )
    calibrate: bool = option(
        False,
        "Finds a temperature on val that makes the probabilities of pixels honest; answers then say how sure they are.",
    )

    def __post_init__(self) -> None:
        """Raises ValueError where a value has nothing to act on."""
        if self.gamma != SegmentationOptions.gamma and self.loss != "focal":
            raise ValueError(
                f"task.gamma={self.gamma:g} has nothing to act on: task.loss is {self.loss}; leave it out, or add "
                "--set task.loss=focal"
            )
        if self.tau != SegmentationOptions.tau and self.balance == "none":
            raise ValueError(
                f"task.tau={self.tau:g} has nothing to act on: task.balance is {self.balance}; leave it out, or add "
                "--set task.balance=class_weights"
            )
        if self.balance != "none" and self.loss == "dice":
            raise ValueError(
                "task.balance weighs pixels, and Dice weighs all classes of a picture alike already; leave one of both "
                "out, or take --set task.loss=cross_entropy+dice, of which the first part is weighed"
            )


@hookimpl
def register_tasks() -> Iterable[TaskSpec]:
    """Offer segmentation."""
    return [
        TaskSpec(
            name="segmentation/segmentation",
            summary="A class for every pixel: cross-entropy, Dice or focal loss; lr_aspp, lr_aspp:WIDTH, fpn, "
            "fpn:WIDTH or side_outputs head.",
            options=SegmentationOptions,
            build="headstart_plugins.segmentation._task:build",
            features=("map@8", "map@16"),
            targets="masks/mask",
            heads=("lr_aspp", "fpn", "side_outputs"),
            head_features={
                "fpn": ("map@8", "map@16", "map@32"),
                "side_outputs": ("map@1", "map@2", "map@4", "map@8", "map@16"),
            },
            gradient_options=("loss", "gamma", "balance", "tau"),
            batch_size=8,
            answer_options=("tolerance",),
            default=True,
        )
    ]
