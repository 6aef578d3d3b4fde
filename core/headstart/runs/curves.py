"""How loss and primary metric went from epoch to epoch, as a small SVG for notebooks: no script, nothing fetched.

Reports have pictures of their own; this one needs no plugin, no framework and no drawing library.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from headstart.documents import escaped
from headstart.events import EpochDone, Event, RunStarted, WentBack

WIDTH, HEIGHT = 400, 240
"""Of one panel, in pixels; there are two."""
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 40, 34
"""Margins around what is drawn."""
TRAIN, VAL, KEPT, INK, GRID = "#7a8794", "#0b6fb8", "#d1495b", "#27313b", "#e3e8ec"
MOST = 400
"""Points of a line; of more, evenly spaced ones are drawn."""
LONGEST = 18
"""Letters of a phase's name."""


class Point(NamedTuple):
    """An epoch counted through all phases, from 1, and the value that was measured."""

    place: int
    value: float


@dataclass(frozen=True)
class Stretch:
    """One phase: its name, its first place and the one after its last, and its epochs by number, in order."""

    name: str
    start: int
    stop: int
    epochs: Mapping[int, EpochDone]

    def points(self, split: str, name: str) -> list[Point]:
        """The values of a metric on `split`, those epochs left out that have none."""
        found = []
        for place, epoch in enumerate(self.epochs.values(), start=self.start):
            value = (epoch.train if split == "train" else epoch.val).get(name)
            if value is not None and math.isfinite(value):
                found.append(Point(place, value))
        return found

    def kept(self, name: str) -> Point | None:
        """The value on val of the epoch whose weights were kept: the last that was marked as best."""
        best = [place for place, epoch in enumerate(self.epochs.values(), start=self.start) if epoch.best]
        return next((point for point in self.points("val", name) if best and point.place == best[-1]), None)


def draw_svg(events: Iterable[Event]) -> str:
    """Two panels, the primary metric and the loss, on train and val; empty where no epoch was finished.

    A dotted line parts phases, a ring marks what was kept of each. Heads in closed form have strengths for epochs.
    """
    by_phase: dict[str, dict[int, EpochDone]] = {}
    metric = None
    for event in events:
        if isinstance(event, RunStarted):
            metric = event.primary_metric
        elif isinstance(event, EpochDone):
            by_phase.setdefault(event.phase, {})[event.epoch] = event  # again after a stop: the later one counts
        elif isinstance(event, WentBack):
            epochs = by_phase.pop(event.phase, {})
            if kept := {number: epoch for number, epoch in epochs.items() if number < event.epoch}:
                by_phase[event.phase] = kept
    stretches, start = [], 1
    for name, epochs in by_phase.items():
        stretches.append(Stretch(name, start, start + len(epochs), dict(sorted(epochs.items()))))
        start += len(epochs)
    names = dict.fromkeys(name for name in (metric, "loss") if name is not None)
    panels = [panel for name in names if (panel := "".join(_panel(stretches, name)))]
    if not panels:
        return ""
    drawn = "".join(f"<g transform='translate({WIDTH * place} 0)'>{panel}</g>" for place, panel in enumerate(panels))
    width = WIDTH * len(panels)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' role='img' aria-label='learning curves' width='{width}' "
        f"height='{HEIGHT}' viewBox='0 0 {width} {HEIGHT}' font-family='sans-serif' font-size='10' fill='{INK}'>"
        f"<rect width='{width}' height='{HEIGHT}' fill='white'/>{drawn}</svg>"
    )


def _panel(stretches: Sequence[Stretch], name: str) -> Iterator[str]:
    """The parts of one panel; none where nothing was measured."""
    lines = [(split, stretch.points(split, name)) for stretch in stretches for split in ("train", "val")]
    values = [point.value for _, points in lines for point in points]
    if not values:
        return
    low, high = _range(min(values), max(values))
    last = stretches[-1].stop - 1
    grid = _ticks(low, high)

    def x(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (place - 0.5) / last

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    yield f"<text x='{LEFT}' y='14' font-size='12'>{_text(name.replace('_', ' '))}</text>"
    yield from (f"<path d='M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}' stroke='{GRID}'/>" for tick in grid)
    yield from (f"<text x='{LEFT - 5}' y='{y(tick) + 3:.1f}' text-anchor='end'>{tick:.4g}</text>" for tick in grid)
    step = max(1, math.ceil(last / 8))
    for place in range(step, last + 1, step):
        yield f"<text x='{x(place):.1f}' y='{HEIGHT - BOTTOM + 14}' text-anchor='middle'>{place}</text>"
    yield f"<text x='{(LEFT + WIDTH - RIGHT) / 2}' y='{HEIGHT - 6}' text-anchor='middle'>epoch</text>"
    for stretch in stretches:
        if stretch.start > 1:
            edge = x(stretch.start - 0.5)
            yield f"<path d='M{edge:.1f} {TOP}V{HEIGHT - BOTTOM}' stroke='{INK}' stroke-dasharray='2 3'/>"
        yield f"<text x='{x(stretch.start - 0.5) + 3:.1f}' y='{TOP - 5}'>{_text(_label(stretch.name))}</text>"
    for split, points in lines:
        yield from _line(split, [(x(place), y(value)) for place, value in _thinned(points)])
    for kept in filter(None, (stretch.kept(name) for stretch in stretches)):
        yield f"<circle cx='{x(kept.place):.1f}' cy='{y(kept.value):.1f}' r='6' fill='none' stroke='{KEPT}'/>"
    yield from _legend({split for split, points in lines if points})


def _line(split: str, points: Sequence[tuple[float, float]]) -> Iterator[str]:
    """A line through `points` of the picture, with a dot at each where there are few."""
    colour = TRAIN if split == "train" else VAL
    if len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='1.6'/>"
    if len(points) <= MOST // 10:
        yield from (f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2' fill='{colour}'/>" for x, y in points)


def _legend(splits: set[str]) -> Iterator[str]:
    place = WIDTH - RIGHT
    for name, colour in (("kept", KEPT), ("val", VAL), ("train", TRAIN)):
        if name in splits or name == "kept":
            yield f"<text x='{place}' y='14' text-anchor='end' fill='{colour}'>{name}</text>"
            place -= 36


def _label(phase: str) -> str:
    name = phase.replace("_", " ")
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}..."


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """At most MOST of them, the first and the last among these."""
    if len(points) <= MOST:
        return points
    return [points[round(place * (len(points) - 1) / (MOST - 1))] for place in range(MOST)]


def _range(low: float, high: float) -> tuple[float, float]:
    """Bounds around all values, some way off; of equal ones too."""
    room = 0.06 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """A few round numbers between the bounds."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if factor * power >= raw)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _text(text: str) -> str:
    return html.escape(escaped(text))
