"""What the console says of each event, as plain rows of text; how they are drawn is a console's business."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from headstart.events import EpochDone, PhaseDone, PhaseStarted, Progress, RunStarted, WeightsAveraged
from headstart_plugins.reporters import _phrases as say

Rows = list[tuple[str, str]]
NARROWEST = 20
"""Width of the metric's column where its name is short."""


def activity_title(event: Progress) -> str:
    """What goes on: `features`, or `fine tune, epoch 3`."""
    if event.activity != "train" or not event.phase:
        return say.words(event.activity)
    return say.words(event.phase) + (f", epoch {event.epoch}" if event.epoch is not None else "")


def header(event: RunStarted) -> Rows:
    """What runs: label and text of each row."""
    shown = ", ".join(say.printable(name) for name in event.classes[:10])
    more = f", ... ({len(event.classes)} in all)" if len(event.classes) > 10 else ""
    return [
        ("run", say.printable(event.run)),
        ("backbone", say.printable(event.backbone)),
        ("weights", say.printable(event.weights)),
        ("backend", event.backend),
        (
            "task",
            f"{say.printable(event.task)}: {shown}{more}" if event.classes else say.printable(event.task),
        ),
        ("samples", say.listing(event.samples)),
        ("parameters", say.listing(event.parameters)),
        ("strategy", f"{say.printable(event.strategy)}: {', then '.join(map(say.words, event.phases))}"),
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
    if event.warmup:
        rows.append(("warm-up", f"{say.count(event.warmup)} step{'s' if event.warmup > 1 else ''}, moments begin at 0"))
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
    """Test metrics, the primary first: name, value, 95 % interval."""
    metrics = (result.get("metrics") or {}).get("test") or {}
    intervals = (result.get("intervals") or {}).get("test") or {}
    primary = result.get("primary_metric")
    names = sorted(metrics, key=lambda name: (name != primary, name == "loss"))
    return [(f"test {say.words(name)}", say.metric(metrics[name]), say.interval(intervals.get(name))) for name in names]


def result_rows(result: Mapping[str, Any]) -> Rows:
    """Baseline, time and what to do next."""
    run = say.printable(result.get("run", ""))
    baseline: Mapping[str, float] = result.get("baseline") or {}
    seconds: Mapping[str, float] = result.get("seconds") or {}
    parts = [f"{name} {say.duration(value)}" for name, value in seconds.items() if name != "total" and value]
    rows = [(f"baseline {say.words(name)}", say.metric(value)) for name, value in baseline.items()]
    rows += _calibration_rows(result)
    if "total" in seconds:
        detail = f" ({', '.join(parts)})" if parts else ""
        rows.append(("time", say.duration(seconds["total"]) + detail))
    quoted = shlex.quote(run)
    return [
        *rows,
        ("artefact", f"{run}/artefact"),
        ("predict", f"headstart predict {quoted} FILE..."),
        ("evaluate", f"headstart evaluate {quoted}"),
        ("reports", f"{run}/report"),
    ]


def _calibration_rows(result: Mapping[str, Any]) -> Rows:
    """`temperature 1.31; calibration error on test 0.0521, before 0.0834`."""
    found: Mapping[str, Any] = result.get("calibration") or {}
    if found.get("temperature") is None:
        return []
    text = f"temperature {say.small(found['temperature'])}"
    if found.get("class_shares"):
        text += f", for {say.shares(found['class_shares'])}"
    error = (found.get("test") or {}).get("ece")
    if error:
        text += f"; calibration error on test {say.metric(error['after'])}, before {say.metric(error['before'])}"
    return [("calibrated", text)]
