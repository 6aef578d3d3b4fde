"""Base of the contracts that need an input kind and care little which weights it is built for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.errors import HeadstartError
from headstart.specs import InputKind, InputSpec
from headstart.testing.contract import Contract, shared
from headstart.testing.input_kinds import build_kind, input_of


class WithInputKind(Contract):
    """`preprocess` are the plain values that the input kind is built from: those of a backbone of it where None.

    `size` is the side length or duration that samples are brought to, where the kind has such an option.
    """

    preprocess: Mapping[str, Any] | None = None
    size: int | None = 32

    @shared
    def _input_kind(self) -> InputKind:
        try:
            return build_kind(self.registry, self._kind_spec(), self._preprocess(), self.size)
        except HeadstartError as exc:
            self._fail(
                f"its input kind cannot be built: {exc}",
                f"Name one that is installed, and set `preprocess` in {type(self).__name__} to values that it takes.",
            )

    def _kind_spec(self) -> InputSpec:
        """The input kind that the offer fits. Raises UsageError where none is installed."""
        return input_of(self.registry, self.spec)

    def _preprocess(self) -> Mapping[str, Any]:
        if self.preprocess is not None:
            return self.preprocess
        made = self._kind_spec().produces
        found = (spec.preprocess for spec in self.registry.specs("backbones") if spec.takes == made)
        return next(found, {})
