"""The exceptions a user can meet, each with the exit code of the command-line contract.

An error says what was expected, what was received and what to do next. The command line prints `message` and
`hint`; anything that is not a `HeadstartError` is a bug and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

REFUSED = "error"
"""What an answer has in place of everything else where its input cannot be read: the reason."""


class HeadstartError(Exception):
    """The run failed: I/O, no space, no permission. Base of every error shown to a user."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(HeadstartError):
    """Known before any data is read: flags, names, absent paths, missing backend, extra or weights."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a recipe: where it stands, what is wrong, what to do.

    An `idle` value is one that has nothing to act on: without it, everything would be the same.
    """

    where: str
    message: str
    hint: str | None = None
    idle: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class RecipeError(UsageError):
    """Everything that is wrong with a recipe, in one message."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        title = "the recipe has 1 problem" if count == 1 else f"the recipe has {count} problems"
        super().__init__("\n".join([title + ":", *(f"  - {problem}" for problem in self.problems)]))


class MissingWeightsError(UsageError):
    """Weights that are not on this machine; the hint says how to get them."""


class WrongWeightsError(UsageError):
    """A weights file whose arrays do not fit the backbone; the message lists which."""


class DataError(HeadstartError):
    """The data exists and cannot be used; names the file, row or class."""

    exit_code = 3


class DivergedError(HeadstartError):
    """Training produced a value that is not finite; names the phase, epoch, step and keys of the batch."""

    exit_code = 4


class PluginError(HeadstartError):
    """A needed plugin failed, or an artefact was made by another version of a builder."""

    exit_code = 5


class EngineRefusal(HeadstartError):
    """An engine cannot run a network, or answers it differently; names the layer, operation or difference."""


class InterruptedRunError(HeadstartError):
    """SIGINT, SIGTERM or SIGHUP; everything so far was kept."""

    exit_code = 130
