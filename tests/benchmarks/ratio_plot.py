"""Ratios as a picture: a dot and its range on a logarithmic scale, with the floor and the goal of its row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from goals import GOALS, verdict
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from ratios import Ratio

COLOURS = {"goal": "#2a7f3f", "floor": "#c98a00", "MISSED": "#b3261e", "beside": "#8a8a8a"}
LEGEND = {
    "goal": "reaches its goal",
    "floor": "reaches its floor",
    "MISSED": "misses its floor",
    "beside": "does not count",
}
LONGEST = 78
"""Characters of a label; the table has the rest."""


def draw(ratios: Sequence[Ratio], path: Path) -> None:
    """Write a PNG, the first ratio at the top."""
    mpl.use("Agg")
    figure = Figure(figsize=(13, 1.6 + 0.34 * len(ratios)), layout="constrained")
    axes = figure.add_subplot()
    for place, ratio in enumerate(ratios):
        _draw_row(axes, ratio, place)
    axes.set_yticks(range(len(ratios)), [_label(each) for each in ratios], fontsize=8)
    axes.set_ylim(len(ratios) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(
        f"ratio to the control ({', '.join(row for row, goal in GOALS.items() if not goal.higher)}: less is better)"
    )
    _draw_legend(axes)
    figure.savefig(path, dpi=130)


def _draw_row(axes: Axes, ratio: Ratio, place: int) -> None:
    goal = GOALS.get(ratio.row)
    colour = COLOURS[verdict(ratio)]
    axes.plot([min(ratio.ratios), max(ratio.ratios)], [place, place], color=colour, linewidth=2)
    axes.plot(ratio.median, place, "o", color=colour, markersize=6)
    if goal:
        axes.plot(goal.floor, place, "|", color="black", markersize=13)
        axes.plot(goal.goal, place, "*", color="black", markersize=7)


def _label(ratio: Ratio) -> str:
    label = f"{ratio.row}  {ratio.what}"
    return label if len(label) <= LONGEST else label[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _draw_legend(axes: Axes) -> None:
    for name, colour in COLOURS.items():
        axes.plot([], [], "o", color=colour, label=LEGEND[name])
    axes.plot([], [], "|", color="black", markersize=12, linestyle="none", label="floor")
    axes.plot([], [], "*", color="black", markersize=7, linestyle="none", label="goal")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=6, fontsize=8, frameon=False)
