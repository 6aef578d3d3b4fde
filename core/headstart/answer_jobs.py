"""Answers of a long job in a folder of the user's, a line of JSON each, from which the same command goes on.

What the answers depend on is written beside them: a command that asks another model, or otherwise, does not go on.
An input that cannot be read has a line, too, and is tried once more each time that the job goes on; where it can be
read then, its answer is a later line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from headstart.atomic import explained, make_folders, write_file
from headstart.documents import as_bytes, escaped, plain, read_object
from headstart.errors import REFUSED, DataError, UsageError

ANSWERS = "answers.jsonl"
JOB = ".headstart-job.json"
LARGEST = 2**20
OTHER = "name another folder with --out, or remove this one"


def as_line(answer: Mapping[str, Any]) -> bytes:
    """An answer as a line of JSON, in UTF-8."""
    return escaped(json.dumps(plain(answer), ensure_ascii=False, allow_nan=False) + "\n").encode()


@dataclass(frozen=True)
class Left:
    """What of a job's inputs is left to be answered: their `places`, of which the first `again` are answered again and
    not written: those that are computed together with the next. The last `retried` could not be read before."""

    places: Sequence[int]
    again: int = 0
    retried: int = 0

    def is_written(self, number: int, answer: Mapping[str, Any]) -> bool:
        """Whether the answer to the input at `places[number]` is one more line: no refusal is written twice."""
        return number < len(self.places) - self.retried or REFUSED not in answer


class AnswerJob:
    """The answers of a job in `folder`, which `asked` says as plain values; use as a context manager.

    Raises UsageError where the folder holds answers of another job, DataError where they are damaged.
    """

    def __init__(self, folder: Path, asked: Mapping[str, Any]) -> None:
        with explained(folder):
            make_folders(folder)
        self.path = folder / ANSWERS
        self._job, self._asked = folder / JOB, plain(asked)
        self._file: BinaryIO | None = None
        self.is_begun = self.path.exists()
        """Whether some of it was answered before."""
        if not self.is_begun:
            return
        if not self._job.exists():
            raise UsageError(f"{self.path} is there already, and no `headstart predict --jsonl` wrote it", hint=OTHER)
        before = read_object(self._job, LARGEST)
        for name in dict.fromkeys((*self._asked, *before)):
            was, wanted = before.get(name), self._asked.get(name)
            if was != wanted:
                raise UsageError(f"{folder} holds answers by another {name}: {was!r}; now it is {wanted!r}", hint=OTHER)

    def __enter__(self) -> AnswerJob:
        if not self.is_begun:
            write_file(self._job, as_bytes(json.dumps(self._asked, indent=1) + "\n"))
        with explained(self.path):
            if self.is_begun:
                self._drop_cut_end()
            self._file = self.path.open("ab", buffering=0)  # a line that is written outlives the process
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, answer: Mapping[str, Any]) -> None:
        """Add an answer."""
        if self._file is None:
            raise ValueError("the job is not open")
        with explained(self.path):
            self._file.write(as_line(answer))

    def answers(self) -> Iterator[dict[str, Any]]:
        """Those that are there. Raises DataError naming a line that is none."""
        with explained(self.path), self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    answer = json.loads(line)
                    answer["input"]
                except (ValueError, KeyError, TypeError) as exc:
                    raise DataError(f"{self.path}, line {number}: no answer of a job", hint=OTHER) from exc
                yield answer

    def left_of(self, names: Sequence[str], together: int) -> Left:
        """What is left of inputs with these names, in order, where `together` that can be read are computed at once.

        Those that were answered are known by their names. Where they are the first of all, the rest is computed in the
        very groups of a job that was not stopped: equal to the bit.
        """
        if not self.is_begun:
            return Left(range(len(names)))
        done: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        count = readable = whole = again = 0
        is_start = True
        for answer in self.answers():
            name = answer["input"]
            is_start = is_start and count < len(names) and name == names[count]
            count += 1
            if REFUSED in answer:
                refused[name] += 1
                continue
            done[name] += 1
            readable, again = readable + 1, again + 1
            if readable % together == 0:
                whole, again = count, 0
        left, retried = [], []
        for place, name in enumerate(names):
            if done[name]:
                done[name] -= 1
                if is_start and place >= whole:
                    left.append(place)
            elif refused[name]:
                refused[name] -= 1
                retried.append(place)
            else:
                left.append(place)
        return Left([*left, *retried], again if is_start else 0, len(retried))

    def _drop_cut_end(self) -> None:
        """Take away a last line that was cut short."""
        with self.path.open("r+b") as file:
            end = size = file.seek(0, 2)
            while end:  # from its end, a block at a time
                start = max(0, end - 2**16)
                file.seek(start)
                if (last := file.read(end - start).rfind(b"\n")) >= 0:
                    end = start + last + 1
                    break
                end = start
            if end < size:
                file.truncate(end)
