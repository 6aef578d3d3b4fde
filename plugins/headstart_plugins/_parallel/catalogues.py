"""Catalogues of messages, as gettext has them: .po files and compiled .mo files, to pairs of texts by stated rules."""

from __future__ import annotations

import gettext
import hashlib
import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headstart.errors import DataError, UsageError
from headstart.options import option
from headstart.specs import Finding, Records
from headstart_plugins._parallel.accelerators import MARKS, without_accelerators
from headstart_plugins._parallel.pairs import LeftOut, Pair, PairOptions, records_of
from headstart_plugins._placeholders import placeholders_of

SUFFIXES = (".po", ".mo")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:[_-](?:[A-Z]{2}|[A-Z][a-z]{3}|[0-9]{3}))*(?:@[a-z]+)?")
"""What folders and files of one language are called: gl, pt_BR, zh-Hans, ca@valencia."""
STATED = re.compile(rb"Language: *([A-Za-z]{2,3}(?:[_@-][A-Za-z0-9]+)*) *(?:\\n|\n)")
HEADER = 1 << 20
"""Bytes in which it is looked for: compiled catalogues hold it behind all messages."""
COMPILED = "LC_MESSAGES"
SUFFIX_NAMES = ("po", "mo")
"""Folders of catalogues that are called like their files."""
MANY = range(100)
"""Numbers of things among which the plural that is used most often is looked for."""


@dataclass(frozen=True, kw_only=True)
class MessageOptions(PairOptions):
    """Which messages of catalogues are taken."""

    fuzzy: Literal["drop", "keep"] = option(
        "drop", "What becomes of messages marked fuzzy, whose translation nobody has looked at since the text changed."
    )
    plurals: Literal["both", "drop"] = option(
        "both",
        "What becomes of messages about one or several things. both: two pairs, the singular with the form for 1, the "
        "plural with the form that most numbers have.",
    )
    accelerators: str = option(
        MARKS,
        "The marks before a letter that a keyboard reaches. Each is removed that stands once in the source and at most "
        "once in the target, before a letter or digit, and not inside a word or placeholder that both sides share, "
        "such as file_name. Empty: all are kept.",
    )
    placeholders: Literal["matched", "keep", "drop"] = option(
        "matched",
        "What becomes of messages with placeholders such as %s, {0}, %PRODUCTNAME, $(ARG1) and tags. matched: those "
        "are left out whose two sides do not hold the same ones; drop: all that hold one.",
    )
    repeated: Literal["keep", "drop"] = option(
        "drop", "What becomes of a pair that was there already, both sides to the letter, in whichever context."
    )


@dataclass(frozen=True, kw_only=True)
class CatalogueOptions(MessageOptions):
    """How catalogues are read, and which of their messages are taken."""

    language: str = option(
        "", "The language whose catalogues are read, such as gl or pt_BR, where there are those of several."
    )


@dataclass(frozen=True)
class Catalogue:
    """A file of messages: its path, its name in keys, and its language, empty where nothing says it."""

    path: Path
    name: str
    language: str


def read_catalogues(root: Path, options: MessageOptions, *, language: str = "", labelled: bool = True) -> Records:
    """The pairs of a catalogue, or of all of a `language` below a folder. Keys are the file's name without its suffix
    and language, and a digest of context and message: the same message has the same key in every language. Where they
    are to be answered, and not `labelled`, all messages are there but obsolete ones, see `records_of`.

    Raises UsageError where polib is missing; DataError where there is no catalogue, one is damaged, or there are those
    of several languages and none is chosen.
    """
    catalogues, findings = _chosen(_found(root), root, language)
    left_out, seen = LeftOut.nothing(), Counter[str]()
    changed = 0
    pairs: list[Pair] = []
    for catalogue in catalogues:
        for key, source, target in _messages(catalogue, options, left_out, labelled=labelled):
            if labelled:
                plain = without_accelerators(source, target, options.accelerators)
            else:  # each by itself: of a sign inside a word only another text with that word tells that it stays
                one, other = (without_accelerators(text, text, options.accelerators)[0] for text in (source, target))
                plain = one, other
            changed += plain != (source, target)
            ours, theirs = map(placeholders_of, plain)
            if labelled and options.placeholders == "drop" and (ours or theirs):
                left_out.add("placeholders", key, plain[0])
            elif labelled and options.placeholders == "matched" and ours != theirs:
                left_out.add("the two sides do not hold the same placeholders", key, plain[0])
            else:
                seen[key] += 1  # a catalogue may hold one message twice, though compilers of .mo refuse that
                pairs.append(Pair(key if seen[key] == 1 else f"{key}.{seen[key]}", *plain))
    if changed:
        message = f"the accelerators of {changed:,} messages are removed ({' '.join(options.accelerators)})"
        findings.append(Finding("note", message, changed, "--set dataset.accelerators='' keeps them"))
    return records_of(pairs, options, left_out, findings, labelled=labelled)


def _found(root: Path) -> list[Catalogue]:
    """All catalogues, by path; of a .po and a .mo of the same name the .po, which says more."""
    if root.is_file():
        return [Catalogue(root, root.stem, _stated_language(root))]
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    sources = {path.with_suffix("") for path in files if path.suffix.lower() == ".po"}
    return [
        _catalogue(path, path.relative_to(root))
        for path in files
        if path.suffix.lower() == ".po" or path.with_suffix("") not in sources
    ]


