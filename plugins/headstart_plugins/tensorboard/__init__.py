"""The reporter `tensorboard`: curves of every phase, as event files that TensorBoard shows live and side by side.

headstart fit digits --reporter console --reporter tensorboard
tensorboard --logdir runs
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import ReporterSpec

FOLDER = "report/tensorboard"
SPLITS = ("train", "val", "test")
"""A folder each: TensorBoard draws the same tag of several folders into one chart."""
FILE = "events.out.tfevents.headstart"
"""The same name in each run, so that a replay replaces the file; TensorBoard wants `tfevents` in it."""


@hookimpl
def register_reporters() -> Iterable[ReporterSpec]:
    """Offer the reporter."""
    return [
        ReporterSpec(
            name="tensorboard/tensorboard",
            summary="Losses, metrics and rates of every epoch as event files for TensorBoard.",
            build="headstart_plugins.tensorboard._build:build",
            writes=tuple(f"{FOLDER}/{split}/{FILE}" for split in SPLITS),
        )
    ]
