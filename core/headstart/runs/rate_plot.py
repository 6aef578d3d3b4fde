"""The picture of a learning-rate range test."""

from __future__ import annotations

import io
import logging

import numpy as np

from headstart.runs.rate_test import RateTest

RAW, SMOOTHED, SUGGESTED, PLANNED = "#b9c2cb", "#0b6fb8", "#d1495b", "#27313b"


def draw_png(test: RateTest, dpi: int = 120) -> bytes:
    """Loss over the rate on a logarithmic axis; marks at the suggestion, at its alternative and at the recipe's."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curve = test.curve
    figure = Figure(figsize=(8, 4.5), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.plot(curve.rates, curve.losses, color=RAW, linewidth=1, label="loss after an update at this rate")
    axis.plot(curve.rates, curve.smoothed, color=SMOOTHED, linewidth=2, label="smoothed")
    marks = (
        (curve.steepest, SUGGESTED, "-", "steepest fall"),
        (curve.tenth, SUGGESTED, ":", "a tenth of the minimum"),
        (test.planned, PLANNED, "--", "the recipe's"),
    )
    for rate, colour, style, name in marks:
        if rate is not None:
            axis.axvline(rate, color=colour, linestyle=style, linewidth=1.2, label=f"{name}: {rate:.2g}")
    axis.set_xscale("log")
    if len(curve.losses):
        least, most = float(np.min(curve.losses)), float(np.max(curve.smoothed))
        room = 0.08 * (most - least) or 0.1
        axis.set_ylim(least - room, most + room)
    axis.set_xlabel(f"{test.setting} (peak rate)")
    axis.set_ylabel("loss")
    axis.set_title(f"{test.backbone}, {test.strategy}, phase {test.phase}, on {test.backend}")
    axis.legend(loc="best", fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
