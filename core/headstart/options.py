"""Typed plugin options: a frozen dataclass with a default, bounds and a sentence a field.

    @dataclass(frozen=True)
    class PhotoOptions:
        nested: bool = option(False, "Treat nested folders as classes.")
        minimum: int = option(2, "Smallest number of pictures a class may have.", low=1)

The same declaration validates recipe tables and `--set`, and is printed by `headstart KIND NAME`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class NoOptions:
    """For specs that have nothing to choose."""


@dataclass(frozen=True)
class Bounds:
    """What `option` keeps beside a field: its sentence and the values it accepts (bounds included)."""

    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] | None = None


def option(
    default: T,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[T, ...] | None = None,
) -> T:
    """Declare one option of a frozen dataclass; `low` and `high` are inclusive."""
    bounds = Bounds(help=help, low=low, high=high, choices=choices)
    declared: T = field(default=default, metadata={"option": bounds})
    return declared
