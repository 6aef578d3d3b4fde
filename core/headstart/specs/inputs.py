"""Input kinds: payloads of one kind read, and turned into the tensors that a backbone's weights expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from headstart.specs.base import Spec
from headstart.specs.changes import Mix, Transform

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """One named tensor of a sample, without the batch axis. `dtype` is a numpy name such as "uint8"."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Sample:
    """A payload as read: `value` in the input kind's own form, and the conversions that reading it took.

    `notes` are short, countable phrases such as "converted from CMYK": the same phrase for the same conversion.
    One that starts with "warning: " tells the user of something lost.
    """

    value: Any
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """A sample as something a report can show: `media_type` such as "image/png", and its bytes."""

    media_type: str
    data: bytes


class InputKind(Protocol):
    """Reads payloads of one kind and turns them into the tensors that a backbone's weights expect.

    Built from the weights' own preprocessing, so nothing else ever scales an input.
    """

    tensors: Mapping[str, TensorSpec]
    """What `prepare` returns, by name; fixed shapes."""
    output_ranges: Mapping[str, tuple[float, float]]
    """Lowest and highest value each tensor of `stage` can take after preprocessing; checked on the first batch."""
    hint: str
    """One sentence of advice where tensors have odd ranges."""

    def read(self, payload: Any, where: str) -> Sample:
        """Decode `payload` (Path, bytes, str or numpy array). Raises DataError naming `where`."""

    def prepare(self, sample: Sample) -> Mapping[str, np.ndarray]:
        """Bring a sample to the fixed shapes of `tensors`; deterministic, the same in training and prediction."""

    def transform(self, prepared: Mapping[str, np.ndarray], transform: Transform) -> Mapping[str, np.ndarray]:
        """Apply a drawn transform, but for its `mix`, to a prepared sample; new arrays of equal shapes and dtypes."""

    def stage(self) -> keras.Model:
        """A Functional model from `tensors` to the backbone's inputs: preprocessing, without weights."""

    def find(self, path: Path) -> Sequence[Path]:
        """The files of this kind at `path` (a file, or a folder searched recursively), sorted."""

    def fingerprint(self, sample: Sample) -> int | None:
        """A hash that near-identical samples share, or None where the kind has none."""

    def preview(self, sample: Sample) -> Preview | None:
        """A small rendering for reports, or None."""


@dataclass(frozen=True)
class InputRequest:
    """What an input kind is built from: the weights' preprocessing (plain values) and the user's options."""

    preprocess: Mapping[str, Any]
    options: Any


@runtime_checkable
class MixesSamples(Protocol):
    """What an InputKind offers too whose samples can be mixed; without it, augmentations that mix are refused."""

    def mix(
        self, prepared: Mapping[str, np.ndarray], partner: Mapping[str, np.ndarray], mix: Mix
    ) -> Mapping[str, np.ndarray]:
        """Two prepared samples as one; keeps shapes and dtypes, returns new arrays."""

    def own_share(self, mix: Mix) -> float:
        """The exact share in [0, 1] of the sample's own in what `mix` gives: `mix.share`, or with a box the elements
        outside of it divided by all."""


class InputBuild(Protocol):
    """Build target of an InputSpec. Raises UsageError where `preprocess` has a value it does not know."""

    def __call__(self, request: InputRequest) -> InputKind:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class InputSpec(Spec):
    """An input kind. `build` is an InputBuild; `version` changes when the same bytes would read differently."""

    build: str
    version: int = 1
