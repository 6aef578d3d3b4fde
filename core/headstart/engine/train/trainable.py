"""What a phase changes: the variables that its updates move, and the network's weights that may differ afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from headstart.engine.network.frozen import is_statistic, trainable_variables
from headstart.engine.network.lora import LowRankAdapter
from headstart.engine.network.network import Network
from headstart.engine.network.stages import name_variables
from headstart.errors import UsageError
from headstart.specs import HEAD, Phase

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
        counts = {stage.name: 0 for stage in network.learned}
        for name, variable in self.variables.items():
            counts[name.partition("/")[0]] += int(np.prod(variable.shape))
        return counts


def select_trainable(network: Network, phase: Phase, *, seed: int, batch_norm: str) -> Trainable:
    """What `phase` changes. Raises UsageError where its roles or its adapter match no weight of the backbone."""
    everything = trainable_variables(network, phase.train)
    _verify_weights(network, phase)
    head = {name: variable for name, variable in everything.items() if _is_of_head(name)}
    backbone = {name: variable for name, variable in everything.items() if not _is_of_head(name)}
    if phase.roles:
        backbone = {name: variable for name, variable in backbone.items() if _role(name).startswith(phase.roles)}
        _verify_some(backbone, phase)
    moved = _statistics(network, phase) if batch_norm == TRAINABLE else {}
    training = frozenset({HEAD, *phase.train} if batch_norm == TRAINABLE else {HEAD})
    if phase.adapter is None:
        learned = {**backbone, **head}
        return Trainable(learned, {**learned, **moved}, None, training)
    adapter = LowRankAdapter(backbone, phase.adapter, seed=seed)
    return Trainable({**adapter.factors, **head}, {**adapter.adapted, **head, **moved}, adapter, training)


def expected_counts(network: Network, phase: Phase, *, batch_norm: str) -> dict[str, int]:
    """The numbers that `phase` would learn, by stage, before anything has run; of stages to pick from, those of all.

    Raises UsageError as `select_trainable` does.
    """
    return select_trainable(network, phase, seed=0, batch_norm=batch_norm).counts(network)


def _statistics(network: Network, phase: Phase) -> dict[str, keras.Variable]:
    named = name_variables(network.backbone)
    return {n: v for n, v in named.items() if n.partition("/")[0] in phase.train and is_statistic(n)}


def _is_of_head(name: str) -> bool:
    return name.partition("/")[0] == HEAD


def _role(name: str) -> str:
    return name.rpartition("/")[2]


def _verify_weights(network: Network, phase: Phase) -> None:
    """A phase that trains stages of the backbone finds weights in some of them."""
    stages = [stage for stage in phase.train if stage != HEAD]
    if stages and not trainable_variables(network, stages):
        raise UsageError(
            f"phase {phase.name!r} trains {', '.join(stages)}, which hold no weights",
            hint="name other stages with --train, or choose another strategy",
        )


def _verify_some(found: Mapping[str, keras.Variable], phase: Phase) -> None:
    stages = [stage for stage in phase.train if stage != HEAD]
    if stages and not found:
        raise UsageError(
            f"phase {phase.name!r} trains the {' and '.join(phase.roles)} of {', '.join(stages)}, which have none",
            hint="name other stages with --train, or choose another strategy",
        )
