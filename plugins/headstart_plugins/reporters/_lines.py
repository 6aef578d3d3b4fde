"""What the console says of each event, as plain rows of text, and the console that writes them as lines."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from headstart.events import (
    EpochDone,
    Event,
    Noted,
    PhaseDone,
    PhaseStarted,
    Progress,
    RunFinished,
    RunStarted,
    Warned,
    WeightsAveraged,
)
from headstart.specs import RunView
from headstart_plugins.reporters import _phrases as say

Rows = list[tuple[str, str]]
NARROWEST = 20
"""Width of the metric's column where its name is short."""
LABEL = 12


def activity_title(event: Progress) -> str:
    """What goes on: `features`, or `fine tune, epoch 3`."""
    if event.activity != "train" or not event.phase:
        return say.words(event.activity)
    return say.words(event.phase) + (f", epoch {event.epoch}" if event.epoch is not None else "")


def header(event: RunStarted) -> Rows:
    """What runs: label and text of each row."""
    shown = ", ".join(say.printable(name) for name in event.classes[:10])
    more = f", ... ({len(event.classes)} in all)" if len(event.classes) > 10 else ""
    phases = ", then ".join(map(say.words, event.phases))
    lineage = [("from", say.printable(f"{event.backbone}: {event.lineage}"))] if event.lineage else []
    return [
        ("run", say.printable(event.run)),
        ("backbone", say.printable(event.backbone)),
        ("weights", say.weights(event.weights)),
        *lineage,
        ("backend", event.backend),
        (
            "task",
            f"{say.printable(event.task)}: {shown}{more}" if event.classes else say.printable(event.task),
        ),
        ("samples", say.listing(event.samples)),
        ("parameters", say.listing(event.parameters)),
        ("strategy", f"{say.printable(event.strategy)}: {phases or 'nothing is trained'}"),
        ("best by", f"{say.words(event.primary_metric)} on val"),
    ]


def phase_title(event: PhaseStarted) -> str:
    """`phase 2 of 2: fine tune`."""
    return f"phase {event.index + 1} of {event.count}: {say.words(event.phase)}"


def phase_rows(event: PhaseStarted) -> Rows:
    """What learns, at which rate."""
    trained = {name: size for name, size in event.trainable.items() if size}
    gradient = event.solver == "gradient"
    epochs = "1 epoch" if event.epochs == 1 else f"{event.epochs} epochs"
    how = f"{epochs}, {say.count(event.steps)} steps" if gradient else f"{event.epochs} strengths, best by val loss"
    rows = [
        ("solver", f"{event.solver.replace('_', ' ')}, {how}"),
        ("trains", f"{say.count(sum(trained.values()))} weights: {say.listing(trained)}"),
    ]
    if event.adapted:
        kernels = f"{say.count(sum(event.adapted.values()))} kernels: {say.listing(event.adapted)}"
        rows.append(("adapts", kernels))
    if event.cached:
        rows.append(("cached", f"every stage below {say.printable(event.cut)}, computed once"))
    if event.rates:
        spans: list[tuple[str, str, float]] = []  # neighbouring stages of one rate together: `stem to top 0.0003`
        for stage, rate in event.rates.items():
            if spans and spans[-1][2] == rate:
                spans[-1] = (spans[-1][0], stage, rate)
            else:
                spans.append((stage, stage, rate))
        named = (f"{low if low == high else f'{low} to {high}'} {say.small(rate)}" for low, high, rate in spans)
        rows.append(("peak rates", ", ".join(named)))
    if event.optimizer:
        momentum = f", momentum {event.momentum:g}" if event.momentum else ""
        rows.append(("optimizer", f"{say.words(event.optimizer)}{momentum}, {event.schedule} rates"))
    if event.warmup:
        has_moments = event.optimizer != "sgd" or event.momentum
        begin = ", moments begin at 0" if has_moments else ""
        rows.append(("warm-up", f"{say.count(event.warmup)} step{'s' if event.warmup > 1 else ''}{begin}"))
    return rows


def epoch_titles(event: PhaseStarted, metric: str) -> str:
    """The column titles over the rows of a phase."""
    first = "strength" if event.solver == "closed_form" else "epoch"
    titles = (f"{title:>{width}}" for title, width in _columns(metric))
    return f"{first:>10}" + "".join(titles).rstrip()


