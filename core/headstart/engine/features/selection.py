"""Which engine runs a prefix: the one that was asked for, or the fastest installed one that is worth its start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.engine.features.prefix import Measured, Opened, Prefixes
from headstart.errors import EngineRefusal
from headstart.specs import AUTO, EngineSpec

NATIVE = "native"
WORTH = 2.0
"""An engine that is not known yet is tried where what remains takes so many times its start."""


@dataclass(frozen=True)
class Chosen:
    """The engine and precision of a run, the threads it may use, and what was measured of each that was tried.

    `refused` says of those that could not be taken why.
    """

    engine: EngineSpec
    precision: str
    threads: int
    measured: Mapping[str, Measured]
    refused: Mapping[str, str]


@dataclass(frozen=True)
class Choice:
    """What is asked: an engine (None: the best), a precision (`auto`: the fastest whose answers stay within its bound),
    and how many `rows` will pass through the first `stop` stages."""

    engine: EngineSpec | None
    precision: str
    stop: int
    rows: int


def repays(spec: EngineSpec, rows: int, rate: float) -> bool:
    """Whether starting `spec` is worth it for `rows` samples that could run at `rate` samples a second without it."""
    return rows / rate > WORTH * spec.startup


def choose_engine(choice: Choice, prefixes: Prefixes, offered: Sequence[EngineSpec]) -> Chosen:
    """Decide. Raises EngineRefusal where an engine that was named cannot do it, or differs too much."""
    trial = _Trial(choice, prefixes)
    if choice.engine is not None:
        precision = trial.named(choice.engine)
        return trial.chosen(choice.engine, precision)
    ranked = [spec for spec in offered if not spec.missing]
    for spec in sorted(ranked, key=lambda spec: (spec.startup, spec.name)):
        trial.consider(spec)
    return trial.best(ranked)


class _Trial:
    """Engines that were tried so far."""

    def __init__(self, choice: Choice, prefixes: Prefixes) -> None:
        self._choice, self._prefixes = choice, prefixes
        self._measured: dict[tuple[str, str], Measured] = {}
        self._refused: dict[str, str] = {}

    def named(self, spec: EngineSpec) -> str:
        """The precision in which a named engine is taken; its refusal is the user's error."""
        wanted = self._precisions(spec)
        for precision in wanted[:-1]:
            try:
                self._try(spec, precision)
            except EngineRefusal as exc:
                self._refused[f"{spec.short_name} {precision}"] = exc.message
            else:
                return precision
        self._try(spec, wanted[-1])
        return wanted[-1]

    def consider(self, spec: EngineSpec) -> None:
        """Try an engine where that is worth its start; a refusal is kept."""
        for precision in self._precisions(spec):
            if not self._is_worth(spec):
                return
            try:
                self._try(spec, precision)
            except EngineRefusal as exc:
                self._refused[f"{spec.short_name} {precision}"] = exc.message
            else:
                return

    def best(self, offered: Sequence[EngineSpec]) -> Chosen:
        """The fastest of those that were tried."""
        if not self._measured:
            reasons = "; ".join(self._refused.values()) or "none is installed"
            raise EngineRefusal(f"no engine can run this network: {reasons}", hint="try --precision float32")
        name, precision = max(self._measured, key=lambda tried: self._measured[tried].rate)
        return self.chosen(next(spec for spec in offered if spec.name == name), precision)

    def chosen(self, spec: EngineSpec, precision: str) -> Chosen:
        """The answer, with everything that was measured."""
        measured = {f"{name.rpartition('/')[2]} {kind}": each for (name, kind), each in self._measured.items()}
        return Chosen(spec, precision, self._prefixes.threads, measured, self._refused)

    def _precisions(self, spec: EngineSpec) -> tuple[str, ...]:
        if self._choice.precision != AUTO:
            return (self._choice.precision,)
        return tuple(each for each in ("bfloat16", "float32") if each in spec.precisions)

    def _is_worth(self, spec: EngineSpec) -> bool:
        if not self._measured or spec.startup == 0.0 or self._prefixes.known(spec, self._choice.stop):
            return True
        return repays(spec, self._choice.rows, max(each.rate for each in self._measured.values()))

    def _try(self, spec: EngineSpec, precision: str) -> None:
        if precision not in spec.precisions:
            raise EngineRefusal(
                f"{spec.name} does not compute in {precision}", hint=f"it knows {', '.join(spec.precisions)}"
            )
        opened: Opened = self._prefixes.open(spec, self._choice.stop, precision)
        self._measured[(spec.name, precision)] = self._prefixes.measure(spec, opened, self._choice.stop)


def plain(chosen: Chosen) -> dict[str, Any]:
    """What result.json says about the engine."""
    return {
        "name": chosen.engine.short_name,
        "precision": chosen.precision,
        "threads": chosen.threads,
        "measured": {
            name: {"samples_per_second": each.rate, "largest_difference": each.largest, "relative": each.relative}
            for name, each in chosen.measured.items()
        },
        "refused": dict(chosen.refused),
    }
