"""A backbone as the contracts look at it: its tiny variant, at its tiny size, on samples made out of nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError
from headstart.specs import InputKind
from headstart.testing.contract import Contract
from headstart.testing.input_kinds import build_kind, input_of, make_up

if TYPE_CHECKING:
    import numpy as np

SAMPLES = 16
"""Rows of a batch; with fewer, statistics of a deep network magnify rounding."""


class BackboneOffer(Contract):
    """Base of the levels. `name` may also be a reference that its plugin resolves, such as `hub/resnet50`.

    `size` is the side length, width or duration that networks are built for: the spec's `tiny_size` where it is None.
    `options` go on top of the spec's `tiny`.
    """

    size: int | None = None

    _kind = "backbones"

    def batch(self, kind: InputKind, count: int) -> Mapping[str, np.ndarray]:
        """Prepared samples {name: (count, ...)} as `kind.tensors` says. Override it where made-up ones make no sense.

        Must give the same ones each time, without Keras.
        """
        return make_up(kind.tensors, count)

    def _find_spec(self) -> Any:
        self._require_loaded()
        registered = {spec.name for spec in self.registry.specs(self._kind)}
        if self.name in registered or "resolve_backbone" not in self._published().hooks:
            return super()._find_spec()
        try:
            return self.registry.resolve_backbone(self.name)
        except HeadstartError as exc:
            self._fail(f"it is not registered, and resolve_backbone does not open it: {exc}", "Correct one of them.")

    def _variant(self) -> Any:
        """The options of the small network that is built."""
        return self._chosen_options({**self.spec.given, **self.spec.tiny, **self.options})

    def _input_kind(self) -> InputKind:
        return self._once("kind", self._build_input_kind)

    def _build_input_kind(self) -> InputKind:
        try:
            spec = input_of(self.registry, self.spec)
            return build_kind(self.registry, spec, self.spec.preprocess, self.size or self.spec.tiny_size)
        except Exception as exc:  # of a third party's input kind
            self._fail(
                f"the input kind of the tensors {self.spec.takes!r} cannot be built: {exc}",
                "See level A: BackboneDeclared.",
            )