def _catalogue(path: Path, below: Path) -> Catalogue:
    """The language is the folder above LC_MESSAGES; else what the catalogue itself states; else that of the folder or
    file of such a name. The rest of the path `below` the root is what the catalogue is about."""
    parts = [*below.parts[:-1], below.stem]
    language = ""
    if len(parts) > 2 and parts[-2] == COMPILED:
        language = parts.pop(-3)
    else:
        stated = _stated_language(path)
        folders_first = [*reversed(parts[:-1]), parts[-1]]
        named = [part for part in folders_first if LANGUAGE.fullmatch(part) and part not in SUFFIX_NAMES]
        own = [part for part in named if _plain(part) == _plain(stated)]
        short_names = [part for part in named if len(_plain(part).partition("_")[0]) == 2]
        language = next(iter([*own, *([stated] if stated else []), *short_names, *named]), "")
        if language in parts and len(parts) > 1:
            parts.remove(language)
    return Catalogue(path, "/".join(part for part in parts if part != COMPILED), language)


def _stated_language(path: Path) -> str:
    """What the header of a catalogue says, which stands near its beginning; empty where it says nothing."""
    try:
        with path.open("rb") as file:
            match = STATED.search(file.read(HEADER))
    except OSError:
        return ""  # told where it is opened
    return "" if match is None else match[1].decode("ascii")


def _chosen(catalogues: Sequence[Catalogue], root: Path, language: str) -> tuple[Sequence[Catalogue], list[Finding]]:
    if not catalogues:
        raise DataError(f"{root}: no catalogue", hint="files of messages are called .po or .mo")
    counts = Counter(each.language for each in catalogues)
    listed = ", ".join(f"{name or 'unknown'} ({count})" for name, count in sorted(counts.items()))
    if language:
        wanted = _plain(language)
        exact = [each for each in catalogues if _plain(each.language) == wanted]
        chosen = exact or [each for each in catalogues if _plain(each.language).partition("_")[0] == wanted]
        if not chosen and set(counts) != {""}:
            raise DataError(f"{root}: no catalogue of {language}; there are: {listed}", hint="name one of these")
        return chosen or catalogues, []
    if len(counts) > 1:
        first = max(counts, key=lambda name: (counts[name], name))
        raise DataError(
            f"{root}: catalogues of {len(counts)} languages: {listed}",
            hint=f"say which one is learned: --set dataset.language={first}",
        )
    return catalogues, []


def _plain(language: str) -> str:
    return language.replace("-", "_").casefold()


def _messages(
    catalogue: Catalogue, options: MessageOptions, left_out: LeftOut, *, labelled: bool
) -> Iterator[tuple[str, str, str]]:
    """Key, source and target of each message that is translated; where not `labelled`, of the others too."""
    opened = _opened(catalogue.path)
    forms = _plural_forms(opened)
    for entry in opened:
        key = f"{catalogue.name}#{_digest(entry.msgctxt, entry.msgid)}"
        if getattr(entry, "obsolete", False):  # compiled messages are neither obsolete nor fuzzy
            left_out.add("obsolete messages", key, entry.msgid)
        elif labelled and "fuzzy" in getattr(entry, "flags", ()) and options.fuzzy == "drop":
            left_out.add("fuzzy translations", key, entry.msgid)
        elif entry.msgid_plural:
            if labelled and options.plurals == "drop":
                left_out.add("messages with plurals", key, entry.msgid)
                continue
            one, several = (entry.msgstr_plural.get(form, "") for form in forms)
            for source, target, suffix in ((entry.msgid, one, ""), (entry.msgid_plural, several, ".plural")):
                if target or not labelled:
                    yield key + suffix, source, target
                else:
                    left_out.add("messages without a translation", key + suffix, source)
        elif labelled and not entry.msgstr:
            left_out.add("messages without a translation", key, entry.msgid)
        else:
            yield key, entry.msgid, entry.msgstr


def _opened(path: Path) -> Any:
    try:
        import polib
    except ImportError as exc:
        hint = "pip install 'headstart[translation]'"
        raise UsageError(f"{path}: reading catalogues needs polib", hint=hint) from exc
    try:
        return polib.mofile(str(path)) if path.suffix.lower() == ".mo" else polib.pofile(str(path))
    except (OSError, ValueError, LookupError, struct.error) as exc:  # a UnicodeDecodeError is a ValueError
        raise DataError(f"{path}: no readable catalogue: {exc}", hint="compile or fetch it again") from exc


def _plural_forms(catalogue: Any) -> tuple[int, int]:
    """Which form 1 thing has, and which most numbers of things have, by the catalogue's own rule."""
    written = catalogue.metadata.get("Plural-Forms", "")
    rule = re.search(r"plural\s*=\s*([^;]+)", written)
    if rule is None:
        return 0, 1
    try:
        form = gettext.c2py(rule[1].strip())
        return form(1), Counter(form(number) for number in MANY).most_common(1)[0][0]
    except (ValueError, ArithmeticError, RecursionError) as exc:  # such as n%0
        raise DataError(f"{catalogue.fpath}: no rule of plurals: {written!r}", hint="mend its header") from exc


def _digest(context: str | None, message: str) -> str:
    whole = message if context is None else f"{context}\4{message}"
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:12]
