"""Tasks: what is predicted from features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from headstart.errors import UsageError
from headstart.specs.base import Batch, Spec
from headstart.specs.datasets import Finding
from headstart.specs.inputs import Facts, Mix, Sample, TensorSpec

if TYPE_CHECKING:
    import keras
    import numpy as np

    from headstart.engine.linear.rows import Rows

MAX_HEAD_NUMBER = 65536


class Task(Protocol):
    """What is predicted: encoding, head, loss, metrics, baselines and answers together, so that they always agree.

    Bound to its labels. Encoded targets and the head's outputs are named arrays, first axis batch; outputs are float32
    numpy arrays unless said otherwise. What a task offers beyond this is in the optional Protocols of this module.
    """

    primary_metric: str
    higher_is_better: bool

    @property
    def targets(self) -> Mapping[str, TensorSpec]:
        """What `encode` gives, by name, a row each."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of predictions.csv after key, split and target."""

    def labels(self) -> Mapping[str, Any]:
        """What labels.json holds: enough to build the task again."""

    def summary(self) -> Mapping[str, Any]:
        """Plain facts for events and reports, `classes` (a list of names) among them where there are some."""

    def encode(self, values: Sequence[Any], facts: Sequence[Facts], keys: Sequence[str]) -> Batch:
        """The values that a target kind read, as arrays (batch, ...) of `targets`.

        Raises DataError naming the key of a value it does not know.
        """

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """A Functional model to named outputs, `name` as in `--head` ("mlp:512").

        `features` holds the shapes (batch first) of what the spec says this head asks for, under "<name>" and, where a
        feature has one, its mask's under "<name>.mask"; the model takes those of them that it wants, by name.
        """

    def loss(self, targets: Mapping[str, Any], outputs: Mapping[str, Any], *, training: bool) -> Any:
        """Backend tensors in, (batch,) float32 backend tensor of per-row losses out.

        It takes targets as `encode` gives them, and as `mix` does. What regularises (label smoothing, weights of
        classes) acts only where `training`.
        """

    def evaluator(self, *, running: bool = False) -> Evaluator:
        """A new evaluator; a `running` one is a RunningEvaluator, for what training steps see."""

    def baseline(self, train: Batch, test: Batch) -> Mapping[str, float]:
        """What an answer without a model would score on `test`: `majority_accuracy` of the
        commonest class, `copy_chrf` of the input itself. Keys end in the names of metrics."""

    def decode(self, outputs: Batch, facts: Sequence[Facts], top_k: int) -> Sequence[Mapping[str, Any]]:
        """The answer for each row, as plain values and arrays, with names and not indices; the only place probabilities
        appear.

        `top_k` may exceed what there is: predictions.csv is written from answers that hold everything.
        """

    def rows(self, answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        """An answer, decoded with everything in it, as 0 to n rows of predictions.csv: a plain value for each of
        `columns`."""


@dataclass(frozen=True)
class Evaluation:
    """How a split was answered: scalar `metrics`, their 95 % `intervals`, and larger results as plain values.

    `calibration` says how honest probabilities are: `ece` and `nll`, each {"before": float, "after": float}; empty for
    tasks without any.
    """

    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)


class Evaluator(Protocol):
    """Scores rows as they come. Any cut into batches and any grouping of merges give the same scores, up to the
    rounding of sums."""

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """Add rows: `targets` as encoded, `losses` (batch,) as `Task.loss` gives them without training."""

    def merge(self, other: Any) -> None:
        """Add the rows of another evaluator of the same task, after its own."""

    def metrics(self) -> Mapping[str, float]:
        """Scalar metrics by name, the primary one among them. The mean of the losses is added as `loss` where it is not
        there."""

    def result(self) -> Evaluation:
        """Everything there is to say about the rows, for reports; a running evaluator may know the metrics alone."""


@runtime_checkable
class ResamplesRows(Protocol):
    """What an Evaluator offers too that is not running, so that two models are compared on the same samples."""

    def resampled(self) -> Mapping[str, np.ndarray]:
        """Of some of the metrics, their values (resample,) float64 when as many rows as there are are drawn with
        replacement; NaN where a resample has none. Which are drawn depends on their number alone, so that two
        evaluators of the same rows, in the same order, are drawn together."""


class RunningEvaluator(Evaluator, Protocol):
    """An evaluator whose size does not grow with the rows: what a checkpoint in the middle of an epoch holds."""

    def state(self) -> Mapping[str, np.ndarray]:
        """All that it knows, as arrays."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` gave, in place of all rows so far."""


