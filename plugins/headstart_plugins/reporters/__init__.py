"""The built-in reporters: `console`, `json`, `curves` and `html`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import ReporterSpec


@dataclass(frozen=True)
class ConsoleOptions:
    """How often a log that is no terminal hears of progress."""

    log_every: float = option(
        30.0, "Seconds between progress lines where stderr is no terminal.", low=0.0, high=86400.0
    )


@dataclass(frozen=True)
class CurvesOptions:
    """The size of the picture."""

    dpi: int = option(120, "Pixels per inch of curves.png, which is 11 inches wide.", low=50, high=600)


@dataclass(frozen=True)
class HtmlOptions:
    """What the report shows."""

    mistakes: int = option(
        12, "The most confident mistakes, or the largest errors, to show with their samples.", low=0, high=100
    )
    matrix_classes: int = option(
        30, "Largest number of classes for which the confusion matrix is drawn.", low=2, high=200
    )


@hookimpl
def register_reporters() -> Iterable[ReporterSpec]:
    """Offer the four reporters."""
    return [
        ReporterSpec(
            name="reporters/console",
            summary="Progress and results on stderr: live in a terminal, plain lines elsewhere.",
            options=ConsoleOptions,
            build="headstart_plugins.reporters._console:build",
            default=True,
        ),
        ReporterSpec(
            name="reporters/json",
            summary="One JSON document: the run, its phases, the history of every epoch, the result.",
            build="headstart_plugins.reporters._json:build",
            writes=("report/report.json",),
        ),
        ReporterSpec(
            name="reporters/curves",
            summary="Loss and validation metric per epoch, as a picture.",
            options=CurvesOptions,
            build="headstart_plugins.reporters._curves:build",
            default=True,
            writes=("report/curves.png",),
        ),
        ReporterSpec(
            name="reporters/html",
            summary="One self-contained page: results, curves, confusions, mistakes, how to repeat the run.",
            options=HtmlOptions,
            build="headstart_plugins.reporters._html:build",
            default=True,
            writes=("report/report.html",),
        ),
    ]