def epoch_row(event: EpochDone, metric: str) -> str:
    """One finished epoch under those titles."""
    closed = event.strength is not None
    first = say.small(event.strength) if closed else f"{event.epoch}/{event.epochs}"
    cells = (
        say.metric(event.train.get("loss")),
        say.metric(event.val.get("loss")),
        say.metric(event.val.get(metric)),
        say.duration(event.seconds),
        "  " + ", ".join([*([say.printable(event.solver)] if event.solver else []), *(["best"] if event.best else [])]),
    )
    columns = zip(cells, _columns(metric), strict=True)
    return f"{first:>10}" + "".join(f"{cell:>{width}}" for cell, (_, width) in columns).rstrip()


def _columns(metric: str) -> tuple[tuple[str, int], ...]:
    """Title and width of each column after the first."""
    title = f"val {say.words(metric)}"
    width = max(NARROWEST, len(title) + 2)
    return ("train loss", 12), ("val loss", 10), (title, width), ("time", 12), ("", 6)


def phase_end(event: PhaseDone, metric: str) -> str:
    """How a phase ended, that what was to learn did, and that what was frozen stayed so."""
    best = say.metric(event.best.get(metric))
    trained = sum(event.trained.values())
    verified = f"; {say.count(trained)} numbers trained, as expected" if trained else ""
    verified += f"; {say.count(event.frozen_verified)} frozen weights verified" if event.frozen_verified else ""
    ended = f"{event.reason}, {say.duration(event.seconds)}"
    return f"{say.words(event.phase)} done: val {say.words(metric)} {best} ({ended}{verified})"


def averaged(event: WeightsAveraged, metric: str) -> str:
    """What val chose to average: `soup of the trainings at 0.3, 1 times the rates: val accuracy 0.9500`."""
    values = ", ".join(say.small(value) for value in event.values)
    soup = f"soup of the trainings at {values} times the rates" if values else "no training was better than the start"
    text = soup if event.kind == "soup" else f"{values} of the way from the phase's start to what it learned"
    return f"{text}: val {say.words(metric)} {say.metric(event.val.get(metric))}"


def activity_end(event: Progress, seconds: float) -> str:
    """`features: 1,797 samples in 12 s (150 samples/s)`."""
    line = f"{activity_title(event)}: {say.count(event.done)} {event.unit}"
    if seconds < 0.05:  # heard of once, when it was already over
        return line
    return f"{line} in {say.duration(seconds)} ({say.count(event.done / seconds)} {event.unit}/s)"


