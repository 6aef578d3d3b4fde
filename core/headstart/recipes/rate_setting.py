"""The setting that the rates of a phase follow, found by planning at other values of it: no plan says what it read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from headstart.recipes.unused_options import Build, built, with_option
from headstart.specs import StrategyRequest

Rates = Mapping[str, float]
LEARNING_RATE = "--learning-rate"


@dataclass(frozen=True)
class RateSetting:
    """What all rates of a phase are in proportion to: `--learning-rate`, or an option such as `strategy.head_rate`.

    At `value` the phase has the rates that are planned; the user need not have set it.
    """

    name: str
    value: float


def rate_setting(build: Build, request: StrategyRequest, place: int) -> RateSetting | None:
    """The setting of the phase at `place`: the learning rate, else the first such number among the strategy's options.

    None where the rates are in proportion to none of them.
    """
    planned = _rates(build, request, place)
    for name, changed in _settings(request):
        value = _ratio(planned, _rates(build, changed(1.0), place))
        half = None if value is None else _ratio(planned, _rates(build, changed(2 * value), place))
        if value is not None and half is not None and math.isclose(half, 0.5):
            return RateSetting(name, value)
    return None


def _settings(request: StrategyRequest) -> Iterator[tuple[str, Callable[[float], StrategyRequest | None]]]:
    """Each setting's name, and the request at another value of it."""
    yield LEARNING_RATE, lambda value: dataclasses.replace(request, learning_rate=value)
    for option in dataclasses.fields(request.options):
        if isinstance(getattr(request.options, option.name), float):
            yield f"strategy.{option.name}", partial(with_option, request, option.name)


def _rates(build: Build, request: StrategyRequest | None, place: int) -> Rates:
    """The rates that are planned; none where the strategy refuses the request, or plans fewer phases."""
    phases = (request and built(build, request)) or ()
    return phases[place].rates if place < len(phases) else {}


def _ratio(rates: Rates, others: Rates) -> float | None:
    """What each of `others` times it is that of `rates`, but for rounding; None where it differs by stage."""
    if not rates or rates.keys() != others.keys() or min(others.values()) <= 0:
        return None
    ratios = [rate / others[stage] for stage, rate in rates.items()]
    return ratios[0] if all(math.isclose(ratio, ratios[0], rel_tol=1e-9) for ratio in ratios) else None
