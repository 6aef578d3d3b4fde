"""Run a strategy's phases one after the other; prove after each that what was frozen did not move."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from functools import partial

from headstart.engine.checkpoints import OTHER_VERSION, Loaded
from headstart.engine.closed_form import ClosedFormPhase
from headstart.engine.learning import Learning, learning_of
from headstart.engine.loop import GradientPhase
from headstart.engine.machinery import steps_per_epoch
from headstart.engine.network.frozen import hash_frozen, verify_frozen
from headstart.engine.network.network import Network
from headstart.engine.optimizer import warmup_steps
from headstart.engine.surgical import pick_stages
from headstart.engine.training import PhaseResult, Place, Training, digest_of, digest_of_plan, is_fresh, results_of
from headstart.errors import HeadstartError
from headstart.eventlog import now
from headstart.events import PhaseDone, PhaseStarted
from headstart.specs import HEAD, Phase

PLAN_CHANGED = f"the strategy has changed since: {OTHER_VERSION}"
Solver = type[GradientPhase] | type[ClosedFormPhase]
SOLVERS: Mapping[str, Solver] = {
    "gradient": GradientPhase,
    "closed_form": ClosedFormPhase,
}


def cut_of(network: Network, phase: Phase) -> int:
    """The position of the lowest stage that learns; everything below is the frozen prefix."""
    return min(network.index(stage) for stage in phase.train)


def run_phases(phases: Sequence[Phase], training: Training, loaded: Loaded | None = None) -> list[PhaseResult]:
    """Train, from where `loaded` stands if it is given.

    Raises DivergedError for a loss that is not finite, HeadstartError for a frozen weight that moved, and
    InterruptedRunError after a signal.
    """
    first, within = 0, None
    if loaded is not None:
        first, within = _take_up(phases, training, loaded)
    for index in range(first, len(phases)):
        _run_phase(phases, index, training, loaded=within)
        within = None
    return training.results


def _take_up(phases: Sequence[Phase], training: Training, loaded: Loaded) -> tuple[int, Loaded | None]:
    """Stand where a checkpoint stands: the phase to run next, and the checkpoint itself where it is of its middle."""
    facts = loaded.facts
    index = int(facts["phase"])
    if index >= len(phases) or phases[index].name != facts["name"]:
        raise HeadstartError(
            f"the checkpoint is of phase {index + 1}, {facts['name']!r}; the recipe plans "
            f"{', '.join(phase.name for phase in phases)}",
            hint=PLAN_CHANGED,
        )
    if facts["plan"] != digest_of_plan(phases):
        raise HeadstartError(
            f"the checkpoint is of phases {', '.join(phase.name for phase in phases)} with other rates, epochs or "
            "options than the recipe plans now",
            hint=PLAN_CHANGED,
        )
    training.results[:] = results_of(facts["results"], loaded.group("answers"))
    training.changed.update(facts["changed"])
    training.restore_shared(loaded.groups)
    _verify_untouched(training.network, loaded)
    return (index + 1, None) if facts["complete"] else (index, loaded)


def _run_phase(phases: Sequence[Phase], index: int, training: Training, *, loaded: Loaded | None) -> None:
    started = time.monotonic()
    network, phase = training.network, phases[index]
    if loaded is None and phase.pick:
        phase = pick_stages(phase, training)
    elif loaded is not None:
        phase = _as_begun(phase, tuple(loaded.facts["train"]))
        training.assign_weights(loaded.group("start"))  # an adapter, and what weights are drawn to, begin there
    learning = learning_of(network, phase, seed=training.seed, batch_norm=training.batch_norm)
    cut = cut_of(network, phase)
    frozen = hash_frozen(network, learning.changed)
    steps = sum(result.steps for result in training.results)
    untouched = {name: digest for name, digest in frozen.items() if name not in training.changed}
    place = Place(index, cut, steps, digest_of(untouched), digest_of_plan(phases))
    if loaded is None:  # or it is among the events that the checkpoint counts
        training.log.emit(_announcement(phase, training, learning, place, count=len(phases)))
    training.source.forget_other_cuts(cut)
    conclude = partial(_conclude, training, Expected(learning.counts(network), frozen, started))
    SOLVERS[phase.solver](phase, training, learning, place).run(conclude, loaded)


def _as_begun(phase: Phase, train: tuple[str, ...]) -> Phase:
    """`phase` with the stages that it began with: those that were picked, where it picks."""
    rates = {stage: rate for stage, rate in phase.rates.items() if stage in train}
    return dataclasses.replace(phase, train=train, rates=rates, pick=0)


@dataclasses.dataclass(frozen=True)
class Expected:
    """What must hold at a phase's end: the numbers that learn, by stage, and the hashes of frozen weights, by name; it
    `started` at that second of the monotonic clock."""

    trainable: Mapping[str, int]
    frozen: Mapping[str, str]
    started: float


def _conclude(training: Training, expected: Expected, result: PhaseResult) -> None:
    """Prove that what was to learn did and nothing frozen moved, and say how the phase ended: before it is saved as
    complete, so that a run that goes on neither takes over what was not proven nor loses the word of it."""
    _verify_trained(expected.trainable, result)
    verified = verify_frozen(training.network, expected.frozen, result.phase)
    training.log.emit(
        PhaseDone(
            time=now(),
            phase=result.phase,
            best_epoch=result.best_epoch,
            best=result.best,
            reason=result.reason,
            frozen_verified=verified,
            seconds=time.monotonic() - expected.started,
            trained=result.trained,
        )
    )


def _verify_trained(trainable: Mapping[str, int], result: PhaseResult) -> None:
    """Raises HeadstartError naming each stage of which other numbers learned than were to."""
    stages = [*trainable, *(stage for stage in result.trained if stage not in trainable)]
    pairs = {stage: (trainable.get(stage, 0), result.trained.get(stage, 0)) for stage in stages}
    wrong = [
        f"{stage} ({found:,} instead of {wanted:,})" for stage, (wanted, found) in pairs.items() if found != wanted
    ]
    if wrong:
        raise HeadstartError(
            f"phase {result.phase!r} trained other numbers than it was to: {', '.join(wrong)}",
            hint="this is a bug in the strategy or the task that solved the head; please report it",
        )


def _verify_untouched(network: Network, loaded: Loaded) -> None:
    """A run that goes on does so on the very weights that it began with: those that its checkpoint does not hold."""
    if digest_of(hash_frozen(network, loaded.group("weights"))) != loaded.facts["untouched"]:
        raise HeadstartError(
            "the backbone's weights are not those that the run began with: what is frozen differs from the checkpoint",
            hint="restore the weights file, or start a new run in another folder",
        )


def _announcement(phase: Phase, training: Training, learning: Learning, place: Place, *, count: int) -> PhaseStarted:
    network = training.network
    rows = len(training.source.data.indices("train"))
    gradient = phase.solver == "gradient"
    per_epoch = steps_per_epoch(rows, training.batch_size)
    stored = training.source.is_stored_in_training(place.cut, fresh=is_fresh(phase))
    return PhaseStarted(
        time=now(),
        phase=phase.name,
        index=place.index,
        count=count,
        epochs=phase.epochs if gradient else len(phase.strengths),
        steps=len(phase.rate_factors) * phase.epochs * per_epoch if gradient else len(phase.strengths),
        solver=phase.solver,
        cut=network.names[place.cut],
        cached=network.names[: place.cut] if stored else (),
        trainable=learning.counts(network),
        adapted=learning.adapter.counts if learning.adapter else {},
        warmup=warmup_steps(phase.epochs * per_epoch, phase.warmup) if gradient else 0,
        rates={stage: rate for stage, rate in phase.rates.items() if stage in (*phase.train, HEAD)},
    )
