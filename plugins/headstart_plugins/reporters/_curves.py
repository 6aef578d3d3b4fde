"""The curves reporter: report/curves.png, how loss and metric went from epoch to epoch."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, cycle
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.cache import open_cache
from headstart.errors import HeadstartError
from headstart.events import Event, PhaseDone, RunFinished
from headstart.host.discovery import installed_release
from headstart.specs import Reporter, ReporterRequest, RunView
from headstart_plugins.reporters import CurvesOptions
from headstart_plugins.reporters import _phrases as say
from headstart_plugins.reporters._history import History, PhaseHistory, write_report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


TRAIN, VAL, BEST, INK = "#7a8794", "#0b6fb8", "#d1495b", "#27313b"
WIDTH = 11.0
HEIGHT = 3.9
SHOWN = ("phase", "epoch", "train", "val", "best", "strength", "solver")
"""What curves show of an epoch."""
KIND, FILE = "figures", "curves.png"


def build(request: ReporterRequest) -> Reporter:
    """A reporter that draws after each phase of a live run, and at the end."""
    options: CurvesOptions = request.options
    return CurvesReporter(options.dpi, live=request.live)


class CurvesReporter:
    """Draws what was heard so far, so that a run that is stopped has its curves as well."""

    def __init__(self, dpi: int, *, live: bool) -> None:
        self._dpi, self._live = dpi, live
        self._history = History()
        self._drawn = 0

    def on_event(self, event: Event, run: RunView) -> None:
        """Gather; after a phase and at the end, draw what is new."""
        self._history.hear(event)
        if not isinstance(event, RunFinished) and not (self._live and isinstance(event, PhaseDone)):
            return
        epochs = sum(len(phase.epochs) for phase in self._history.phases)
        if epochs and epochs != self._drawn:
            write_report(run, FILE, draw_png(self._history, self._dpi))
            self._drawn = epochs


def draw_png(history: History, dpi: int = 120) -> bytes:
    """The curves of every phase as a PNG, 11 inches wide at `dpi`, one row for each kind of phase.

    A second run with the same figures takes them from the cache: loading matplotlib and drawing are a second.
    """
    return _drawn(_Shown(_told(history), history), dpi)


def _told(history: History) -> str:
    """All of a history that its curves show."""
    run = history.run and (history.run.primary_metric, history.run.samples.get("test") == 0)
    phases = [
        [phase.started.phase, [[getattr(epoch, name) for name in SHOWN] for epoch in phase.epochs]]
        for phase in history.phases
    ]
    return json.dumps([run, phases])


@dataclass(frozen=True)
class _Shown:
    """A history, and all that its curves show as text."""

    told: str
    history: History = field(compare=False)


@lru_cache(maxsize=1)  # a page shows the curves that lie beside it
def _drawn(shown: _Shown, dpi: int) -> bytes:
    sources = [Path(source).read_bytes() for source in (__file__, str(say.__file__))]
    key = {
        "shown": shown.told,
        "dpi": dpi,
        "matplotlib": installed_release("matplotlib"),
        "sources": hashlib.sha256(b"".join(sources)).hexdigest(),
    }
    cache = open_cache()
    if (folder := cache.get(KIND, key)) is not None:
        with suppress(OSError):  # another process has removed it
            return (folder / FILE).read_bytes()
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)
    buffer = io.BytesIO()
    draw_figure(shown.history).savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    content = buffer.getvalue()

    def write(empty: Path) -> None:
        (empty / FILE).write_bytes(content)

    with suppress(HeadstartError):  # a disk that is full keeps no copy
        cache.add(KIND, key, write, {"figure": "curves", "dpi": dpi})
    return content


def draw_figure(history: History) -> Figure:
    """A row of two plots (metric, loss) for the closed-form phases and one for the gradient phases."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metric = history.run.primary_metric if history.run else "accuracy"
    drawn = [phase for phase in history.phases if phase.epochs]
    rows = [[phase] for phase in drawn if phase.closed_form]
    gradient = [phase for phase in drawn if not phase.closed_form]
    rows += [gradient] if gradient else []
    figure = Figure(figsize=(WIDTH, HEIGHT * len(rows)), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 2, squeeze=False)
    if history.run and history.run.samples.get("test") == 0:
        figure.supxlabel(
            "no sample is held out as test; val chooses, so that its figures flatter", fontsize=10, color=INK
        )
    for pair, phases in zip(axes, rows, strict=True):
        for axis, name in zip(pair, (metric, "loss"), strict=True):
            _draw_panel(axis, phases, name)
    return figure


