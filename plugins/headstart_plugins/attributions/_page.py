"""The page: texts whose tokens are coloured by what they add to the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from headstart_plugins._readable import readable

FOR, AGAINST = (0, 114, 178), (213, 94, 0)
"""Blue and vermilion of Okabe and Ito, which colour-blind people tell apart."""
DEEPEST = 0.6
"""Opacity of the largest attribution: its token is still read on it."""
INEXACT = 0.05
"""Share of what attributions should add up to, from which an error is pointed out."""


@dataclass(frozen=True)
class Token:
    """A token as shown: its text, its attribution, a colour, and whether it adds, takes away or neither."""

    text: str
    value: float
    background: str
    sign: str


def page(document: Mapping[str, Any]) -> str:
    """The document that the JSON file holds, as a page by itself without scripts."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(readable=readable)
    samples = [
        {**sample, "shown": shown_tokens(sample["tokens"], sample["attributions"])} for sample in document["samples"]
    ]
    template = (resources.files(__package__) / "attributions.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        {**document, "samples": samples, "inexact": INEXACT, "for_": _colour(FOR, 1), "against": _colour(AGAINST, 1)}
    )


def shown_tokens(tokens: Sequence[str], attributions: Sequence[float]) -> list[Token]:
    """Tokens in colours: deeper for a larger attribution, relative to the largest of the sample."""
    largest = max(map(abs, attributions), default=0.0) or 1.0
    return [
        Token(
            text=text,
            value=value,
            background=_colour(FOR if value > 0 else AGAINST, DEEPEST * abs(value) / largest),
            sign="for" if value > 0 else "against" if value < 0 else "neither",
        )
        for text, value in zip(tokens, attributions, strict=True)
    ]


def _colour(rgb: tuple[int, int, int], opacity: float) -> str:
    return f"rgba({rgb[0]},{rgb[1]},{rgb[2]},{opacity:.2f})"
