"""How public objects are shown: a line by `repr`, a small table in notebooks."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from headstart.documents import escaped

LONGEST = 120
"""Letters of one value; the rest is cut off."""


class Shown(ABC):
    """What is shown by a few facts, for there is more in it than anybody wants to read. A dataclass that is one is made
    with `repr=False`."""

    @abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """What it is, in a few names and plain values, as far as that is known without computing anything; raises
        nothing."""

    def __repr__(self) -> str:
        values = (f"{name}={_cut(repr(value))}" for name, value in self.facts().items())
        return f"{type(self).__name__}({', '.join(values)})"

    def _repr_html_(self) -> str:
        """The same as a table, for IPython, and what is shown below it."""
        table, below = as_table(type(self).__name__, self.facts()), self.below()
        return f"<div>{table}{below}</div>" if below else table

    def below(self) -> str:
        """HTML that notebooks show below the table, such as a picture: whole by itself, without script; empty where
        there is nothing. Raises nothing."""
        return ""


def as_table(title: str, values: Mapping[str, Any]) -> str:
    """Names and plain values as an HTML table."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{_text(name.replace('_', ' '))}</th>"
        f"<td style='text-align:left'>{_text(_in_words(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<table><caption style='text-align:left'>{_text(title)}</caption>{rows}</table>"


def _text(text: str) -> str:
    return html.escape(escaped(_cut(text)))


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_in_words(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_in_words, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
