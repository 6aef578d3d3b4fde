"""What the html reporter shows of boxes: precision over recall, and the worst errors in their pictures."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headstart_plugins.reporters import _phrases as say
from headstart_plugins.reporters._curves import INK

MOST_CLASSES = 10
"""Classes that get a name beside their curve; of more, all are thin grey lines."""


@dataclass(frozen=True)
class Mark:
    """A box in pixels of its picture, `truth` or `found`, and what it is."""

    left: float
    top: float
    width: float
    height: float
    role: str
    title: str


@dataclass(frozen=True)
class MarkedPicture:
    """One error: its picture as data URI, empty where that is not at hand, the `size` its marks are in, and words."""

    key: str
    sample: str
    size: tuple[float, float]
    marks: tuple[Mark, ...]
    title: str
    reason: str


@dataclass(frozen=True)
class MarkedPictures:
    """The worst of one kind, worst first."""

    heading: str
    says: str
    shown: tuple[MarkedPicture, ...]


KINDS = {
    "worst_misses": (
        "The largest misses",
        "True boxes that no detection found, in blue, and what was found there, in red.",
    ),
    "worst_alarms": ("The surest false alarms", "Detections that are wrong, in red, and what is there, in blue."),
}


def marked_pictures(report: Mapping[str, Any], limit: int, sample: Callable[[str], str]) -> list[MarkedPictures]:
    """What `report` has under the names of `KINDS`, `limit` of each; `sample` gives the data URI of a key's picture."""
    return [
        MarkedPictures(*words, tuple(_marked(error, sample) for error in report[name][:limit]))
        for name, words in KINDS.items()
        if report.get(name) and limit
    ]


def _marked(error: Mapping[str, Any], sample: Callable[[str], str]) -> MarkedPicture:
    box, beside = error["box"], error["beside"]
    marks = tuple(_mark(each) for each in (beside, box) if each)
    near = f" (IoU {say.metric(error['overlap'], 2)})" if beside else ""
    width, height = error["size"]
    picture = sample(error["key"]) if width and height else ""
    return MarkedPicture(error["key"], picture, (width, height), marks, _title(box), f"{error['reason']}{near}")


def _mark(box: Mapping[str, Any]) -> Mark:
    left, top, right, bottom = box["corners"]
    role = "truth" if box["score"] is None else "found"
    return Mark(left, top, right - left, bottom - top, role, _title(box))


def _title(box: Mapping[str, Any]) -> str:
    return box["label"] if box["score"] is None else f"{box['label']} {say.metric(box['score'], 2)}"


def draw_precision_recall(found: Mapping[str, Any]) -> bytes:
    """A PNG: precision over recall, on the left the mean over classes by IoU, on the right each class at IoU 0.5."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)
    figure = Figure(figsize=(11, 4), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    classes: Mapping[str, Any] = found["classes"]
    named = len(classes) <= MOST_CLASSES
    for axis, curves, title in zip(
        figure.subplots(1, 2),
        ({f"IoU {name}": curve for name, curve in found["mean"].items()}, classes),
        ("mean over classes", "each class, IoU 0.5"),
        strict=True,
    ):
        plain = curves is classes and not named
        for name, curve in curves.items():
            look = {"color": "#7a8794", "alpha": 0.35, "linewidth": 0.8} if plain else {"linewidth": 1.8}
            axis.plot(found["recall"], curve, label=say.printable(name).replace("$", r"\$"), **look)
        axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        axis.set_title(title, loc="left", fontsize=11, color=INK)
        axis.grid(color="#e3e8ec", linewidth=0.8)
        axis.tick_params(colors=INK, labelsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        if curves and not plain:
            axis.legend(frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()
