"""Datasets of texts with their translations, from the user's own files: line-aligned files, TMX, catalogues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec
from headstart_plugins._parallel.catalogues import CatalogueOptions
from headstart_plugins._parallel.pairs import PairOptions
from headstart_plugins._parallel_layouts import parallel_format

TARGETS = ("targets/text",)


@dataclass(frozen=True, kw_only=True)
class LanguageOptions(PairOptions):
    """Which of the languages is translated into which."""

    source: str = option("", "The language that is translated, as the data calls it; if unset, English of two.")
    target: str = option("", "The language that it is translated into; if unset, the other one of two.")


@dataclass(frozen=True, kw_only=True)
class ParallelOptions(LanguageOptions):
    """How line-aligned files are read."""

    encoding: str = option("", "Text encoding such as latin-1; UTF-8, or what a file's BOM says, if unset.")


@dataclass(frozen=True, kw_only=True)
class TmxOptions(LanguageOptions):
    """How translation memories are read."""

    inline: Literal["drop", "keep"] = option(
        "drop",
        "What becomes of the text inside the tags bpt, ept, ph, it and ut, which is code of the program that made the "
        "memory; text inside hi and other tags is kept.",
    )


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """Three forms of texts with translations."""
    return [
        DatasetSpec(
            name="parallel_files/parallel",
            summary="Files of a sentence a line, the same line in each language: train.en and train.gl, with dev and "
            "test beside them or not, packed by gzip or not; a folder, or one of the files.",
            options=ParallelOptions,
            build="headstart_plugins.parallel_files._lines:build",
            medium="text",
            targets=TARGETS,
            takes_path=True,
        ),
        DatasetSpec(
            name="parallel_files/tmx",
            summary="A translation memory (TMX): pairs of two of its languages.",
            options=TmxOptions,
            build="headstart_plugins.parallel_files._tmx:build",
            medium="text",
            targets=TARGETS,
            takes_path=True,
        ),
        DatasetSpec(
            name="parallel_files/catalogues",
            summary="Catalogues of messages (.po, .mo), a file or all below a folder: plurals, placeholders and "
            "accelerators by stated rules, fuzzy and untranslated messages left out and counted.",
            options=CatalogueOptions,
            build="headstart_plugins.parallel_files._catalogues:build",
            medium="text",
            targets=TARGETS,
            takes_path=True,
        ),
    ]


@hookimpl
def resolve_dataset(ref: str) -> str | None:
    """Files and folders whose names say that they hold texts in two languages."""
    found = parallel_format(Path(ref).expanduser())
    return None if found is None else f"parallel_files/{found}"