@runtime_checkable
class MixesTargets(Protocol):
    """What a Task offers too whose targets can be mixed; without it, augmentations that mix samples are refused."""

    def mix(self, targets: Batch, partners: Batch, shares: np.ndarray) -> Batch:
        """The targets of mixed samples: `shares` (batch,) float32 in [0, 1] of `targets`, the rest of `partners`.

        Both are as encoded; what comes back may have another dtype or axis where the mean of two targets needs it. Of
        several partners core takes further means of what comes back: it must be one, in each value.
        """


@runtime_checkable
class JoinsTargets(Protocol):
    """What a Task offers in place of MixesTargets whose targets lie somewhere in a sample, as boxes do: they are not
    averaged, but those of all samples are joined."""

    def join(self, targets: Batch, partners: Sequence[Batch], mixes: Sequence[Sequence[Mix]]) -> Batch:
        """The targets of mixed samples, with the names, shapes and dtypes of `targets`.

        `mixes` are the steps of each row (batch), none where it is not mixed; `partners` has a batch for each step of
        the longest, and what it holds for rows without that step means nothing. All are encoded, and moved as the
        changes of their samples say, those of the mix among them; what their regions hide is left to the task.
        """


@runtime_checkable
class ComparesTargets(Protocol):
    """What a Task offers too that knows how alike two targets are: phases with `contrast` learn from that."""

    def likeness(self, targets: Mapping[str, Any]) -> Any:
        """How alike the targets of each two rows are, from 0 to 1: (batch, batch) float32 backend tensor, of encoded
        targets as `loss` takes them."""


@runtime_checkable
class MarksTargets(Protocol):
    """What a Task offers too whose targets can be drawn over their samples, as boxes can."""

    def marks(self, targets: Batch) -> Sequence[Sequence[Any]]:
        """For each row of the encoded `targets` what contact sheets draw over its sample; what a mark looks like, the
        input kind says."""


@runtime_checkable
class TellsOfTargets(Protocol):
    """What a Task offers too that has a limit to what it learns of a sample, as to how many boxes: what is beyond it is
    not lost without a word."""

    def findings(
        self, values: Sequence[Any], facts: Sequence[Facts], keys: Sequence[str], *, mixes: bool
    ) -> Iterable[Finding]:
        """Notes and warnings about the `values` of all records, as their target kind read them, and the `facts` of
        their first rows, by their `keys`; `mixes` says whether training samples are mixed."""


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
class SolvesHead(Protocol):
    """What a Task offers too whose TaskSpec names heads that are solved for in closed form."""

    def solve(self, rows: Rows, strengths: Sequence[float]) -> Iterable[Solved]:
        """Linear heads on frozen features, one after the other, to be chosen among on val.

        The task owns its loss and how `strengths` (each > 0) weigh |W|^2 in it; it reads `rows` block by block and
        holds no copy of them that grows without a bound. Equal rows give equal bits. Raises DataError where rows
        cannot be learned from.
        """

    def solve_again(self, rows: Rows, solved: Solved) -> Solved:
        """The solver of `solved` at its strength, on other rows: a refit on train and val together."""


@runtime_checkable
class TellsTargets(Protocol):
    """What a Task offers too whose sources can be ranked: its targets as transfer scores are defined on them."""

    def forms(self, targets: Batch) -> Mapping[str, np.ndarray]:
        """The encoded `targets`, each once, in every form that they have for a ScoreSpec that `reads` it: "classes"
        (row,) int64 indices, "numbers" (row, output) float64, or one of the task's own."""


@runtime_checkable
class TellsProbabilities(Protocol):
    """What a Task offers too whose heads, as those of sources, say of each answer how probable it is."""

    def probabilities(self, outputs: Batch) -> np.ndarray:
        """Of a head's outputs (row, ...) as numpy: (row, answer) float64 that sum to 1."""


@dataclass(frozen=True)
class TakenOver:
    """The first weights of a new head, of which some were learned in another run: `arrays` as TakesOverHead says, and
    which answers it `kept`, which it `added` to those and which it `left_out`, by name; `kept` is never empty.
    """

    arrays: Mapping[str, np.ndarray]
    kept: Sequence[str]
    added: Sequence[str] = ()
    left_out: Sequence[str] = ()


@runtime_checkable
class TakesOverHead(Protocol):
    """What a Task offers too whose head can begin as that of a finished run: `--head-from RUN`."""

    def take_over(self, other: Task, learned: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray]) -> TakenOver:
        """The first weights of this task's head, from those that the head of `other` has `learned`.

        `other` is the run's task, of the same TaskSpec, bound to its labels; `learned` and `first`, what this head
        begins with otherwise, hold all weights of the two heads by our names, `head/index/role`, and so do the
        `arrays` that come back, of the shapes of `first`. An answer that both know is then what it was, in its own
        unit. Raises DataError where nothing can be kept, or naming two shapes that do not fit.
        """


