"""The reporter `attributions`: which tokens the answers of a run on texts depend on, by integrated gradients.

headstart report RUN --reporter attributions
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import ReporterSpec

PAGE, DOCUMENT = "attributions.html", "attributions.json"


@dataclass(frozen=True)
class AttributionOptions:
    """Which answers are explained, and how exactly."""

    mistakes: int = option(8, "The most confident mistakes to explain.", low=0, high=200)
    right: int = option(4, "The most confident right answers to explain.", low=0, high=200)
    steps: int = option(32, "Points at which gradients are taken, from the baseline to the sample.", low=4, high=4096)


@hookimpl
def register_reporters() -> Iterable[ReporterSpec]:
    """Offer the reporter."""
    return [
        ReporterSpec(
            name="attributions/attributions",
            summary="Which tokens of a text its answer depends on: integrated gradients of the surest mistakes.",
            options=AttributionOptions,
            build="headstart_plugins.attributions._build:build",
            writes=(f"report/{PAGE}", f"report/{DOCUMENT}"),
        )
    ]
