"""The trained model as data only: no code, no pickle, nothing that names a Python import.

What its folder holds, and how it is verified, says `headstart.engine.network.saved`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from headstart.engine.network.saved import SavedNetwork
from headstart.specs import FeedsTargets, Generates

if TYPE_CHECKING:
    from headstart.predictor import Predictor


@dataclass(frozen=True, repr=False)
class Artefact(SavedNetwork):
    """A verified artefact folder. `predict` needs no run folder, recipe or dataset."""

    @cached_property
    def predictor(self) -> Predictor:
        """From raw input to answer."""
        network = self.network  # builds, and so chooses the backend, before the engine is imported
        from headstart.engine.device import compiles_each_shape, forward, score_step
        from headstart.engine.generation import generator
        from headstart.predictor import Predictor, sizes_for

        # What is generated has no loss, and what a head gives without targets none of its own.
        score = score_step(network, 0, self.task) if isinstance(self.task, FeedsTargets | Generates) else None
        any_length = self.blueprint.backbone.any_length and not compiles_each_shape()
        axes: dict[str, int] = {}
        if isinstance(self.task, Generates):
            answers, sizes = generator(network, self.task), sizes_for(self.kind)
        else:
            open_axes = ((name, [*tensor.shape[1:]]) for name, tensor in network.stages[-1].model.output.items())
            axes = {name: shape.index(None) for name, shape in open_axes if None in shape}
            answers, sizes = forward(network, 0, len(network.stages)), sizes_for(self.kind, network)
        return Predictor(self.kind, self.task, answers, score, axes, sizes, any_length)

    def predict(self, raw: Any, *, top_k: int = 1) -> Any:
        """See `Predictor.predict`: of a list, what cannot be read has an `error` in its place."""
        return self.predictor.predict(raw, top_k=top_k)
