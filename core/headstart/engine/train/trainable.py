"""What a phase changes: the variables that its updates move, and the network's weights that may differ afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from headstart.engine.network.lora import LowRankAdapter
from headstart.engine.network.network import Network
from headstart.engine.network.stages import (
    count_by_stage,
    is_statistic,
    name_variables,
    normalisation_weights,
    trainable_variables,
)
from headstart.errors import UsageError
from headstart.specs import HEAD, NORM, Phase

TRAINABLE = "trainable"
"""The policy under which the statistics of the backbone's BatchNorm layers move."""


@dataclass(frozen=True)
class Trainable:
    """`variables` are what updates move, by name: weights of the network, or an adapter's factors.

    `changed` are the network's weights that may differ after the phase; all others are frozen. `training` are the
    stages that run in training mode.
    """

    variables: Mapping[str, keras.Variable]
    changed: Mapping[str, keras.Variable]
    adapter: LowRankAdapter | None
    training: frozenset[str]

    def write(self) -> None:
        """Put what was learned into the network's weights: an adapter's updates are merged."""
        if self.adapter is not None:
            self.adapter.write()

    def counts(self, network: Network) -> dict[str, int]:
        """Learned numbers by stage, every stage named, 0 where it is frozen."""
        return count_by_stage(network, self.variables)


def select_trainable(network: Network, phase: Phase, *, seed: int, batch_norm: str) -> Trainable:
    """What `phase` changes. Raises UsageError where its roles or its adapter match no weight of the backbone, and where
    it trains a head alone in which nothing can learn."""
    stages = [stage for stage in phase.train if stage != HEAD]
    head, backbone = trainable_variables(network, (HEAD,)), trainable_variables(network, stages)
    listed = ", ".join(stages)
    others = any(stage.name not in phase.train for stage in network.learned)
    _verify_some(backbone, phase, f"{listed}, which hold no weights that the head depends on", others=others)
    if not head and not stages:
        raise UsageError(
            f"phase {phase.name!r} trains the head alone, and all of it is frozen",
            hint="let a part of it learn, or --strategy full, which trains what lies below it as well",
        )
    if phase.roles:
        norms = normalisation_weights(network, stages) if NORM in phase.roles else frozenset()
        roles = tuple(role for role in phase.roles if role != NORM)
        backbone = {n: v for n, v in backbone.items() if id(v) in norms or n.rpartition("/")[2].startswith(roles)}
        _verify_some(backbone, phase, f"the {' and '.join(phase.roles)} of {listed}, which have none", others=others)
    moved: dict[str, keras.Variable] = {}
    training = frozenset({HEAD})
    if batch_norm == TRAINABLE:
        named = name_variables(network.backbone)
        moved = {n: v for n, v in named.items() if n.partition("/")[0] in stages and is_statistic(n)}
        training |= {*stages}
    if phase.adapter is None:
        learned = {**backbone, **head}
        return Trainable(learned, {**learned, **moved}, None, training)
    adapter = LowRankAdapter({**backbone, **head} if phase.adapter.head else backbone, phase.adapter, seed=seed)
    head = {name: variable for name, variable in head.items() if name not in adapter.adapted}
    return Trainable({**adapter.factors, **head}, {**adapter.adapted, **head, **moved}, adapter, training)


def _verify_some(found: Mapping[str, keras.Variable], phase: Phase, trains: str, *, others: bool) -> None:
    """Raises UsageError where a phase that `trains` stages of the backbone finds no such weights in them; it has
    `others`, which the hint then names."""
    if not found and {*phase.train} - {HEAD}:
        more = "let more stages learn, by --train or by an option that the strategy has, or "
        raise UsageError(
            f"phase {phase.name!r} trains {trains}", hint=f"{more if others else ''}choose another strategy"
        )
