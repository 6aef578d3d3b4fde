"""Input kinds as a run builds them, at the size that a contract wants; and prepared samples made out of nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from headstart.specs import BackboneSpec, DatasetSpec, InputKind, InputRequest, InputSpec, TensorSpec
from headstart.testing.contract import Contract, shared

if TYPE_CHECKING:
    import numpy as np

    from headstart.registry import Registry


def input_of(registry: Registry, spec: BackboneSpec | DatasetSpec) -> InputSpec:
    """The input kind of an offer: that which feeds a backbone, or reads a dataset's medium.

    Raises UsageError where none is installed.
    """
    if isinstance(spec, BackboneSpec):
        return registry.input_for(spec)
    return registry.input_kind(medium=spec.medium)


def build_kind(
    registry: Registry,
    spec: InputSpec,
    preprocess: Mapping[str, Any],
    side: int | None = None,
    assets: Mapping[str, Path] | None = None,
) -> InputKind:
    """The kind for `preprocess` and `assets`; its option `size` is `side` where it has one. Raises what its build
    target raises."""
    request = InputRequest(preprocess, spec.options(**sized(spec, side)), assets or {})
    return cast("InputKind", registry.load_target(spec, spec.build)(request))


def sized(spec: InputSpec, side: int | None) -> dict[str, Any]:
    """The option `size`, where the kind has one and a side is given."""
    takes = side is not None and "size" in {field.name for field in fields(spec.options)}
    return {"size": side} if takes else {}


def make_up(tensors: Mapping[str, TensorSpec], count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Prepared samples of a kind, {name: (count, *shape)} in their dtypes: half of it slow along the inner axes, half
    white, so that samples differ in more than noise.

    uint8 fills 0 to 255, other whole numbers are small (they may be indices), and below `values` where a tensor says
    how many there are; floats lie between -1 and 1. A mask of
    the axis whose length varies is True up to a length: of the first sample all, of the others half of it or more.
    """
    import numpy as np

    from headstart.data.noise import smooth_noise

    generator = np.random.default_rng(seed)
    made = {name: _fitted(smooth_noise((count, *each.shape), generator), each.dtype) for name, each in tensors.items()}
    made |= {name: np.minimum(made[name], each.values - 1) for name, each in tensors.items() if each.values is not None}
    for name, each in tensors.items():
        if each.dtype == "bool" and each.length_axis is not None and len(each.shape) == 1:
            longest = each.shape[0]
            lengths = np.random.default_rng(seed).integers(-(-longest // 2), longest + 1, count)
            lengths[:1] = longest
            made[name] = np.arange(longest) < lengths[:, None]
    return made


def _fitted(noise: np.ndarray, dtype: str) -> np.ndarray:
    import numpy as np

    kind = np.dtype(dtype)
    if kind == np.uint8:
        return np.clip(np.rint(127.5 + 60 * noise), 0, 255).astype(kind)
    if kind == np.bool_:
        return np.asarray(noise > 0)
    if np.issubdtype(kind, np.integer):
        return np.asarray(np.abs(4 * noise).astype(kind))
    return np.asarray(np.clip(noise / 3, -1, 1).astype(kind))


class WithInputKind(Contract):
    """`preprocess` are the plain values that the input kind is built from: those of a backbone of it where None.

    `size` is the side length or duration that samples are brought to, where the kind has such an option.
    """

    preprocess: Mapping[str, Any] | None = None
    size: int | None = 32

    @shared
    def _input_kind(self) -> InputKind:
        change = f"Name one that is installed, and set `preprocess` in {self._title} to values that it takes."
        with self._explaining("its input kind cannot be built: ", change):
            return build_kind(self.registry, self._kind_spec(), self._preprocess(), self.size, self._assets())

    def assets(self, folder: Path) -> Mapping[str, Path]:
        """The files that the input kind is built from, by name, such as a small vocabulary; written into `folder`."""
        return {}

    @shared
    def _assets(self) -> Mapping[str, Path]:
        return self.assets(self._folder("assets"))

    def _folder(self, name: str) -> Path:
        folder = self._place() / name
        folder.mkdir(exist_ok=True)
        return folder

    def _kind_spec(self) -> InputSpec:
        """The input kind that the offer fits. Raises UsageError where none is installed."""
        return input_of(self.registry, self.spec)

    def _preprocess(self) -> Mapping[str, Any]:
        if self.preprocess is not None:
            return self.preprocess
        made = self._kind_spec().produces
        found = (spec.preprocess for spec in self.registry.specs("backbones") if spec.takes == made)
        return next(found, {})
