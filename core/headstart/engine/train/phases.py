"""Run a strategy's phases one after the other; prove after each that what was frozen did not move."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from headstart.engine.closed_form import ClosedFormPhase
from headstart.engine.network.network import Network
from headstart.engine.network.stages import hash_frozen, verify_frozen
from headstart.engine.train.bn_stats import following
from headstart.engine.train.checkpoints import OTHER_VERSION, Loaded
from headstart.engine.train.context import Place, TrainContext, digest_of, digest_of_plan, is_fresh
from headstart.engine.train.optimizer import Schedule
from headstart.engine.train.state import PhaseResult, known
from headstart.engine.train.surgical import pick_stages, with_stages
from headstart.engine.train.trainable import Trainable, select_trainable
from headstart.engine.train.trainer import Trainer, steps_per_epoch
from headstart.errors import HeadstartError
from headstart.events import PhaseDone, PhaseStarted
from headstart.specs import HEAD, Phase

PLAN_CHANGED = f"the strategy has changed since: {OTHER_VERSION}"


def cut_of(network: Network, phase: Phase) -> int:
    """The position of the lowest stage that learns; everything below is the frozen prefix."""
    return min(network.index(stage) for stage in phase.train)


def run_phases(phases: Sequence[Phase], context: TrainContext, loaded: Loaded | None = None) -> list[PhaseResult]:
    """Train, from where `loaded` stands if it is given.

    Raises DivergedError for a loss that is not finite, HeadstartError for a frozen weight that moved, and
    InterruptedRunError after a signal.
    """
    first, within = 0, None
    if loaded is not None:
        first, within = _take_up(phases, context, loaded)
    for index in range(first, len(phases)):
        _run_phase(phases, index, context, loaded=within if index == first else None)
    return context.results


def _take_up(phases: Sequence[Phase], context: TrainContext, loaded: Loaded) -> tuple[int, Loaded | None]:
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
    context.results[:] = [PhaseResult.of(each) for each in facts["results"]]
    context.changed.update(facts["changed"])
    context.restore_shared(loaded.groups)
    # A run goes on on the very weights that it began with: those that its checkpoint does not hold.
    if facts["untouched"] != digest_of(hash_frozen(context.network, loaded.group("weights"))):
        raise HeadstartError(
            "the backbone's weights are not those that the run began with: what is frozen differs from the checkpoint",
            hint="restore the weights file, or start a new run in another folder",
        )
    return (index + 1, None) if facts["complete"] else (index, loaded)


def _run_phase(phases: Sequence[Phase], index: int, context: TrainContext, *, loaded: Loaded | None) -> None:
    started = time.monotonic()
    network, phase = context.network, phases[index]
    if loaded is None:
        phase = pick_stages(phase, context)
    else:
        phase = with_stages(phase, loaded.facts["train"])  # those that were picked, where it picks
        context.assign_weights(loaded.group("start"))  # an adapter, and what weights are drawn to, begin there
    trainable = select_trainable(network, phase, seed=context.seed, batch_norm=context.batch_norm)
    cut = cut_of(network, phase)
    frozen = hash_frozen(network, trainable.changed)
    steps = sum(result.steps for result in context.results)
    untouched = {name: digest for name, digest in frozen.items() if name not in context.changed}
    place = Place(index, cut, steps, digest_of(untouched), digest_of_plan(phases), index == len(phases) - 1)
    if loaded is None:  # or it is among the events that the checkpoint counts
        context.log.emit(_announcement(phase, context, trainable, place, count=len(phases)))
    context.source.forget_other_cuts(cut)

    def conclude(result: PhaseResult) -> None:
        """Prove that what was to learn did and nothing frozen moved, and say how the phase ended: before it is saved as
        complete, so that a run that goes on neither takes over what was not proven nor loses the word of it."""
        _verify_trained(trainable.counts(network), result)
        verified = verify_frozen(network, frozen, result.phase)
        context.log.emit(
            PhaseDone(
                phase=result.phase,
                best_epoch=result.best_epoch,
                best=known(result.best),
                reason=result.reason,
                frozen_verified=verified,
                seconds=time.monotonic() - started,
                trained=result.trained,
            )
        )

    solver: type[Trainer] | type[ClosedFormPhase] = Trainer if phase.solver == "gradient" else ClosedFormPhase
    per_epoch = steps_per_epoch(len(context.source.data.indices("train")), context.batch_size)
    with following((network, context.fast), trainable.training, phase.epochs * per_epoch):
        solver(phase, context, trainable, place).run(conclude, loaded)


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


def _announcement(
    phase: Phase, context: TrainContext, trainable: Trainable, place: Place, *, count: int
) -> PhaseStarted:
    network = context.network
    rows = len(context.source.data.indices("train"))
    gradient = phase.solver == "gradient"
    per_epoch = steps_per_epoch(rows, context.batch_size)
    stored = context.source.is_stored_in_training(place.cut, fresh=is_fresh(phase))
    return PhaseStarted(
        phase=phase.name,
        index=place.index,
        count=count,
        epochs=phase.epochs if gradient else len(phase.strengths),
        steps=len(phase.rate_factors) * phase.epochs * per_epoch if gradient else len(phase.strengths),
        solver=phase.solver,
        cut=network.names[place.cut],
        cached=network.names[: place.cut] if stored else (),
        trainable=trainable.counts(network),
        adapted=trainable.adapter.counts if trainable.adapter else {},
        warmup=Schedule(phase.epochs * per_epoch, phase.warmup).rising if gradient else 0,
        optimizer=phase.optimizer if gradient else None,
        momentum=phase.momentum,
        schedule=phase.schedule if gradient else None,
        rates={stage: rate for stage, rate in phase.rates.items() if stage in (*phase.train, HEAD)},
    )
