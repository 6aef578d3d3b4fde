"""The plots of a comparison: learning curves and gains; how fast each arm learns, classes, and stages."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headstart.transfer.comparison.cells import labels_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CONTROL, INK, GRID = "#7a8794", "#27313b", "#e3e8ec"
COLOURS = ("#0b6fb8", "#d1495b", "#2a9d6f", "#e09f1f", "#7b5ea7", "#14919b", "#a3623a")
GAINED, LOST = "#0b6fb8", "#d1495b"
MOST_CLASSES = 24


def draw_png(document: Mapping[str, Any], name: str, dpi: int = 120) -> bytes:
    """The picture `name`, "curves" or "details", of a comparison's document as a PNG."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = [_draw_curves, _draw_gains]
    if name == "details":
        drawn = [_draw_seconds]
        drawn += [_draw_classes] if document["classes"] else []
        drawn += [_draw_stages] if document["similarity"] else []
    figure = Figure(figsize=(5.6 * len(drawn), 4.4), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    for axis, draw in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        draw(axis, document, colours_of(document))
        _style(axis)
    named: dict[str, Any] = {}
    for axis in figure.axes:
        handles, labels = axis.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    if named:  # below all: an arm has one colour everywhere, and inside it would lie over curves
        columns = min(len(named), 6)
        figure.legend(handles=[*named.values()], loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def colours_of(document: Mapping[str, Any]) -> dict[str, str]:
    """A colour for each arm by its name; grey for those from scratch."""
    others = [arm["name"] for arm in document["arms"] if not arm["control"]]
    return {arm["name"]: CONTROL for arm in document["arms"] if arm["control"]} | {
        name: COLOURS[place % len(COLOURS)] for place, name in enumerate(others)
    }


def _draw_curves(axis: Axes, document: Mapping[str, Any], colours: Mapping[str, str]) -> None:
    for place, (name, colour) in enumerate(colours.items()):
        rows = [row for row in document["curves"] if row["arm"] == name]
        if not rows:
            continue
        counts = [row["train"] * _shift(place, len(colours)) for row in rows]
        axis.plot(counts, [row["mean"] for row in rows], color=colour, marker="o", markersize=4, label=name)
        for count, row in zip(counts, rows, strict=True):
            axis.scatter([count] * len(row["test"]), row["test"], color=colour, s=9, alpha=0.5, linewidths=0)
            if row["ci95"]:
                axis.plot([count, count], row["ci95"], color=colour, linewidth=1.4, alpha=0.5)
    for twin in document["twins"]:
        row = next((row for row in document["curves"] if row["arm"] == twin["name"]), None)
        if row is not None:
            axis.scatter(
                [row["train"]], [row["mean"]], color=colours[twin["twin"]], marker="x", s=40, label=twin["name"]
            )
    figures = [figure for row in document["curves"] for figure in row["test"]]
    _limit(axis, figures)
    low, high = axis.get_ylim()
    for name, figure in document["baseline"].items():
        if low < figure < high:  # curves that are far from it keep their room
            axis.axhline(figure, color=CONTROL, linestyle=":", linewidth=1.2, label=name.replace("_", " "))
    _over_labels(axis, document)
    title = f"{_metric(document)} on test, 95 % over seeds"
    axis.set_title(title, loc="left", fontsize=11, color=INK, parse_math=False)


def _draw_gains(axis: Axes, document: Mapping[str, Any], colours: Mapping[str, str]) -> None:
    scale = 100 if document["unit"] == "points" else 1
    controls = {arm["name"] for arm in document["arms"] if arm["control"]}
    axis.axhline(0, color=CONTROL, linewidth=1.2)
    shown = [name for name in colours if name not in controls]
    ends: list[float] = []
    for place, name in enumerate(shown):
        rows = [row for row in document["curves"] if row["arm"] == name and row["gain"]]
        counts = [row["train"] * _shift(place, len(shown)) for row in rows]
        means = [scale * row["gain"]["mean"] for row in rows]
        axis.plot(counts, means, color=colours[name], marker="o", markersize=4, label=name)
        for count, row in zip(counts, rows, strict=True):
            if row["gain"]["low"] is not None:
                low, high = scale * row["gain"]["low"], scale * row["gain"]["high"]
                axis.plot([count, count], [low, high], color=colours[name], linewidth=1.4, alpha=0.7)
        ends += means
    room = 1.6 * max((abs(end) for end in ends), default=1.0) or 1.0
    low, high = axis.get_ylim()
    axis.set_ylim(max(low, -room), min(high, room))
    _over_labels(axis, document)
    unit = f" ({document['unit']})" if document["unit"] else ""
    axis.set_title(f"gain over scratch{unit}, 95 % over seeds", loc="left", fontsize=11, color=INK)


def _draw_seconds(axis: Axes, document: Mapping[str, Any], colours: Mapping[str, str]) -> None:
    sign = 1 if document["higher_is_better"] else -1
    best_of_all: list[float] = []
    for row in document["time"]:
        seconds: list[float] = []
        best: list[float] = []
        for at, figure in row["curve"]:
            seconds.append(max(at, 0.01))
            best.append(sign * max([sign * figure, *([sign * best[-1]] if best else [])]))
        if seconds:
            axis.step(seconds, best, where="post", color=colours[row["arm"]], label=row["arm"])
            axis.scatter(seconds[-1:], best[-1:], color=colours[row["arm"]], s=16)
            best_of_all += best
    for target in {row["val"] for row in document["time"]}:
        axis.axhline(target, color=CONTROL, linestyle=":", linewidth=1.2)
    if best_of_all:
        from matplotlib.ticker import FuncFormatter, LogLocator

        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
        axis.minorticks_off()
        _limit(axis, best_of_all)
    axis.set_xlabel(f"seconds of training, {labels_of(document['fractions'][-1])}, first seed")
    axis.set_title(f"best {_metric(document)} on val so far", loc="left", fontsize=11, color=INK, parse_math=False)


def _draw_classes(axis: Axes, document: Mapping[str, Any], colours: Mapping[str, str]) -> None:
    rows = document["classes"]
    best = _best_arm(document)
    row = next((row for row in rows if row["arm"] == best), rows[0])
    gains = row["gains"]
    if len(gains) > MOST_CLASSES:
        half = MOST_CLASSES // 2
        gains = [*gains[:half], *gains[-half:]]
    gains = gains[::-1]
    for place, each in enumerate(gains):
        axis.barh(place, each["mean"], color=GAINED if each["mean"] >= 0 else LOST, alpha=0.75, height=0.72)
        if each["low"] is not None:
            axis.plot([each["low"], each["high"]], [place, place], color=INK, linewidth=0.9)
    axis.set_yticks(range(len(gains)), [_short(each["class"]) for each in gains], parse_math=False)
    axis.axvline(0, color=INK, linewidth=0.8)
    means = [0.0, *(each["mean"] for each in gains)]
    room = 0.4 * (max(means) - min(means)) or 0.1
    axis.set_xlim(min(means) - room, max(means) + room)
    title = f"{row['arm']}: gain in {row['figure']} of each class over scratch"
    axis.set_title(title, loc="left", fontsize=11, color=INK, parse_math=False)


def _draw_stages(axis: Axes, document: Mapping[str, Any], colours: Mapping[str, str]) -> None:
    rows = document["similarity"]
    for row in rows:
        known = [(place, value) for place, value in enumerate(row["stages"].values()) if value is not None]
        axis.plot(*zip(*known, strict=True), color=colours[row["arm"]], marker="o", markersize=4, label=row["arm"])
    names = [*max((row["stages"] for row in rows), key=len)]
    axis.set_xticks(range(len(names)), names, rotation=60, ha="right", parse_math=False)
    axis.set_ylim(top=1.03)
    axis.set_ylabel("CKA with before training; 1: unchanged", fontsize=9, color=INK)
    axis.set_title("what training left of each stage", loc="left", fontsize=11, color=INK)


def _best_arm(document: Mapping[str, Any]) -> str | None:
    gains = {row["arm"]: row["gain"]["mean"] for row in document["curves"] if row["gain"]}  # the last: all labels
    return max(gains, key=lambda name: gains[name]) if gains else None


def _shift(place: int, count: int) -> float:
    """By what an arm's numbers of labels are multiplied, so that intervals stand beside one another."""
    return 1 + 0.035 * (place - (count - 1) / 2)


def _over_labels(axis: Axes, document: Mapping[str, Any]) -> None:
    counts = sorted({row["train"] for row in document["curves"]})
    axis.set_xscale("log")
    axis.set_xticks(counts, [f"{count:,}" for count in counts])
    axis.minorticks_off()
    if counts:
        axis.set_xlim(counts[0] / 1.25, counts[-1] * 1.25)
    axis.set_xlabel("labelled samples in train")


def _limit(axis: Axes, figures: list[float]) -> None:
    if figures:
        room = 0.08 * (max(figures) - min(figures)) or 0.02
        axis.set_ylim(min(figures) - room, max(figures) + room)


def _style(axis: Axes) -> None:
    axis.grid(color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(colors=INK, labelsize=8.5)
    axis.spines[["top", "right"]].set_visible(False)


def _metric(document: Mapping[str, Any]) -> str:
    return str(document["primary_metric"]).replace("_", " ")


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:20]}..."
