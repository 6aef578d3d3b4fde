"""A network: the input stage, the backbone's stages and the head, run one after the other.

Between stages travels a dict of named tensors: everything the stages above still need. A feature that a head asked for
is carried along under `@name` from the stage that gives it up to the head, its mask under `@name.mask`. Whatever else
is put in under `@` reaches the head untouched: it is an input of the head by the name behind the sign.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.specs.backbones import FeatureSpec, Stage, idle_stages
from headstart.specs.strategies import HEAD

TAP = "@"
MASK = ".mask"
"""Follows a feature's name in that of its mask."""


@dataclass(frozen=True)
class Network:
    """`stages`: the input stage first, the head last; `features`: what the head takes, each from a backbone stage."""

    stages: tuple[Stage, ...]
    features: tuple[FeatureSpec, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The stages' names, in the order they run."""
        return tuple(stage.name for stage in self.stages)

    @property
    def backbone(self) -> tuple[Stage, ...]:
        """The stages between the input stage and the head."""
        return self.stages[1:-1]

    @property
    def learned(self) -> tuple[Stage, ...]:
        """Every stage that holds weights of the model: the backbone's and the head."""
        return self.stages[1:]

    def index(self, stage: str) -> int:
        """The position of `stage` among `stages`."""
        return self.names.index(stage)

    @property
    def taps(self) -> dict[str, tuple[str, str]]:
        """What the backbone's stages give to the head: (stage, tensor) by the head's name for it."""
        found = {}
        for feature in self.features:
            found[feature.name] = (feature.stage, feature.tensor)
            if feature.mask is not None:
                found[feature.name + MASK] = (feature.stage, feature.mask)
        return found

    @property
    def idle(self) -> tuple[str, ...]:
        """The backbone's stages above the last one that gives the head something: no answer depends on them."""
        return idle_stages(self.names[:-1], self.features)

    def alive(self, cut: int) -> dict[str, Any]:
        """Symbolic tensors, batch axis first, of everything that stages from `cut` on still need, as `run` names it."""
        below = {stage.name: stage for stage in self.stages[:cut]}
        above = self.stages[cut]
        wanted = {} if above.name == HEAD else dict(above.model.input)
        taps = {
            TAP + name: below[stage].model.output[tensor]
            for name, (stage, tensor) in self.taps.items()
            if stage in below
        }
        return {**wanted, **taps}

    def length_axes(self, cut: int) -> dict[str, int]:
        """The axis, without the batch axis, that is as long as the rows of a batch are, of each tensor alive at `cut`
        that has one: the first whose size was left open."""
        open_axes = {
            name: [place for place, size in enumerate(tensor.shape[1:]) if size is None]
            for name, tensor in self.alive(cut).items()
        }
        return {name: places[0] for name, places in open_axes.items() if places}

    def run(
        self,
        tensors: Mapping[str, Any],
        start: int,
        stop: int,
        *,
        training: Container[str] = (),
        call: Callable[[Any, Mapping[str, Any]], Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Run stages `start` to `stop` - 1 on backend tensors, batch axis first; returns what is alive afterwards.

        The stages named in `training` run in training mode. That is the head alone where nothing else is said:
        BatchNorm statistics of a pretrained backbone stay as they are, whether or not its weights learn. In inference
        mode alone, `call` can run a stage's model on its tensors in another way.
        """
        # It imports Keras, for which the backend is chosen after this file was read.
        from headstart.engine.network.liveness import let_go

        alive = dict(tensors)
        for place, stage in enumerate(self.stages[start:stop], start):
            prefix = TAP if stage.name == HEAD else ""
            wanted = {name: alive[prefix + name] for name in stage.model.input}
            let_go(stage.model)
            outputs = dict(call(stage.model, wanted) if call else stage.model(wanted, training=stage.name in training))
            if stage.name == HEAD:
                return outputs
            taps = {name: tensor for name, tensor in alive.items() if name.startswith(TAP)}
            taps |= {TAP + name: outputs[tensor] for name, (giver, tensor) in self.taps.items() if giver == stage.name}
            above = self.stages[place + 1]
            needed = {} if above.name == HEAD else {name: outputs[name] for name in above.model.input}
            alive = needed | taps
        return alive


def choose_features(offered: Sequence[FeatureSpec], wanted: Sequence[str]) -> tuple[FeatureSpec, ...]:
    """The offered features by the names a head asks for. Raises KeyError naming one that is not offered."""
    by_name = {feature.name: feature for feature in offered}
    return tuple(by_name[name] for name in wanted)