@runtime_checkable
class FitsTargets(Protocol):
    """What a Task offers too that reads numbers off the training split: priors of classes, a scale of targets."""

    def fitted(self, targets: Batch) -> Task:
        """This task bound to what the encoded `targets` (row, ...) of the training split say; called once, before
        anything else is encoded. What it takes from them is in its `labels`."""

    def sampling_weights(self, targets: Batch) -> np.ndarray | None:
        """How often each training row is to be seen, relative to the others: (row,) float64 > 0, or None for once an
        epoch."""


@runtime_checkable
class TrimsTargets(Protocol):
    """What a Task offers too whose targets are mostly shorter than their arrays, such as sequences of tokens: batches
    of them are cut at the `length_axis` of its `targets`, as those of inputs are, see Trims."""

    target_lengths: tuple[int, ...]
    """The static lengths, ascending; the last one is the stored one."""

    def used(self, targets: Batch) -> np.ndarray:
        """How much of the length axes each row of the encoded `targets` uses, (row,) int64: its loss is the same
        without the rest. A row that uses none has no loss: nothing is learned of it, and no mean counts it."""


@runtime_checkable
class FeedsTargets(Protocol):
    """What a Task offers too whose head sees targets: teacher forcing, lengths of what is to be answered."""

    def head_inputs(self, targets: Mapping[str, Any]) -> Mapping[str, Any]:
        """More inputs of the head, from encoded targets: backend tensors in and out, with keras.ops."""


FILLED, JUDGED, CERTAIN = "filled", "judged", "certain"
"""When beams stop, see `Search.until`."""


@dataclass(frozen=True)
class Search:
    """How a sequence is looked for: from the token `start` until `end`, at most `most` tokens, `pad` behind the end.

    With `beams` above 1, so many sequences are followed at once. The best has the highest score: the sum of log p of
    its new tokens over their number ** `length_penalty`; the start is not counted, the end is. What is `banned` is
    never taken, what is in `banned_first` not as the first token, and the end not before `least` tokens.

    Beams stop `until` as many sequences as there are beams have ended ("filled"), and none that runs would be better
    than the worst of these if it ended now ("judged"); or not before no other answer is possible ("certain", which runs
    long where the length penalty is positive). These are `early_stopping` of transformers, True, False and "never".

    Of `answers` above 1, which beams alone can give, so many of the best sequences come out, best first: then `tokens`
    and `score` have an axis for them behind that of rows. What there is none of has the score minus infinity.
    """

    start: int
    end: int
    pad: int
    most: int
    beams: int = 1
    length_penalty: float = 1.0
    banned: tuple[int, ...] = ()
    banned_first: tuple[int, ...] = ()
    least: int = 0
    until: str = JUDGED
    answers: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError for more answers than beams, and where beams would stop at nothing that is known."""
        if not 1 <= self.answers <= self.beams:
            raise ValueError(f"{self.answers} answers of {self.beams} beams")
        if self.until not in (FILLED, JUDGED, CERTAIN):
            raise ValueError(f"until {self.until!r}; known are {FILLED}, {JUDGED} and {CERTAIN}")


OF_ALL, OF_ROW, OF_SLOT = "all.", "row.", "slot."
"""How names of a search's state begin that is not copied from sequence to sequence, see `Generates.start`."""
ANCESTORS = "ancestors"
"""What of a state says which sequence of a row wrote a place that another one goes on from, see `Generates.start`."""


@runtime_checkable
class Generates(Protocol):
    """What a Task offers too whose answer is a sequence that the head continues, a token at a time.

    Both functions are traced: keras.ops on backend tensors, and no branch on a value.
    """

    search: Search

    def start(self, head: keras.Model, features: Mapping[str, Any]) -> dict[str, Any]:
        """The state before the first token: tensors by name, batch axis first, of shapes that no step changes.

        Two kinds of names are for what steps read and do not change. `row.` before a name: it belongs to a row, however
        many sequences of that are followed; `step` gets it with an axis of rows, while `last` has a multiple of them,
        those of a row next to each other. `all.`: it is the same for all rows, such as kernels put together once, and
        of any type.

        A third one, `slot.`, is for what each step adds to, such as keys of all tokens: it belongs to a row too, with
        room in it for all of its sequences at every position, and steps write there. It is not copied where a sequence
        goes on from another one. Of several beams `step` finds in the state, as `ancestors` (row, beam, most) int32,
        which sequence of the row wrote at each position what this one goes on from; at the newest, it does so itself.
        """

    def step(self, head: keras.Model, state: dict[str, Any], last: Any, position: Any) -> tuple[dict[str, Any], Any]:
        """The next state, and logits (batch, vocabulary) of the token at `position` (from 0), after the token `last`
        (batch,) int32.

        `position` is a whole number or a tensor of one. Nobody reads the given state again: it may be written to, and
        so may the logits that come back. What begins with `row.` or `all.` can be left out of the next state.
        """


