"""`headstart lr`: the range test on the first gradient phase of a recipe. Nothing of it is kept but its answer.

Its rates are given as the setting that the user would give: `--learning-rate` is the rate of the backbone's topmost
stage, whichever stages learn.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import UsageError
from headstart.eventlog import EventLog
from headstart.events import Event, Progress
from headstart.rate_curve import LEAST, RateCurve, rising_rates
from headstart.recipe import Recipe
from headstart.registry import Registry
from headstart.runs.backend_errors import explained_backend_errors
from headstart.runs.folder import RunFolder
from headstart.runs.reporting import SampleView
from headstart.specs import HEAD, Phase, RateSetting, RunView
from headstart.timing import Stopwatch

if TYPE_CHECKING:
    from headstart.runs.fitting import Ready
    from headstart.runs.planning import Plan

OnProgress = Callable[[str, int, int], None]
"""Called with (activity, done, total)."""


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
    from headstart.runs.fitting import make_ready

    ready = make_ready(stated, registry)
    with explained_backend_errors(), tempfile.TemporaryDirectory(prefix="headstart-lr-") as folder:
        return _in_folder(ready, sweep, RunFolder(Path(folder)), on_progress)


def _in_folder(ready: Ready, sweep: RateRange, folder: RunFolder, on_progress: OnProgress) -> RateTest:
    from headstart.engine.features.export import Exporters
    from headstart.runs.fitting import plan_run, samples_of

    plans: list[Plan] = []
    view = SampleView(folder.path, lambda: samples_of(plans[0]))
    with (
        EventLog(folder.events, [("progress", _Listener(on_progress))], view) as log,
        Exporters(ready.registry) as exporters,
    ):
        plan = plan_run(
            ready, folder.scratch, lambda activity, done, total: log.progress(activity, done, total, "samples")
        )
        plans.append(plan)
        place = _tested_place(plan)
        setting = _setting(plan.phases[place], plan)
        from headstart.engine.train.lr_test import measure_rates
        from headstart.engine.train.phases import run_phases
        from headstart.runs.engines import open_extractor
        from headstart.runs.facts import blueprint_of
        from headstart.runs.opening import load_weights, training_of

        load_weights(plan)
        extractor = open_extractor(plan, blueprint_of(plan), exporters, folder.scratch, log.warn)
        training = training_of(plan, extractor, folder, log, Stopwatch(), None)
        run_phases(plan.phases[:place], training)
        values = rising_rates(sweep.low, sweep.high, sweep.steps)
        measured = measure_rates(plan.phases[place], training, values, planned=setting.value)
        resolved = plan.resolved
        return RateTest(
            curve=measured.curve,
            backend=plan.backend,
            backbone=resolved.backbone.name,
            strategy=resolved.strategy.short_name,
            phase=plan.phases[place].name,
            setting=setting.name,
            planned=setting.value,
            reason=measured.reason,
            warnings=(*plan.warnings, *log.warnings),
        )


def _tested_place(plan: Plan) -> int:
    """Which phase is tested: the first by gradient that trains the backbone, else the first that trains the head."""
    learning = [place for place, phase in enumerate(plan.phases) if phase.solver == "gradient"]
    of_backbone = [place for place in learning if set(plan.phases[place].train) != {HEAD}]
    if learning:
        return (of_backbone or learning)[0]
    strategy = plan.resolved.strategy.short_name
    raise UsageError(
        f"the strategy {strategy} solves for its head in closed form: there is no rate to choose",
        hint="test a strategy that learns by gradient, such as --strategy lp_ft, or another head: --head mlp",
    )


def _setting(phase: Phase, plan: Plan) -> RateSetting:
    if phase.rate_setting is not None:
        return phase.rate_setting
    raise UsageError(
        f"the rates of phase {phase.name!r} follow neither --learning-rate nor an option of the strategy "
        f"{plan.resolved.strategy.short_name}: there is no rate to choose",
        hint="choose another strategy, such as --strategy lp_ft, or tell its author",
    )


class _Listener:
    """A reporter that passes progress on."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress

    def on_event(self, event: Event, run: RunView) -> None:
        """See `Reporter`."""
        if isinstance(event, Progress):
            self._on_progress(event.activity, event.done, event.total)
