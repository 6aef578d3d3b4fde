"""Input kinds as a run builds them, at the size that a contract wants; and prepared samples made out of nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from headstart.errors import UsageError
from headstart.specs import AnySpec, BackboneSpec, DatasetSpec, InputKind, InputRequest, InputSpec, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    from headstart.registry import Registry


def input_of(registry: Registry, spec: AnySpec) -> InputSpec:
    """The input kind of an offer: that which reads a dataset's medium, feeds a backbone, or applies all that an
    augmentation draws, a native one where several do.

    Raises UsageError where none is installed.
    """
    if isinstance(spec, BackboneSpec):
        return registry.input_kind(takes=spec.takes)
    if isinstance(spec, DatasetSpec):
        return registry.input_kind(medium=spec.medium)
    drawn: frozenset[str] = getattr(spec, "draws", frozenset())
    fitting: list[InputSpec] = [each for each in registry.specs("inputs") if drawn <= set(each.changes)]
    if not fitting:
        raise UsageError(
            f"no input kind applies all that {spec.name} draws: {', '.join(sorted(drawn))}",
            hint="install the plugin of one whose `changes` name them",
        )
    return max(fitting, key=lambda each: each.native)


def build_kind(
    registry: Registry, spec: InputSpec, preprocess: Mapping[str, Any], side: int | None = None
) -> InputKind:
    """The kind for `preprocess`; its option `size` is `side` where it has one. Raises what its build target raises."""
    sized = side is not None and "size" in {field.name for field in fields(spec.options)}
    options = spec.options(size=side) if sized else spec.options()
    kind: InputKind = registry.load_target(spec, spec.build)(InputRequest(preprocess, options))
    return kind


def make_up(tensors: Mapping[str, TensorSpec], count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Prepared samples of a kind, {name: (count, *shape)} in their dtypes: half of it slow along the inner axes, half
    white, so that samples differ in more than noise.

    uint8 fills 0 to 255, other whole numbers are small (they may be indices), floats lie between -1 and 1.
    """
    import numpy as np

    from headstart.data.noise import smooth_noise

    generator = np.random.default_rng(seed)
    return {name: _fitted(smooth_noise((count, *each.shape), generator), each.dtype) for name, each in tensors.items()}


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
