"""The files that a task makes of answers, in a folder of the user's: named after their inputs, replacing no other file.

What was written is listed in the folder, by name with its SHA-256: a later command replaces such a file, and no other.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from headstart.atomic import explained, make_folders, write_file
from headstart.data.payloads import in_memory
from headstart.documents import as_bytes, read_object
from headstart.errors import REFUSED, DataError, UsageError
from headstart.manifest import sha256
from headstart.specs import CollectsAnswers, DrawsAnswers, HoldsInFiles, InputKind, Stored, WritesFiles

LISTING = ".headstart-answers.json"
LARGEST_LISTING = 256 * 2**20
MOST_BYTES = 150
"""Of a name, which may be a whole text: file systems take 255, suffixes and numbers among them."""


class AnswerFiles:
    """The files of answers to `inputs`, each a name and its payload, in `folder`.

    Raises UsageError where the task makes none, and naming a file that is there already, would be replaced, and is not
    one that was written here before; a job that `goes_on` replaces what a process before it wrote and could not list.
    `ids` are what the data's own format calls inputs by, by name.
    """

    def __init__(
        self,
        folder: Path,
        task: Any,
        kind: InputKind,
        inputs: Sequence[tuple[str, Any]],
        *,
        goes_on: bool = False,
        ids: Mapping[str, int | str] | None = None,
    ) -> None:
        if not isinstance(task, WritesFiles | DrawsAnswers | CollectsAnswers):
            raise UsageError(
                "the task of this run makes no files", hint="leave out --out; --csv and --json print answers"
            )
        with explained(folder):
            make_folders(folder)
        self._folder, self._task, self._kind, self._goes_on = folder, task, kind, goes_on
        self._inputs, self._names, self._ids = inputs, file_names(inputs), ids or {}
        self._listed = _read_listing(folder)
        self._answers: list[tuple[str, Mapping[str, Any]]] = []
        stems = set(self._names)
        given = {os.path.abspath(payload) for _, payload in inputs if isinstance(payload, str | os.PathLike)}
        for path in sorted(folder.iterdir()):
            # Suffixes are the task's to say, later: an input beside which its answer stands may have another one.
            if path.suffix and path.name.removesuffix(path.suffix) in stems and os.path.abspath(path) not in given:
                self._verify_own(path)
        if isinstance(task, CollectsAnswers):
            for name in task.collected([]):
                self._verify_own(folder / name)

    def take_up(self, answers: Iterable[Mapping[str, Any]]) -> None:
        """Take the `answers` of before, with `input`, for what is written of all together."""
        if isinstance(self._task, CollectsAnswers):
            self._answers = [(each["input"], each) for each in answers if REFUSED not in each]

    def write(self, place: int, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write those of the answer to the input at `place`, and give the answer, with the name of a file for each part
        that the file holds. What is drawn on its input is drawn on what that reads as: it is read again, so that the
        inputs of a batch need not be kept."""
        name, payload = self._inputs[place]
        files = dict(self._task.files(answer)) if isinstance(self._task, WritesFiles) else {}
        if isinstance(self._task, DrawsAnswers):
            files |= self._task.drawn(answer, self._kind.read(in_memory(payload), name))
        for suffix, content in files.items():
            self._write(f"{self._names[place]}{suffix}", content)
        held = self._task.in_files if isinstance(self._task, HoldsInFiles) else {}
        names = {part: f"{self._names[place]}{suffix}" for part, suffix in held.items() if suffix in files}
        answer = {part: names.get(part, value) for part, value in answer.items()}
        if isinstance(self._task, CollectsAnswers):
            self._answers.append((name, answer))
        return answer

    def write_together(self) -> None:
        """Write those of all answers so far."""
        if isinstance(self._task, CollectsAnswers):
            answers = [
                (name, {**answer, "id": self._ids[name]} if name in self._ids else answer)
                for name, answer in self._answers
            ]
            for name, content in self._task.collected(answers).items():
                self._write(name, content)

    def close(self) -> None:
        """List what was written."""
        if not self._listed:
            return
        text = json.dumps(dict(sorted(self._listed.items())), indent=1)
        write_file(self._folder / LISTING, as_bytes(text + "\n"))

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        self._verify_own(path)
        write_file(path, content)
        self._listed[name] = hashlib.sha256(content).hexdigest()

    def _verify_own(self, path: Path) -> None:
        if self._goes_on and path.is_file() and not path.is_symlink():
            return
        if path.is_symlink() or (
            path.exists() and not (path.is_file() and sha256(path) == self._listed.get(path.name))
        ):
            raise UsageError(
                f"{path} is there already, and no earlier `headstart predict --out` wrote it as it is",
                hint="choose another folder with --out",
            )


def _read_listing(folder: Path) -> dict[str, str]:
    """What earlier commands wrote there."""
    path = folder / LISTING
    if not path.exists():
        return {}
    try:
        return {name: str(digest) for name, digest in read_object(path, LARGEST_LISTING).items()}
    except DataError as exc:
        raise UsageError(f"{exc.message}: it should list what was written there", hint="choose another --out") from exc


def file_names(inputs: Sequence[tuple[str, Any]]) -> list[str]:
    """What the files of each of some inputs are called, without their suffix: all different, in capitals or not.

    An input's own name without the suffix of a file: `p` of `photos/p.png`. Where several have one name, with the
    suffix (`p.png`, `p.jpg`), then with the folders above it (`photos-p.png`); numbers where all that is the same.
    """
    found: dict[int, str] = {}
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    left = {place: _names_of(*each) for place, each in enumerate(inputs)}
    tried = {place: next(names) for place, names in left.items()}
    while tried:
        counts = Counter(name.casefold() for name in tried.values())
        further: dict[int, str] = {}
        for place, name in tried.items():
            if counts[name.casefold()] == 1 and name.casefold() not in taken:
                found[place] = name
            elif (longer := next(left[place], None)) is not None:
                further[place] = longer
            else:
                found[place] = _numbered(name, taken, numbers)
            if place in found:
                taken.add(found[place].casefold())
        tried = further
    return [found[place] for place in range(len(inputs))]


def _names_of(name: str, payload: Any) -> Iterator[str]:
    """Names of an input, the shortest first."""
    path = PurePath(name)
    whole = path.name or "input"
    is_file = isinstance(payload, str | Stored) or hasattr(payload, "__fspath__")
    suffix = path.suffix if is_file and path.suffix == PurePath(str(payload)).suffix else ""
    yield _end_of(whole.removesuffix(suffix))
    if suffix:
        yield _end_of(whole)
    for above in path.parts[-2::-1]:
        if above.strip("/\\"):
            whole = f"{above}-{whole}"
            yield _end_of(whole)


def _end_of(name: str) -> str:
    written = os.fsencode(name)
    return name if len(written) <= MOST_BYTES else written[-MOST_BYTES:].decode("utf-8", "ignore")


def _numbered(name: str, taken: Container[str], numbers: Counter[str]) -> str:
    """`name` with the first number from 2 on that makes it free, or none where it is; `numbers` are those tried."""
    made, key = name, name.casefold()
    while made.casefold() in taken:
        numbers[key] += 1
        made = f"{name}-{numbers[key] + 1}"
    return made
