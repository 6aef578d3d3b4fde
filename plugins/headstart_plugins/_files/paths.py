"""Which files the texts of a table's column mean: the one reading that leads to them.

A reading is a column, a folder, how many leading parts of each text are left out, and what is added behind it. As it is
written, relative to the table, a text comes first. Otherwise all readings are tried on an index of the files below the
table's folder, with letters of either case, accents composed or not, and either slash; and as written from the working
folder. No more leading parts are left out than needed, the table's folder goes before those in it, and no two texts may
lead to one file. A reading that leads to files in all rows, but for as few as may be unreadable, is taken if it is the
only one.
"""

from __future__ import annotations

import os
import shlex
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from headstart.data.folders import is_hidden
from headstart.errors import DataError
from headstart_plugins._files.given import MEDIA
from headstart_plugins._files.tables import Table

LEFT_OUT = frozenset().union(*MEDIA.values())
"""The suffixes that texts may lack."""
SAMPLE = 60
"""So many rows tell which readings are tried on all."""
LIKELY = 0.9
"""The share of the sample's readable rows that such a reading leads to files."""
MOST_INDEXED = 1_000_000
"""With more files than these below the folder there is no search."""


@dataclass(frozen=True, kw_only=True)
class PathOptions:
    """How the texts are meant, as the table's user says: the `folder` of the files, relative to the table, which the
    option `folder_option` names, as `column_option` names their column; the `suffix` that the texts lack, empty for
    any; and which share of the rows may be `unreadable`."""

    folder: str
    suffix: str
    unreadable: float
    folder_option: str = "folder"
    column_option: str = "path_column"


@dataclass(frozen=True)
class Reading:
    """The `files` that the rows of `column` mean, whether they are there or not; `found` says how many are. `how` is
    what was done to the texts, for messages, and `settings` are those that ask for this reading."""

    column: str
    files: tuple[Path, ...]
    found: int
    how: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """How the texts were read and what that leads to, in words."""
        done = f" ({', '.join(self.how)})" if self.how else ""
        return f"as path{done}: {self.found} of {len(self.files)} files found"


def read_paths(path: Path, table: Table, tiers: Iterable[Sequence[str]], options: PathOptions) -> Reading | None:
    """The only reading of the first of the `tiers` of columns that has any; None where none leads to files.

    Raises DataError listing the readings where several do.
    """
    base = _base(path, options)
    tiers = [tier for tier in tiers if tier]
    texts = {column: _texts(table, column, options.suffix) for tier in tiers for column in tier}
    index: _Index | None = None
    for tier in tiers:
        found = [_as_written(base, column, texts[column], options) for column in tier]
        found = [each for each in found if _are_enough(each.found, len(each.files), options)]
        if not found:
            if index is None:
                names = {parts[-1] for each in texts.values() for parts in map(_parts, each) if parts}
                index = _Index.of(path.parent, base, names)
            for column in tier:
                found += _searched(index, column, texts[column], options)
        if len(found) > 1 and len(found := _different(found)) > 1:
            listed = "".join(
                f"\n  - column {each.column!r} {each.outcome}, by {' '.join(each.settings)}" for each in found
            )
            raise DataError(
                f"{path}: {len(found)} readings lead to files; expected one:{listed}",
                hint=f"say which by its settings, such as {' '.join(found[0].settings)}",
            )
        if found:
            return found[0]
    return None


def as_written(path: Path, table: Table, column: str, options: PathOptions) -> Reading:
    """The reading that takes the texts of `column` as they are, wherever that leads."""
    return _as_written(_base(path, options), column, _texts(table, column, options.suffix), options)


def _texts(table: Table, column: str, suffix: str) -> list[str]:
    """The texts of a column with the suffix that they lack; an empty one stays so."""
    texts = (row.get(column, "") for _, row in table.rows)
    return [text + suffix if text.strip() else "" for text in texts]


def _base(path: Path, options: PathOptions) -> Path:
    return path.parent / Path(options.folder).expanduser()


def _as_written(base: Path, column: str, texts: Sequence[str], options: PathOptions) -> Reading:
    files = tuple(base / text for text in texts)
    there = sum(bool(text) and os.path.isfile(file) for text, file in zip(texts, files, strict=True))
    return Reading(column, files, there, settings=_settings(column, "", "", options))


def _are_enough(found: int, rows: int, options: PathOptions) -> bool:
    """Whether no more rows lack a file than may be unreadable."""
    return found > 0 and rows - found <= options.unreadable * rows


def _settings(column: str, folder: str, suffix: str, options: PathOptions) -> tuple[str, ...]:
    given = {options.column_option: "" if column == "path" else column, options.folder_option: folder, "suffix": suffix}
    return tuple(f"--set dataset.{name}={shlex.quote(value)}" for name, value in given.items() if value)


