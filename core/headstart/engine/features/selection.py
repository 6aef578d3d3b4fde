"""Which engine runs a prefix: the one that was asked for, or the fastest installed one that is worth its start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headstart.engine.features.decision import EngineDecision, Measured
from headstart.engine.features.extractor import FeatureExtractor
from headstart.engine.precision import FLOAT32
from headstart.errors import EngineRefusal
from headstart.specs import AUTO, EngineSpec

WORTH = 2.0
"""An engine that is not known yet is tried where what remains takes so many times its start."""


@dataclass(frozen=True)
class Workload:
    """What is to be computed: `rows` samples through the first `stop` stages; then `answers` about raw samples through
    all of them, whose weights are other ones by then where `changes`."""

    stop: int
    rows: int
    answers: int = 0
    changes: bool = True


def repays(spec: EngineSpec, rows: int, rate: float) -> bool:
    """Whether starting `spec` is worth it for `rows` samples that could run at `rate` samples a second without it."""
    return rows / rate > WORTH * spec.startup


def decide(
    extractor: FeatureExtractor,
    engine: EngineSpec | None,
    precision: str,
    work: Workload,
    *,
    offered: Sequence[EngineSpec] | None = None,
) -> FeatureExtractor:
    """`extractor` with a decision: `engine` (None: the best) in `precision` (`auto`: the fastest whose answers stay
    within its bound). `offered` are the engines to choose among, without it all that plugins offer.

    Where the fast layers do not answer as Keras' own do on this network, it has those: deep networks of random weights
    magnify rounding beyond what is allowed. Raises EngineRefusal where an engine that was named cannot do it, or
    differs too much.
    """
    native = extractor.native
    among = extractor.registry.specs("engines") if offered is None else offered
    try:
        decision = _Trial(extractor, precision, work).decide(engine, among)
        refusal = decision.refused.get(f"{native.short_name} {FLOAT32}")
    except EngineRefusal as exc:
        if engine not in (None, native) or extractor.has_stock_layers:
            raise
        refusal = exc.message
    if refusal is None or extractor.has_stock_layers:
        return replace(extractor, decision=decision)
    extractor.place.warn(f"{refusal}; layers as Keras has them are used instead of faster ones")
    extractor = replace(extractor, fast=extractor.stock)
    return replace(extractor, decision=_Trial(extractor, precision, work).decide(engine, among))


class _Trial:
    """Engines that were tried so far."""

    def __init__(self, extractor: FeatureExtractor, precision: str, work: Workload) -> None:
        self._extractor, self._precision, self._work = extractor, precision, work
        self._measured: dict[tuple[str, str], Measured] = {}
        self._refused: dict[str, str] = {}

    def decide(self, engine: EngineSpec | None, offered: Sequence[EngineSpec]) -> EngineDecision:
        """For `engine`, or where that is None for the fastest of those `offered` that are worth their start."""
        if engine is not None:
            return self._decision(engine, self._named(engine))
        installed = [spec for spec in offered if not spec.missing]
        for spec in sorted(installed, key=lambda spec: (spec.startup, spec.name)):
            for precision in self._precisions(spec):
                if not self._is_worth(spec) or self._can(spec, precision):
                    break
        if not self._measured:
            reasons = "; ".join(self._refused.values()) or "none is installed"
            hint = "try --precision float32"
            if self._precision == FLOAT32:
                hint = "published weights and larger samples magnify rounding less than random weights and small ones"
            raise EngineRefusal(f"no engine can run this network: {reasons}", hint=hint)
        name, precision = max(self._measured, key=lambda tried: self._measured[tried].rate)
        return self._decision(self._extractor.registry.get("engines", name), precision)

    def _named(self, spec: EngineSpec) -> str:
        """The precision in which a named engine is taken; its refusal is the user's error."""
        wanted = self._precisions(spec)
        for precision in wanted[:-1]:
            if self._can(spec, precision):
                return precision
        self._try(spec, wanted[-1])
        return wanted[-1]

    def _decision(self, spec: EngineSpec, precision: str) -> EngineDecision:
        """With everything that was measured, and whether a graph of the artefact pays: it does where the engine was
        asked for by name, and costs nothing where the features' graph is of the same weights."""
        measured = {f"{name.rpartition('/')[2]} {kind}": each for (name, kind), each in self._measured.items()}
        native = measured.get(f"{self._extractor.native.short_name} {FLOAT32}")
        pays = native is None or not self._work.changes or repays(spec, self._work.answers, native.rate)
        return EngineDecision(
            engine=spec.name,
            precision=precision,
            threads=self._extractor.place.threads,
            native_rate=native.rate if native else None,
            stock_layers=self._extractor.has_stock_layers,
            exports=spec.name != self._extractor.native.name and pays,
            measured=measured,
            refused=self._refused,
        )

    def _precisions(self, spec: EngineSpec) -> tuple[str, ...]:
        if self._precision != AUTO:
            return (self._precision,)
        return tuple(each for each in ("bfloat16", "float32") if each in spec.precisions)

    def _is_worth(self, spec: EngineSpec) -> bool:
        if not self._measured or spec.startup == 0.0 or self._extractor.known(spec, self._work.stop):
            return True
        return repays(spec, self._work.rows, max(each.rate for each in self._measured.values()))

    def _can(self, spec: EngineSpec, precision: str) -> bool:
        try:
            self._try(spec, precision)
        except EngineRefusal as exc:
            self._refused[f"{spec.short_name} {precision}"] = exc.message
            return False
        return True

    def _try(self, spec: EngineSpec, precision: str) -> None:
        if precision not in spec.precisions:
            raise EngineRefusal(
                f"{spec.name} does not compute in {precision}", hint=f"it knows {', '.join(spec.precisions)}"
            )
        opened = self._extractor.open_in(spec, self._work.stop, precision)
        self._measured[(spec.name, precision)] = self._extractor.measure(spec, opened, self._work.stop)
