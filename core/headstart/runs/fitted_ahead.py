"""What is fitted to the training split before a run prepares its data: the split is found by reading alone, then an
input kind is fitted, then all is prepared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from headstart.data.facts import Picked
from headstart.data.payloads import in_memory
from headstart.data.prepared import PreparedData, PrepareOptions, prepare
from headstart.data.reading import OnProgress
from headstart.engine.network.blueprint import assets_of, digests_of
from headstart.errors import PluginError
from headstart.spans import span
from headstart.specs import (
    Finding,
    FitsAhead,
    InputKind,
    Prepared,
    Records,
    Sample,
    TargetKind,
    TensorSpec,
    TrainingSplit,
)

UNFITTED = "unfitted"
"""In the key of what is read before the kind is fitted."""


@dataclass(frozen=True)
class ReadOnly:
    """An input kind of which samples are read and nothing is prepared, since it is not fitted yet."""

    kind: InputKind
    hint: str = ""

    @property
    def tensors(self) -> Mapping[str, TensorSpec]:
        """None."""
        return {}

    @property
    def output_ranges(self) -> Mapping[str, tuple[float, float]]:
        """None."""
        return {}

    def read(self, payload: Any, where: str) -> Sample:
        """As the kind does."""
        return self.kind.read(payload, where)

    def fingerprint(self, sample: Sample) -> int | None:
        """As the kind does."""
        return self.kind.fingerprint(sample)

    def prepare(self, sample: Sample) -> Prepared:
        """A row without tensors."""
        return Prepared({})


def is_unfitted(built: Any) -> bool:
    """Whether an input kind or a task is still to be fitted to a training split."""
    return isinstance(built, FitsAhead) and not built.is_fitted


def readable(kind: InputKind) -> InputKind:
    """The kind, or what reads as it does where it is not fitted yet."""
    return cast("InputKind", ReadOnly(kind)) if is_unfitted(kind) else kind  # reading asks for no more than it has


def training_split(
    records: Records,
    data: PreparedData,
    targets: TargetKind,
    *,
    seed: int,
    folder: Path,
    tell: Callable[[Finding], None],
) -> TrainingSplit:
    """What a kind or a task may be fitted to: each record of the training side of `data` once."""
    payloads = {record.key: record.payload for record in records.items}
    rows = data.firsts("train")
    folder.mkdir(parents=True, exist_ok=True)

    def payload(row: int) -> Any:
        return in_memory(payloads[data.keys[data.owners[row]]])

    return TrainingSplit(Picked(payload, rows), data.read_values(targets, rows), seed, folder, tell)


@span("decoding and checking data")
def fit_and_prepare(
    records: Records,
    kind: InputKind,
    targets: TargetKind,
    options: PrepareOptions,
    *,
    seed: int,
    folder: Path,
    on_progress: OnProgress | None = None,
) -> tuple[InputKind, PreparedData]:
    """The kind, fitted to the training split where it is to be, and the data prepared by it.

    What is fitted writes its files below `folder`. Raises as `prepare` does, PluginError where a kind is not fitted
    after it was.
    """
    if not is_unfitted(kind):
        return kind, prepare(records, kind, targets, options, on_progress=on_progress)
    read_by = None if options.read_by is None else {**options.read_by, UNFITTED: True}
    first = prepare(records, readable(kind), targets, replace(options, read_by=read_by))
    said: list[Finding] = []
    fitted = fitted_to(kind, training_split(records, first, targets, seed=seed, folder=folder, tell=said.append))
    if options.read_by is not None:
        read_by = {**options.read_by, "assets": digests_of(assets_of(fitted))}
    again = replace(options, split=first.split, read_by=read_by)
    data = prepare(records, fitted, targets, again, on_progress=on_progress)
    told = dict.fromkeys((*first.findings, *data.findings, *said))  # what both readings told once
    return fitted, replace(data, findings=tuple(told), skipped=first.skipped)


def fitted_to(built: Any, training: TrainingSplit) -> Any:
    """An input kind or a task, fitted. Raises PluginError where it still says that it is not."""
    fitted = built.fitted_ahead(training)
    if is_unfitted(fitted):
        raise PluginError(
            f"{type(built).__name__} was fitted to the training split and says that it is not",
            hint="its author should give a new one whose `is_fitted` is True",
        )
    return fitted
