"""The tensorboard reporter: events of a run to event files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from headstart.atomic import write_file
from headstart.documents import as_text, escaped
from headstart.errors import UsageError
from headstart.events import EpochDone, Event, RunFinished, RunStarted
from headstart.specs import Reporter, ReporterRequest, RunView
from headstart_plugins._epoch_steps import EpochSteps
from headstart_plugins.tensorboard import FILE, FOLDER, SPLITS

if TYPE_CHECKING:
    from headstart_plugins.tensorboard._event_file import EventFile


def build(request: ReporterRequest) -> Reporter:
    """The reporter. Raises UsageError where TensorBoard cannot be imported: before a run reads its data."""
    try:
        import headstart_plugins.tensorboard._event_file  # noqa: F401 - fails now rather than when the run starts
    except Exception as exc:  # absent, or at odds with the protobuf that is installed: its own kinds of error
        raise UsageError(
            f"the reporter 'tensorboard' needs the package tensorboard, which cannot be imported: {exc}",
            hint="pip install 'headstart[tensorboard]'",
        ) from exc
    return TensorBoardReporter(live=request.live)


class TensorBoardReporter:
    """One event file a split, below report/tensorboard.

    A live run appends, so that it can be watched. A replay gathers, and replaces the files when it has everything.
    """

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._files: dict[str, EventFile] = {}
        self._steps = EpochSteps()

    def on_event(self, event: Event, run: RunView) -> None:
        """Write what an epoch or the end of the run measured."""
        self._steps.hear(event)
        if isinstance(event, RunStarted):
            self._start(event, run)
        elif isinstance(event, EpochDone) and self._files:
            self._epoch(event)
        elif isinstance(event, RunFinished) and self._files:
            self._finish(event, run)

    def close(self) -> None:
        """Let go of the files; also of those of a run that broke off."""
        for file in self._files.values():
            file.stream.close()
        self._files = {}

    def _start(self, event: RunStarted, run: RunView) -> None:
        from headstart_plugins.tensorboard._event_file import EventFile

        self.close()
        self._steps = EpochSteps()
        for split in SPLITS:
            stream: IO[bytes] = io.BytesIO()
            if self._live:
                path = _path(run, split)
                path.unlink(missing_ok=True)
                stream = path.open("wb")
            self._files[split] = EventFile(stream, event.time)
        recipe = run.path / "recipe.toml"
        if recipe.is_file():
            text = f"```toml\n{escaped(as_text(recipe.read_bytes()))}\n```"
            self._files["train"].text(event.time, "recipe", text)

    def _epoch(self, event: EpochDone) -> None:
        settings = {f"rate/{stage}": rate for stage, rate in event.rates.items()}
        if event.strength is not None:
            settings["strength"] = event.strength
        for split, values in (("train", {**event.train, **settings}), ("val", event.val)):
            self._files[split].scalars(event.time, self._steps.last, _under(event.phase, values))

    def _finish(self, event: RunFinished, run: RunView) -> None:
        metrics = event.result["metrics"]
        if untested := event.result.get("no_test"):
            self._files["val"].text(event.time, "no_test", escaped(untested))
        for split, file in self._files.items():
            file.scalars(event.time, self._steps.last, _under("final", metrics.get(split) or {}))
            if not self._live:
                path = _path(run, split)
                file.stream.seek(0)
                write_file(path, file.stream.read())
        self.close()


def _path(run: RunView, split: str) -> Path:
    """Where a split's events stand, in a folder that is made if need be."""
    folder = run.path / FOLDER / split
    folder.mkdir(parents=True, exist_ok=True)
    return folder / FILE


def _under(section: str, values: Mapping[str, float | None]) -> dict[str, float]:
    """Values by tag; TensorBoard gives each section of tags a fold of its own. What was not measured is left out."""
    return {f"{section}/{name}": value for name, value in values.items() if value is not None}