def _different(readings: Sequence[Reading]) -> list[Reading]:
    """The readings without those that lead nowhere else than one before them, the fullest ones first."""
    kept: list[tuple[Reading, list[str | None]]] = []
    for reading in sorted(readings, key=lambda each: -each.found):
        there = [os.path.realpath(file) if os.path.isfile(file) else None for file in reading.files]
        if not any(all(one in (None, other) for one, other in zip(there, known, strict=True)) for _, known in kept):
            kept.append((reading, there))
    return [reading for reading, _ in kept]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _parts(text: str) -> tuple[str, ...]:
    """The folders and the name in a path, folded, whichever slash stands between them."""
    return tuple(part for part in _folded(text).replace("\\", "/").split("/") if part not in ("", "."))


@dataclass(frozen=True)
class _Index:
    """The files below `base` whose name is wanted, by the folded parts of their path: `whole`, and `bare` without the
    suffix; `places` are the folders, as parts, of each folded name or bare name."""

    table: Path
    """The table's folder."""
    base: Path
    whole: defaultdict[tuple[str, ...], list[str]] = field(default_factory=lambda: defaultdict(list))
    bare: defaultdict[tuple[str, ...], list[str]] = field(default_factory=lambda: defaultdict(list))
    places: defaultdict[str, set[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of(cls, table: Path, base: Path, wanted: set[str]) -> _Index:
        """Walk `base` once, but no folder that `is_hidden` or is a link. Empty where there are too many files."""
        index = cls(table, base)
        seen = 0
        for folder, folders, names in os.walk(base):
            folders[:] = sorted(each for each in folders if not is_hidden(each))
            seen += len(names)
            if seen > MOST_INDEXED:
                return cls(table, base)
            inside = os.path.relpath(folder, base)
            place = _parts("" if inside == "." else inside.replace(os.sep, "/"))
            for name in names:
                whole = _folded(name)
                bare, suffix = os.path.splitext(whole)
                file = os.path.normpath(os.path.join(inside, name))
                if whole in wanted:
                    index.whole[(*place, whole)].append(file)
                    index.places[whole].add(place)
                if suffix in LEFT_OUT and bare in wanted:
                    index.bare[(*place, bare)].append(file)
                    index.places[bare].add(place)
        return index

    def found(self, parts: tuple[str, ...], text: str) -> dict[str, str]:
        """The file of each suffix that is left out in `parts`, "" for none. Where names differ by nothing else than
        what is folded, that which `text` ends as; else none of them."""
        candidates: defaultdict[str, list[str]] = defaultdict(list)
        candidates[""] += self.whole.get(parts, ())
        for file in self.bare.get(parts, ()):
            candidates[os.path.splitext(file)[1].lower()].append(file)
        name = text.replace("\\", "/").rpartition("/")[2]
        chosen = {}
        for suffix, files in candidates.items():
            same = files if len(files) == 1 else [each for each in files if _name(each, suffix) == name]
            if len(same) == 1:
                chosen[suffix] = same[0]
        return chosen


def _name(file: str, suffix: str) -> str:
    name = os.path.basename(file)
    return name[: -len(suffix)] if suffix else name


def _searched(index: _Index, column: str, texts: Sequence[str], options: PathOptions) -> Iterator[Reading]:
    """The readings of `column` that lead to enough files: of those below the base the ones that leave out the fewest
    leading parts, the base itself before its folders; and the one from the working folder."""
    parts = [_parts(text) for text in texts]
    likely = _likely(index, parts, LIKELY * (1 - options.unreadable))
    readings: list[Reading] = []
    for dropped, below in sorted({(dropped, bool(place)) for place, dropped in likely}):
        if readings or not _tell_apart(parts, dropped):
            continue
        for place in (place for place, out in likely if (out, bool(place)) == (dropped, below)):
            rows = [
                index.found((*place, *each[dropped:]), text) if len(each) > dropped else {}
                for each, text in zip(parts, texts, strict=True)
            ]
            readings += [
                _described(index, column, texts, files, dropped=dropped, options=options)
                for files in _by_suffix(rows, options)
            ]
    if not readings and _tell_apart(parts, -1):  # each name somewhere below, in one folder only
        rows = []
        for each, text in zip(parts, texts, strict=True):
            places = index.places.get(each[-1], ()) if each else ()
            found = [index.found((*place, each[-1]), text) for place in places] if len(places) == 1 else []
            rows.append(found[0] if found else {})
        readings += [
            _described(index, column, texts, files, dropped=None, options=options)
            for files in _by_suffix(rows, options)
        ]
    yield from readings
    here = _as_written(Path(), column, texts, options)
    if _are_enough(here.found, len(texts), options):
        how, settings = ("from the working folder",), _settings(column, os.getcwd(), options.suffix, options)
        yield replace(here, how=how, settings=settings)


def _tell_apart(parts: Sequence[tuple[str, ...]], dropped: int) -> bool:
    """Whether rows that differ still do without their first `dropped` parts: else several would mean one file."""
    return len({each[dropped:] for each in parts}) == len(set(parts))


def _likely(index: _Index, parts: Sequence[tuple[str, ...]], least: float) -> list[tuple[tuple[str, ...], int]]:
    """Folders, and how many leading parts are left out, that lead to files in the share `least` of a sample of rows."""
    rows = [each for each in parts if each]
    sample = rows[:: max(1, len(rows) // SAMPLE)]
    counts: Counter[tuple[tuple[str, ...], int]] = Counter()
    for each in sample:
        readings = set()
        for place in index.places.get(each[-1], ()):
            last = len(each) - 1
            readings.add((place, last))
            while last and place and place[-1] == each[last - 1]:
                place, last = place[:-1], last - 1
                readings.add((place, last))
        counts.update(readings)
    return sorted((key for key, count in counts.items() if count >= least * len(sample)), key=lambda key: (key[1], key))


def _by_suffix(rows: Sequence[dict[str, str]], options: PathOptions) -> Iterator[list[str | None]]:
    """The files of each suffix that is left out, where these are enough; where no suffix alone leads to them, the only
    file that a row has with any."""
    suffixes = [""] if options.suffix else sorted({suffix for row in rows for suffix in row})
    each_alone = [[row.get(suffix) for row in rows] for suffix in suffixes]
    enough = [files for files in each_alone if _are_enough(sum(map(bool, files)), len(rows), options)]
    if not enough and len(suffixes) > 1:
        only = [[file for suffix, file in row.items() if suffix] for row in rows]
        mixed = [files[0] if len(files) == 1 else None for files in only]
        enough = [mixed] if _are_enough(sum(map(bool, mixed)), len(rows), options) else []
    yield from enough


@dataclass(frozen=True)
class _Way:
    """From a text to its file: the `head` of the text that is left out, the `folder` of what stays, and the `suffix`
    behind it; whether letters differ by case, or only by Unicode form."""

    head: str
    folder: str
    suffix: str
    other_case: bool
    other_form: bool

    @classmethod
    def of(cls, text: str, file: str, dropped: int | None) -> _Way:
        """Without the first `dropped` parts of the text; all but the name for None."""
        slashed = text.replace("\\", "/")
        written = [part for part in slashed.split("/") if part not in ("", ".")]
        tail = written[-1:] if dropped is None else written[dropped:]
        parts = file.replace(os.sep, "/").split("/")
        place, meant, suffix = parts[: -len(tail)], parts[-len(tail) :], ""
        if _folded(meant[-1]) != _folded(tail[-1]):
            meant[-1], suffix = os.path.splitext(meant[-1])
        head = text[: max(0, slashed.rfind("/".join(tail)))] if dropped else ""
        composed = [[unicodedata.normalize("NFC", part) for part in each] for each in (meant, tail)]
        same = composed[0] == composed[1]
        return cls(head, "/".join(place), suffix, not same, same and meant != tail)


def _described(
    index: _Index,
    column: str,
    texts: Sequence[str],
    files: Sequence[str | None],
    *,
    dropped: int | None,
    options: PathOptions,
) -> Reading:
    """The reading that leads to `files`, relative to the index, with what it does to the texts in words."""
    ways = [_Way.of(text, file, dropped) for text, file in zip(texts, files, strict=True) if file]
    heads, folders = {way.head for way in ways}, {way.folder for way in ways}
    suffixes = sorted({options.suffix or way.suffix for way in ways} - {""})
    folder = next(iter(folders)) if len(folders) == 1 else ""
    cases, forms = sum(way.other_case for way in ways), sum(way.other_form for way in ways)
    words = {
        f"+ {' or '.join(suffixes)}": suffixes,
        f"without {next(iter(heads))!r}" if len(heads) == 1 else f"without the first {dropped} of its parts": dropped,
        "by name alone": dropped is None,
        f"in folder {folder}/": folder,
        f"in {len(folders)} folders": len(folders) > 1,
        "\\ as /": any("\\" in text for text in texts),
        f"{cases} in another case": cases,
        f"{forms} in another Unicode form": forms,
    }
    asked = os.path.relpath(index.base / folder, index.table) if folder else ""
    return Reading(
        column,
        tuple(index.base / (file or text) for file, text in zip(files, texts, strict=True)),
        len(ways),
        tuple(each for each, said in words.items() if said),
        _settings(column, asked, suffixes[0] if len(suffixes) == 1 else "", options),
    )
