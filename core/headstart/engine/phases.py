"""Run a strategy's phases one after the other; prove after each that what was frozen did not move."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from headstart.engine.closed_form import ClosedFormPhase
from headstart.engine.frozen import count_trainable, hash_frozen, trainable_variables, verify_frozen
from headstart.engine.loop import GradientPhase, steps_per_epoch
from headstart.engine.network import Network
from headstart.engine.training import PhaseResult, Training, is_fresh
from headstart.eventlog import now
from headstart.events import PhaseDone, PhaseStarted
from headstart.specs import Phase

Solver = type[GradientPhase] | type[ClosedFormPhase]
SOLVERS: Mapping[str, Solver] = {
    "gradient": GradientPhase,
    "closed_form": ClosedFormPhase,
}


def cut_of(network: Network, phase: Phase) -> int:
    """The position of the lowest stage that learns; everything below is the frozen prefix."""
    return min(network.index(stage) for stage in phase.train)


def run_phases(phases: Sequence[Phase], training: Training) -> list[PhaseResult]:
    """Train. Raises DivergedError for a loss that is not finite, HeadstartError for a frozen weight that moved."""
    results: list[PhaseResult] = []
    for index, phase in enumerate(phases):
        results.append(_run_phase(phase, training, index=index, count=len(phases), done=results))
    return results


def _run_phase(phase: Phase, training: Training, *, index: int, count: int, done: Sequence[PhaseResult]) -> PhaseResult:
    started = time.monotonic()
    network = training.network
    cut = cut_of(network, phase)
    training.log.emit(_announcement(phase, training, index=index, count=count))
    frozen = hash_frozen(network, trainable_variables(network, phase.train))
    training.source.forget_other_cuts(cut)
    first_step = sum(result.steps for result in done)
    result = SOLVERS[phase.solver](phase, training, cut=cut, first_step=first_step).run()
    verified = verify_frozen(network, frozen, phase.name)
    training.log.emit(
        PhaseDone(
            time=now(),
            phase=phase.name,
            best_epoch=result.best_epoch,
            best=result.best,
            reason=result.reason,
            frozen_verified=verified,
            seconds=time.monotonic() - started,
        )
    )
    return result


def _announcement(phase: Phase, training: Training, *, index: int, count: int) -> PhaseStarted:
    network, cut = training.network, cut_of(training.network, phase)
    rows = len(training.source.data.indices("train"))
    gradient = phase.solver == "gradient"
    return PhaseStarted(
        time=now(),
        phase=phase.name,
        index=index,
        count=count,
        epochs=phase.epochs if gradient else len(phase.strengths),
        steps=phase.epochs * steps_per_epoch(rows, training.batch_size) if gradient else len(phase.strengths),
        solver=phase.solver,
        cut=network.names[cut],
        cached=network.names[:cut] if training.source.is_stored_in_training(cut, fresh=is_fresh(phase)) else (),
        trainable=count_trainable(network, phase.train),
        rates=dict(phase.rates),
    )
