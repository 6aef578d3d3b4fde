"""One event file: records of (wall time, step, values) in TensorBoard's format.

Only TensorBoard's messages and its framing of records are used. Its own file writer asks `tensorboard.compat` for
TensorFlow and imports that where it is installed; these parts never do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

FORMAT = "brain.Event:2"
"""What the first record of every event file says."""


class EventFile:
    """Appends to a binary stream, and flushes each record: TensorBoard reads while the run goes on.

    Times are seconds since the epoch, steps count from 0; values are kept as float32, the format's only kind.
    """

    def __init__(self, stream: IO[bytes], time: float) -> None:
        self.stream = stream
        self._records = RecordWriter(stream)
        self._write(Event(wall_time=time, file_version=FORMAT))

    def scalars(self, time: float, step: int, values: Mapping[str, float]) -> None:
        """Add one value a tag."""
        points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        if points:
            self._write(Event(wall_time=time, step=step, summary=Summary(value=points)))

    def text(self, time: float, tag: str, markdown: str) -> None:
        """Add a text at step 0."""
        self._write(Event(wall_time=time, step=0, summary=text_pb(tag, [markdown])))

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._records.flush()