def _draw_panel(axis: Axes, phases: list[PhaseHistory], name: str) -> None:
    starts = [0, *accumulate(max(epoch.epoch for epoch in phase.epochs) for phase in phases)]
    # A strength stands for itself, an epoch at its number counted through all phases.
    places = {
        (epoch.phase, epoch.epoch): float(start + epoch.epoch if epoch.strength is None else epoch.strength)
        for start, phase in zip(starts, phases, strict=False)
        for epoch in phase.epochs
    }
    epochs = [epoch for phase in phases for epoch in phase.epochs]
    for solver, marker in zip(dict.fromkeys(epoch.solver for epoch in epochs), cycle("oD^s")):
        mine = [epoch for epoch in epochs if epoch.solver == solver]
        for split, colour in (("train", TRAIN), ("val", VAL)):
            measured = [epoch.train if split == "train" else epoch.val for epoch in mine]
            points = sorted(
                (places[(epoch.phase, epoch.epoch)], values[name])
                for epoch, values in zip(mine, measured, strict=True)
                if values.get(name) is not None
            )
            if points:
                axis.plot(
                    *zip(*points, strict=True),
                    color=colour,
                    marker=marker,
                    markersize=4,
                    linewidth=1.8,
                    label=f"{split}, {say.printable(solver)}" if solver else split,
                )
    _mark_best(axis, phases, places, name)
    if phases[0].closed_form:
        axis.set_xscale("log")
        axis.set_xlabel("regularisation strength")
    else:
        from matplotlib.ticker import MaxNLocator

        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for start in starts[1:-1]:
            axis.axvline(start + 0.5, color=INK, linestyle=":", linewidth=1)
        axis.set_xlabel("epoch")
    _style(axis, phases, name)


def _mark_best(axis: Axes, phases: list[PhaseHistory], places: dict[tuple[str, int], float], name: str) -> None:
    for number, phase in enumerate(phases):
        best = phase.best
        if best is None or best.val.get(name) is None:
            continue
        place, value = places[(best.phase, best.epoch)], best.val[name]
        axis.scatter(
            [place],
            [value],
            s=110,
            facecolors="none",
            edgecolors=BEST,
            linewidths=2,
            zorder=5,
            label="kept" if number == 0 else None,
        )
        axis.annotate(
            say.metric(value),
            (place, value),
            textcoords="offset points",
            xytext=(
                0,
                -16 if say.is_share(name) else 8,
            ),  # away from where the best are: the top of shares, else the bottom
            ha="center",
            color=BEST,
            fontsize=9,
            annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )


def _style(axis: Axes, phases: list[PhaseHistory], name: str) -> None:
    names = " | ".join(phase.started.phase.replace("_", " ") for phase in phases)
    axis.set_title(f"{names}: {name.replace('_', ' ')}", loc="left", fontsize=11, color=INK, parse_math=False)
    axis.grid(color="#e3e8ec", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.margins(x=0.06, y=0.18)
    if say.is_share(name):
        axis.set_ylim(top=min(axis.get_ylim()[1], 1.01))
    elif name == "loss":
        low, high = axis.get_ylim()
        axis.set_ylim(bottom=max(low, -0.03 * high))
    axis.tick_params(colors=INK, labelsize=9)
    axis.spines[["top", "right"]].set_visible(False)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(frameon=False, fontsize=9)