@runtime_checkable
class GeneratesOnVal(Protocol):
    """What a Task that is a Generates offers too which is to be judged by what it generates after each epoch, and not
    by what its head gives where it is fed with the true tokens."""

    def on_val(self) -> Generates | None:
        """How val is answered, which may be a quicker search than that of answers; None where the fed head judges."""


@runtime_checkable
class PoolsRows(Protocol):
    """What a Task offers too that knows how the rows of one record become one; without it, the mean of each float
    output."""

    def pool(self, outputs: Batch, facts: Sequence[Facts]) -> Batch:
        """The outputs (row, ...) of one record as a single row (1, ...); where it is longer than those of other records
        along some axis, these are filled up with zeros."""


class Merger(Protocol):
    """Puts the tiles of one sample together as they come, so that their outputs need not be kept."""

    def add(self, outputs: Batch, facts: Sequence[Facts]) -> None:
        """Add tiles: the head's outputs (tile, ...), and the facts of each, see CutsTiles. All tiles of the sample come
        once, in order, in any number of calls."""

    def merged(self) -> Batch:
        """The whole sample as a single row (1, ...), which `decode` and evaluators take in place of the head's outputs,
        with the facts of the first tile. Its names and shapes are the task's own."""


@runtime_checkable
class MergesTiles(Protocol):
    """What a Task offers too that knows how the tiles of a large sample become one answer; without it, tiles are
    refused."""

    def merger(self) -> Merger:
        """A new merger, for one sample."""


@runtime_checkable
class KeepsTruth(Protocol):
    """What a Task offers too whose encoded targets are coarser than what a record says, as masks at the size of an
    input are: a finished network is scored against all of it."""

    def truth(self, value: Any, facts: Facts, key: str) -> Batch:
        """What one `value` says in full, as a single row (1, ...) of any shape: its evaluator gets that beside the
        encoded targets, whose names it leaves free.

        `facts` are those of the record's first row, or tile. Asked for a record at a time, where a finished network is
        scored alone: while it trains, nothing is held that is as large as samples came. Raises DataError as `encode`
        does.
        """


@runtime_checkable
class WritesFiles(Protocol):
    """What a Task offers too whose answers are files as well: masks, pictures."""

    def files(self, answer: Mapping[str, Any]) -> Mapping[str, bytes]:
        """Contents by suffix, such as ".png": written to predictions/<key><suffix>, a key that leads elsewhere spelled
        so that it does not."""


@runtime_checkable
class HoldsInFiles(Protocol):
    """What a Task offers too, beside WritesFiles, whose files hold parts of an answer whole, such as a mask: where they
    are written into a folder of the user's, the answer names the file in place of the part."""

    in_files: Mapping[str, str]
    """The suffix of the file that holds a part, by the part's name in an answer; an answer may lack some."""


@runtime_checkable
class DrawsAnswers(Protocol):
    """What a Task offers too whose answers are best seen on the input itself, such as boxes on a picture."""

    def drawn(self, answer: Mapping[str, Any], sample: Sample) -> Mapping[str, bytes]:
        """Contents by suffix, such as ".png", for what the input kind read as `sample`: written by `headstart predict
        --out` beside those of WritesFiles."""


@runtime_checkable
class CollectsAnswers(Protocol):
    """What a Task offers too whose answers to all inputs make files together, in a format of its field."""

    def collected(self, answers: Sequence[tuple[str, Mapping[str, Any]]]) -> Mapping[str, bytes]:
        """Contents by file name, of the (input, answer) of all inputs that could be read: written by `headstart predict
        --out`. Parts of answers that files hold have the name of the file, see HoldsInFiles. An answer has an `id` too
        where the input is a record that has one."""


@runtime_checkable
class TakesLabelIds(Protocol):
    """What a Task offers too whose answers make files in a format that numbers labels, such as COCO's results."""

    def with_label_ids(self, ids: Mapping[str, int]) -> Self:
        """This task, whose files have these numbers for the labels that they name, see `Records.label_ids`; they are in
        its `labels`. Asked with those of the data that it learns, and of that which a finished run is asked about."""


