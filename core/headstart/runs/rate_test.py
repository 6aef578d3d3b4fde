"""`headstart lr`: the range test on the first gradient phase of a recipe. Nothing of it is kept but its answer.

Its rates are given as the setting that the user would give: `--learning-rate` is the rate of the backbone's topmost
stage, whichever stages learn.
"""

from __future__ import annotations

import dataclasses
import io
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import UsageError
from headstart.eventlog import EventLog
from headstart.events import Event, Progress
from headstart.rate_curve import LEAST, RateCurve
from headstart.recipe import Recipe
from headstart.recipes.resolve import make_ready
from headstart.registry import Registry
from headstart.runs.fitting import explained_backend_errors
from headstart.runs.folder import RunFolder
from headstart.runs.planning import Plan, make_plan
from headstart.runs.reporting import SampleView
from headstart.specs import HEAD, RunView
from headstart.timing import Stopwatch

OnProgress = Callable[[str, int, int], None]
"""Called with (activity, done, total)."""
RAW, SMOOTHED, SUGGESTED, PLANNED = "#b9c2cb", "#0b6fb8", "#d1495b", "#27313b"
"""Colours of the plot."""


@dataclass(frozen=True)
class RateRange:
    """`steps` rates from `low` to `high`. Raises UsageError where they make no range."""

    low: float = 1e-7
    high: float = 1.0
    steps: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise UsageError(
                f"rates cannot rise from --from {self.low:g} to --to {self.high:g}",
                hint="give two rates above 0, the lower one first",
            )
        if self.steps < LEAST:
            raise UsageError(f"--steps {self.steps} are too few to see a curve", hint=f"give {LEAST} or more")


@dataclass(frozen=True)
class RateTest:
    """A curve over values of the `setting` that the rates of `phase` follow; `planned` is the recipe's own."""

    curve: RateCurve
    backend: str
    backbone: str
    strategy: str
    phase: str
    setting: str
    planned: float
    reason: str
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """What `headstart lr --json` prints."""
        curve, least = self.curve, self.curve.least
        return {
            **{each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "curve"},
            "warnings": list(self.warnings),
            "suggestion": curve.steepest,
            "flat": curve.is_flat,
            "minimum": None if least is None else float(curve.rates[least]),
            "tenth_of_minimum": curve.tenth,
            "points": [
                {"rate": float(rate), "loss": float(loss), "smoothed": float(smooth)}
                for rate, loss, smooth in zip(curve.rates, curve.losses, curve.smoothed, strict=True)
            ],
        }


def rate_test(
    stated: Recipe,
    registry: Registry,
    sweep: RateRange,
    *,
    on_progress: OnProgress = lambda _activity, _done, _total: None,
) -> RateTest:
    """Plan `stated`, run the phases before the first that trains the backbone by gradient, and test rates from there.

    Raises UsageError where no phase learns by gradient or no setting chooses its rates, and the errors of a run.
    """
    from headstart.engine.features.export import Exporters

    ready = make_ready(stated, registry)
    with explained_backend_errors(), tempfile.TemporaryDirectory(prefix="headstart-lr-") as path:
        folder = RunFolder(Path(path))
        view = SampleView(folder.path, lambda: (plan.records, plan.kind))  # once there is a plan
        with (
            EventLog(folder.events, [("progress", _Listener(on_progress))], view) as log,
            Exporters(registry) as exporters,
        ):
            plan = make_plan(
                ready, folder.scratch, on_progress=lambda done, total: log.progress("read", done, total, "samples")
            )
            resolved, place = plan.resolved, _tested_place(plan)
            phase = plan.phases[place]
            setting = phase.rate_setting
            if setting is None:
                raise UsageError(
                    f"the rates of phase {phase.name!r} follow neither --learning-rate nor an option of the strategy "
                    f"{resolved.strategy.short_name}: there is no rate to choose",
                    hint="choose another strategy, such as --strategy lp_ft, or tell its author",
                )
            from headstart.engine.train.lr_test import measure_rates  # imports keras: after its backend was chosen
            from headstart.engine.train.phases import run_phases
            from headstart.runs.execution import load_weights, open_extractor, training_of

            load_weights(plan)
            extractor = open_extractor(plan, exporters, log.warn)
            training = training_of(plan, extractor, folder, log, Stopwatch(), None)
            run_phases(plan.phases[:place], training)
            values = np.geomspace(sweep.low, sweep.high, sweep.steps)
            measured = measure_rates(phase, training, values, planned=setting.value)
            return RateTest(
                curve=measured.curve,
                backend=plan.backend,
                backbone=resolved.backbone.name,
                strategy=resolved.strategy.short_name,
                phase=phase.name,
                setting=setting.name,
                planned=setting.value,
                reason=measured.reason,
                warnings=(*(told.message for told in plan.findings if told.level == "warning"), *log.warnings),
            )


def _tested_place(plan: Plan) -> int:
    """Which phase is tested: the first by gradient that trains the backbone, else the first that trains the head."""
    learning = [place for place, phase in enumerate(plan.phases) if phase.solver == "gradient"]
    of_backbone = [place for place in learning if set(plan.phases[place].train) != {HEAD}]
    if learning:
        return (of_backbone or learning)[0]
    strategy, does = plan.resolved.strategy.short_name, "solves for its head in closed form"
    raise UsageError(
        f"the strategy {strategy} {does if plan.phases else 'trains nothing'}: there is no rate to choose",
        hint="test a strategy that learns by gradient, such as --strategy lp_ft, or another head: --head mlp",
    )


@dataclass(frozen=True)
class _Listener:
    """A reporter that passes progress on."""

    on_progress: OnProgress

    def on_event(self, event: Event, run: RunView) -> None:
        """See `Reporter`."""
        if isinstance(event, Progress):
            self.on_progress(event.activity, event.done, event.total)


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
