"""The page of a comparison: one file without scripts, its plots inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib import resources
from typing import Any

from headstart.transfer.comparison.analysis import amount
from headstart.transfer.comparison.cells import labels_of
from headstart.transfer.comparison.plots import colours_of

TEMPLATE = "comparison.html.j2"
NOTHING = "\u2013"


def page(document: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The comparison's document as HTML; `pictures` are PNGs by name."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        figure=_figure,
        interval=_interval,
        amount=lambda value: amount(value, document["unit"]),
        share=lambda value: f"{100 * value:g} %",
        duration=_duration,
        times=lambda value: f"{value:.3g}x",
        words=lambda name: str(name).replace("_", " "),
    )
    template = environment.from_string((resources.files(__package__) / TEMPLATE).read_text(encoding="utf-8"))
    colours = colours_of(document)
    by_place = {(row["arm"], row["fraction"]): row for row in document["curves"]}
    return template.render(
        document=document,
        rows=by_place,
        colours=colours | {twin["name"]: colours[twin["twin"]] for twin in document["twins"]},
        pictures={name: base64.b64encode(content).decode("ascii") for name, content in pictures.items()},
        whole=document["fractions"][-1],
        labels=labels_of(document["fractions"][-1]),
    )


def _figure(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3g}"


def _interval(bounds: list[float] | None) -> str:
    return "" if not bounds else f"{_figure(bounds[0])} to {_figure(bounds[1])}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return NOTHING
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