def score_rows(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Test metrics, or those on val where there is no test side, the primary first: name, value, 95 % interval."""
    side = say.judge(result)
    metrics = (result.get("metrics") or {}).get(side) or {}
    intervals = (result.get("intervals") or {}).get(side) or {}
    primary = result.get("primary_metric")
    names = sorted(metrics, key=lambda name: (name != primary, name == "loss"))
    return [
        (f"{side} {say.words(name)}", say.metric(metrics[name]), say.interval(intervals.get(name))) for name in names
    ]


def result_rows(result: Mapping[str, Any]) -> Rows:
    """Why there is no test side, baseline, time and what to do next."""
    run = say.printable(result.get("run", ""))
    baseline: Mapping[str, float] = result.get("baseline") or {}
    seconds: Mapping[str, float] = result.get("seconds") or {}
    parts = [f"{name} {say.duration(value)}" for name, value in seconds.items() if name != "total" and value]
    untested = result.get("no_test")
    rows = [("no test", say.printable(untested))] if untested else []
    on = " on val" if untested else ""
    rows += [(f"baseline {say.words(name)}{on}", say.metric(value)) for name, value in baseline.items()]
    rows += _calibration_rows(result)
    if "total" in seconds:
        detail = f" ({', '.join(parts)})" if parts else ""
        rows.append(("time", say.duration(seconds["total"]) + detail))
    quoted = shlex.quote(run)
    return [
        *rows,
        ("artefact", f"{run}/artefact"),
        ("predict", f"headstart predict {quoted} FILE..."),
        ("evaluate", f"headstart evaluate {quoted}" + (" DATA" if untested else "")),
        ("reports", f"{run}/report"),
    ]


def _calibration_rows(result: Mapping[str, Any]) -> Rows:
    """`temperature 1.31; calibration error on test 0.0521, before 0.0834`; on val where there is no test side."""
    found: Mapping[str, Any] = result.get("calibration") or {}
    if found.get("temperature") is None:
        return []
    text = f"temperature {say.small(found['temperature'])}"
    if found.get("class_shares"):
        text += f", for {say.shares(found['class_shares'])}"
    side = say.judge(result)
    error = (found.get(side) or {}).get("ece")
    if error:
        text += f"; calibration error on {side} {say.metric(error['after'])}, before {say.metric(error['before'])}"
    return [("calibrated", text)]


class PlainConsole:
    """One line of text for each thing that happened; no control characters, no colours, no box drawing."""

    def __init__(self, *, live: bool, log_every: float, stream: TextIO | None = None) -> None:
        self._live, self._log_every, self._stream = live, log_every, stream
        self._metric = "accuracy"
        self._titles = self._training = ""
        self._activity: tuple[str, str | None, int | None] | None = None
        self._began = self._told = 0.0

    def on_event(self, event: Event, run: RunView) -> None:
        """Draw what `event` says."""
        if isinstance(event, RunStarted):
            self._metric = event.primary_metric
            self._header(header(event))
        elif isinstance(event, PhaseStarted):
            self._phase(phase_title(event), phase_rows(event))
            # They come below what is said while features are computed.
            self._titles, self._training = epoch_titles(event, self._metric), event.phase
        elif isinstance(event, Progress):
            if self._live:
                self._progress(event)
        elif isinstance(event, EpochDone):
            self._epoch(event)
        elif isinstance(event, PhaseDone):
            self._line(phase_end(event, self._metric), "dim")
        elif isinstance(event, WeightsAveraged):
            self._line(averaged(event, self._metric), "dim")
        elif isinstance(event, Warned | Noted):
            self._said(event)
        elif isinstance(event, RunFinished):
            self._finish(event.result)

    def _epoch(self, event: EpochDone) -> None:
        """A row, below column titles where it is a phase's first, and below the name of its training where there are
        several, as of a soup."""
        if self._titles:
            self._line(self._titles, "dim")
        if event.phase != self._training:
            self._line(f"{say.words(event.phase)}:", "dim")
        self._titles, self._training = "", event.phase
        self._line(epoch_row(event, self._metric), "bold green" if event.best else "")

    def _progress(self, event: Progress) -> None:
        activity = (event.activity, event.phase, event.epoch)
        new = activity != self._activity
        if new:
            self._end_activity()
            self._activity, self._began = activity, event.time
        self._show_activity(event, new=new)
        if event.done >= event.total:
            self._end_activity()
            if event.activity != "train":
                self._line(activity_end(event, event.time - self._began), "dim")

    def _end_activity(self) -> None:
        self._activity = None

    def _show_activity(self, event: Progress, *, new: bool) -> None:
        """What goes on, `new` where it is something else than before, and how far it went."""
        if new:
            self._told = event.time
        if event.done < event.total and event.time - self._told >= self._log_every:
            self._told = event.time
            done = f"{say.count(event.done)} of {say.count(event.total)} {event.unit}"
            self._line(f"{activity_title(event)}: {done}")

    def _line(self, text: str, style: str = "") -> None:
        """One line of its own, in one of rich's styles where there are styles."""
        stream = self._stream or sys.stderr
        stream.write(text + "\n")
        stream.flush()

    def _header(self, rows: Rows) -> None:
        """What runs."""
        for label, text in rows:
            self._line(f"{label + ':':<{LABEL}} {text}")

    def _phase(self, title: str, rows: Rows) -> None:
        """A phase begins."""
        self._line(title)
        self._header(rows)

    def _said(self, event: Warned | Noted) -> None:
        """The message, and the hint where there is one."""
        self._line(f"{'warning' if isinstance(event, Warned) else 'note'}: {say.printable(event.message)}")
        if event.hint:
            self._line(f"  hint: {say.printable(event.hint)}")

    def _finish(self, result: Mapping[str, Any]) -> None:
        """Scores, and what to do next."""
        for name, value, interval in score_rows(result):
            self._line(f"{name} {value}" + (f", 95 % interval {interval}" if interval else ""))
        self._header(result_rows(result))
