"""Build the reporters of a run, and draw them again from its folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.data.payloads import in_memory
from headstart.data.split_file import read_split
from headstart.errors import PluginError
from headstart.eventlog import EVENTS, TICK, close_all, read_events, tell
from headstart.events import Progress
from headstart.recipes.resolve import ResolvedRecipe
from headstart.registry import Registry
from headstart.runs.evaluation import OnProgress
from headstart.runs.folder import RunFolder
from headstart.specs import InputKind, Preview, Records, Reporter, ReporterRequest, ReporterSpec, RunView, ShowsDetail

SOON = 1.0
"""Seconds within which nobody asks how far something is."""


def open_reporters(
    specs: Sequence[ReporterSpec],
    resolved: ResolvedRecipe,
    registry: Registry,
    *,
    interactive: bool,
    live: bool,
    asked: bool = True,
) -> tuple[list[tuple[str, Reporter]], list[str]]:
    """A reporter for each spec, with its name and the options that the recipe gives it.

    One that fails is left out, with a message in the second list, where nobody `asked` for it; else PluginError.
    """
    opened: list[tuple[str, Reporter]] = []
    failures: list[str] = []
    for spec in specs:
        options = resolved.options_of("reporter", spec)
        request = ReporterRequest(options=options, interactive=interactive, live=live)
        try:
            opened.append((spec.short_name, registry.load_target(spec, spec.build)(request)))
        except PluginError as exc:
            if asked:
                raise
            failures.append(f"{exc.message}; the run goes on without it")
    return opened, failures


@dataclass
class SampleView:
    """What reporters see of a run. `open_samples` gives its records and the input kind that reads them, when first
    asked."""

    path: Path
    open_samples: Callable[[], tuple[Records, InputKind]]

    @cached_property
    def _samples(self) -> tuple[Mapping[str, Any], InputKind]:
        """Payloads by key, and the input kind that reads them."""
        records, kind = self.open_samples()
        return {record.key: record.payload for record in records.items}, kind

    @cached_property
    def _hashes(self) -> Mapping[str, str]:
        """By key, of what each sample was when the run was made; empty before that is written."""
        split = RunFolder(self.path).split
        return {row.key: row.content_hash for row in read_split(split).rows} if split.is_file() else {}

    def payload(self, key: str) -> Any | None:
        """See `RunView`."""
        from headstart.data.hashing import content_hash

        payloads, _ = self._samples
        if key not in payloads:
            return None
        was = self._hashes.get(key)
        if was is not None and content_hash(payloads[key], key) != was:  # a row more, and keys of a table mean others
            return None
        return in_memory(payloads[key])

    def preview(self, key: str) -> Preview | None:
        """See `RunView`."""
        payload = self.payload(key)
        if payload is None:
            return None
        _, kind = self._samples
        return kind.preview(kind.read(payload, key))

    def detailed_preview(self, key: str) -> Preview | None:
        """See `RunView`."""
        _, kind = self._samples
        if not isinstance(kind, ShowsDetail):
            return self.preview(key)
        payload = self.payload(key)
        return None if payload is None else kind.detailed_preview(kind.read(payload, key))


@contextmanager
def told_progress(
    view: RunView, registry: Registry, activity: str, unit: str, *, interactive: bool
) -> Iterator[OnProgress]:
    """Whom to tell how far work outside of a run's training went: reporters that are on by default and write nothing.

    To be called at the beginning, too. Work of which nothing is left after SOON seconds is not told.
    """
    specs = [spec for spec in registry.specs("reporters") if spec.default and not spec.writes]
    request = {spec: ReporterRequest(options=spec.options(), interactive=interactive, live=True) for spec in specs}
    reporters = [(spec.short_name, registry.load_target(spec, spec.build)(request[spec])) for spec in specs]
    began = last = 0.0

    def told(done: int, total: int) -> None:
        nonlocal reporters, began, last
        moment = time.time()
        began = began or moment
        if (moment - began < SOON or done == total) if not last else (done < total and moment - last < TICK):
            return
        for count, when in [(done, moment)] if last else [(0, began), (done, moment)]:
            event = Progress(activity=activity, done=count, total=total, unit=unit, time=when)
            reporters, _ = tell(event, reporters, view)
        last = moment

    try:
        yield told
    finally:
        close_all(reporters)


def replay(reporters: Sequence[tuple[str, Reporter]], view: SampleView) -> list[str]:
    """Tell every event of a finished run again; returns a message for each reporter that raised."""
    failures: list[str] = []
    still = list(reporters)
    try:
        for event in read_events(view.path / EVENTS):
            still, failed = tell(event, still, view)
            failures += failed
    finally:
        close_all(still)
    return failures