@runtime_checkable
class ListsAnswers(Protocol):
    """What a Task offers too whose answer is a list of any length, such as boxes: tables of `headstart predict` then
    have a line for each of `Task.rows`, and one without values where there is none."""

    lists_answers: bool


class Calibrator(Protocol):
    """Collects what a task is to be calibrated on."""

    def update(self, targets: Batch, outputs: Batch) -> None:
        """Add records of val: of several rows, their pooled outputs."""

    def found(self) -> Mapping[str, Any]:
        """What all rows tell, as plain facts for `calibrated` and result.json: temperature, thresholds, class_shares.

        Raises ValueError where outputs are not finite.
        """


@runtime_checkable
class TellsWhatLacks(Protocol):
    """What a Calibrator offers too that may find nothing on val, as where nothing is right."""

    def lacking(self) -> str | None:
        """What it did not find, what answers do without it, and what the user can do; None where all was found or
        nobody needs it."""


@runtime_checkable
class Calibrates(Protocol):
    """What a Task offers too whose probabilities can be calibrated, and whose decisions can be tuned, on val."""

    def calibrator(self) -> Calibrator:
        """A new calibrator. It may hold the outputs of val: for tasks whose outputs are small."""

    def calibrated(self, found: Mapping[str, Any]) -> Task:
        """This task with what a calibrator found; it is in its `labels`."""


@dataclass(frozen=True)
class TaskRequest:
    """A new task is built from the records' `targets`, as their target kind read them; a stored one from its `labels`
    (then `targets` is None) and the `assets` that the artefact keeps of it, that of a pretrained head from the head's
    `labels` and all `assets` of its weights. `inputs` are the tensors of a sample, as the input kind makes them: a
    picture's size, for targets of a form that depends on it."""

    options: Any
    targets: Sequence[Any] | None = None
    labels: Mapping[str, Any] | None = None
    assets: Mapping[str, Path] = field(default_factory=dict)
    inputs: Mapping[str, TensorSpec] = field(default_factory=dict)


class TaskBuild(Protocol):
    """Build target of a TaskSpec. Raises DataError where the targets cannot be learned (one class, ...)."""

    def __call__(self, request: TaskRequest) -> Task:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec(Spec):
    """A task. `features` are what its heads ask of a backbone, `head_features` what those of other wants ask for
    instead, by name; `heads` are the names `--head` accepts, the default first.

    A head written `mlp:512,256` has its numbers after the colon; `closed_form` are the heads that `SolvesHead.solve`
    can fit, which have no numbers, and `gradient_options` the options that training by gradient alone reads: refused
    where all phases are in closed form. `batch_size` are the samples a step where the recipe says nothing, None: as of
    other tasks. `answer_options` are those that only decide what is answered of outputs: a finished run can be asked
    with others; `file_options`, flags among these, ask for files, which `headstart predict` writes with --out alone.
    With `comes_trained` its heads are those of weights alone, and such a one is meant where the user names no head.
    `targets` names the kind of targets that it learns; where the user names no task, the `default` one of the data's
    kind is taken.
    """

    build: str
    features: tuple[str, ...]
    targets: str
    heads: tuple[str, ...]
    head_features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    closed_form: frozenset[str] = frozenset()
    gradient_options: tuple[str, ...] = ()
    batch_size: int | None = None
    answer_options: tuple[str, ...] = ()
    file_options: tuple[str, ...] = ()
    default: bool = False
    comes_trained: bool = False
    version: int = 1


def read_head(head: str) -> tuple[str, tuple[int, ...]]:
    """The name of a head, and the numbers after its colon: ("mlp", (512, 256)) of `mlp:512,256`; none without a colon.

    Raises UsageError for a number that is no whole one, or out of range.
    """
    name, colon, written = head.partition(":")
    numbers = written.split(",") if colon else []
    for number in numbers:
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= MAX_HEAD_NUMBER:
            raise UsageError(
                f"the numbers of head {head!r} must be whole ones from 1 to {MAX_HEAD_NUMBER}, with a comma between "
                f"two; received {number!r}",
                hint=f"as in {name}:512 or {name}:512,256",
            )
    return name, tuple(map(int, numbers))


def features_of_head(task: TaskSpec, head: str) -> tuple[str, ...]:
    """The names of the features that `head`, written as in `--head`, asks of a backbone."""
    return task.head_features.get(head.partition(":")[0], task.features)
