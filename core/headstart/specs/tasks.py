"""Tasks: what is predicted from features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from headstart.specs.base import Spec
from headstart.specs.targets import TargetForm

if TYPE_CHECKING:
    import keras
    import numpy as np

    from headstart.engine.linear.rows import Rows


class Task(Protocol):
    """What is predicted: encoding, head, loss, metrics, baselines and columns together, so that they always agree.

    Bound to its labels. `targets` are encoded arrays, first axis batch; `outputs` are the head's named outputs as
    float32 numpy arrays unless said otherwise. A task may be a FitsTargets and a Calibrates as well.
    """

    features: tuple[str, ...]
    primary_metric: str
    higher_is_better: bool

    def labels(self) -> Mapping[str, Any]:
        """What labels.json holds: enough to build the task again."""

    def encode(self, targets: Sequence[str], keys: Sequence[str]) -> np.ndarray:
        """Labels to (batch, ...) arrays. Raises DataError naming the key of a label it does not know."""

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """A Functional model to named outputs, `name` as in `--head` ("mlp:512").

        `features` holds the shapes (batch first) of "<name>" and, where a feature has one, of "<name>.mask"; the model
        takes those of them that it wants, by name.
        """

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
    """A task. `features` are what it asks of a backbone; `heads` are the names `--head` accepts, the default first.

    A head written `mlp:512` has its number after the colon; `closed_form` are the heads that `Task.solve` can fit, and
    `gradient_options` the options that training by gradient alone reads: refused where all phases are in closed form.
    `targets` is the form of target that it learns; where the user names no task, the `default` one of the data's form
    is taken.
    """

    build: str
    features: tuple[str, ...]
    heads: tuple[str, ...]
    closed_form: frozenset[str] = frozenset()
    gradient_options: tuple[str, ...] = ()
    targets: TargetForm = "class"
    default: bool = False
    version: int = 1


@dataclass(frozen=True)
class Search:
    """How a sequence is looked for: from the token `start` until `end`, at most `most` tokens, `pad` behind the end.

    With `beams` above 1, so many sequences are followed at once. The best has the highest score: the sum of log p of
    its new tokens over their number ** `length_penalty`; the start is not counted, the end is. What is `banned` is
    never taken.
    """

    start: int
    end: int
    pad: int
    most: int
    beams: int = 1
    length_penalty: float = 1.0
    banned: tuple[int, ...] = ()


@runtime_checkable
class Generates(Protocol):
    """What a Task offers too whose answer is a sequence that the head continues, a token at a time.

    Both functions are traced: keras.ops on backend tensors, and no branch on a value.
    """

    search: Search

    def start(self, head: keras.Model, features: Mapping[str, Any]) -> dict[str, Any]:
        """The state before the first token: tensors by name, batch axis first, of shapes that no step changes."""

    def step(self, head: keras.Model, state: dict[str, Any], last: Any, position: Any) -> tuple[dict[str, Any], Any]:
        """The next state, and logits (batch, vocabulary) of the token at `position` (from 0), after the token `last`
        (batch,) int32."""
