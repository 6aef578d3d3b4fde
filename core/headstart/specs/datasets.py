"""Datasets: sources of records."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from headstart.options import NoOptions, option
from headstart.specs.base import Spec

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_@.-]*", re.ASCII)
"""What stands after a dataset's name for one of its codes."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes inside another file, such as a member of an archive: a payload that is read only when it is asked for.

    `where` names the file and the place in it. `read` gives the same bytes each time and may be called by several
    threads at once; it raises DataError or OSError. An input kind never sees a Stored: it is given the bytes.
    """

    where: str
    read: Callable[[], bytes]

    def __str__(self) -> str:
        """Where it lies."""
        return self.where


@dataclass(frozen=True)
class Record:
    """One example. `key` is unique and stable; `payload` is a Path, bytes, Stored, str or a numpy array, or a tuple or
    mapping of several.

    `target` is text such as "cat", "red|round" or "-3.5", or a Path, a numpy array, a tuple or a mapping: a TargetKind
    knows what it means. None where it is not known.
    `split` is given where the dataset fixes it: "train", "val" or "test". `group` keeps what belongs together
    (a person, a recording) on one side of every split. `id` is what the data's own format calls it by, such as COCO's
    image_id: files of that format that are made of answers have it.
    """

    key: str
    payload: Any
    target: Any = None
    group: str | None = None
    split: str | None = None
    id: int | str | None = None


@dataclass(frozen=True)
class Skipped:
    """Something a dataset saw and left out, and why; listed to the user, never silent. `hint` says what would let it
    in."""

    where: str
    reason: str
    hint: str | None = None


@dataclass(frozen=True)
class Finding:
    """Something about the data that its user should know; errors stop `fit`.

    `message` is a whole sentence that names a record or a count; `count` says how many it is about, `hint` what to do.
    `cases` are all of those where the message names only the first few: a line each, which `headstart check` prints.
    """

    level: Literal["note", "warning", "error"]
    message: str
    count: int = 1
    hint: str | None = None
    cases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """What may be lacking in a dataset, for its user to say: a base for the options of a DatasetSpec.

    An instance in `Records.tolerances` tells the core what was said.
    """

    unreadable: float = option(
        0.01, "The share of samples that may be unreadable: they are left out and listed.", low=0.0, high=1.0
    )
    rare: Literal["refuse", "drop", "train"] = option(
        "refuse",
        "What becomes of a class that is too small to be on every side of the split: refuse the data, drop its samples "
        "from all sides, also those with one that train lacks, or leave it in train, so that no metric of val and test "
        "tells how well it is learned.",
    )
    copies: Literal["refuse", "drop"] = option(
        "refuse",
        "What becomes of exact copies on two sides that the data fixes: refuse the data, or drop those in train that "
        "are in val or test too, and those in val that are in test.",
    )


@dataclass(frozen=True)
class Records:
    """What a dataset gives. `medium` is what its payloads are: "image", "text", "audio" or another one that an input
    kind reads; `symmetries` are changes that keep the labels true.

    `targets` names the kind of the targets where the dataset knows it; None: they are recognised by their looks.
    `findings` are what the dataset itself has to say, such as how it read what could be read in several ways.
    `tolerances` are the dataset's options, where these are Tolerances; None: the defaults, and the user has no say.
    `label_ids` are the numbers that the data's own format has for labels, such as COCO's category_id, see
    TakesLabelIds.
    """

    medium: str
    items: tuple[Record, ...]
    symmetries: frozenset[str] = frozenset()
    skipped: tuple[Skipped, ...] = ()
    targets: str | None = None
    findings: tuple[Finding, ...] = ()
    tolerances: Tolerances | None = None
    label_ids: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetRequest:
    """What a dataset is opened from: the path or reference after `KIND:`, or None, and its options.

    `labelled` is False where records are wanted for an answer: then they need no target. `target_columns` are what
    columns of tables mean to the installed kinds of targets: (kind, "text" or "file") by column, see TargetSpec.
    `made` is the folder of what the spec's `make` target has written, which is there; None where it has no such target.
    """

    reference: str | None
    options: Any
    labelled: bool = True
    target_columns: Mapping[str, tuple[str, Literal["text", "file"]]] = field(default_factory=dict)
    made: Path | None = None


class DatasetBuild(Protocol):
    """Build target of a DatasetSpec. Raises UsageError for an absent path, DataError for data that cannot be used."""

    def __call__(self, request: DatasetRequest) -> Records:
        """See the class."""


def _untold(done: int, total: int) -> None:
    """Progress that nobody asked for."""


@dataclass(frozen=True)
class MakeRequest:
    """What a dataset's data is made in and from: an empty `folder`, and the file that it is made from where the user
    has it already, or None: then it is brought, or drawn. `options` are those of the spec's `make_options`; `code` says
    which data is made where the spec has `codes`. `on_progress` is told how many of how many parts are done, where that
    takes long."""

    folder: Path
    source: Path | None = None
    options: Any = field(default_factory=NoOptions)
    code: str = ""
    on_progress: Callable[[int, int], None] = _untold


class DatasetMake(Protocol):
    """Make target of a DatasetSpec: writes all data that its build target reads into `request.folder`, the same files
    each time.

    Raises UsageError where what it needs cannot be had, or `request.source` is not that.
    """

    def __call__(self, request: MakeRequest) -> None:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A source of records. `build` is a DatasetBuild; `takes_path` says whether it needs a path or reference.

    One that needs none may be given one where `may_take_path` says so: its data from another place.
    `medium` is that of its records, or None where it is known only once they are opened. `targets` are the kinds that
    the targets of its records can be of: one where that is always so, several where its options decide; empty where
    only the opened data says.
    `make`, a DatasetMake, is named where the data has to be brought or drawn before it can be opened: it is written
    once, into the local store or a folder of the user's, which then is the path that such a dataset may be given.
    `make_options` is a class like `options`: what the user can choose about that, and not when it is opened.
    `codes` says what a code after the name means, such as "a language, such as gl", where there is data of its own for
    each: `NAME:gl` is made and opened apart from `NAME:es`. Empty: there is one.
    """

    build: str
    medium: str | None
    takes_path: bool
    targets: tuple[str, ...] = ()
    may_take_path: bool = False
    make: str | None = None
    make_options: type = NoOptions
    codes: str = ""
    licence: str = "the user's own"

    def is_code(self, reference: str | None) -> bool:
        """Whether what is written after the name is a code and no path: then paths begin with ".", "/" or "~"."""
        return bool(self.codes) and reference is not None and CODE.fullmatch(reference) is not None

    @property
    def opens_paths(self) -> bool:
        """Whether users may write a path after the name."""
        return self.takes_path or self.may_take_path or self.make is not None
