"""Line-aligned files to pairs."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart.errors import DataError, UsageError
from headstart.lists import in_line
from headstart.specs import DatasetRequest, Finding, Records
from headstart_plugins._files.given import given_path
from headstart_plugins._files.names import SPLIT_NAMES, side_of
from headstart_plugins._files.tables import BOMS
from headstart_plugins._parallel.doubts import short
from headstart_plugins._parallel.pairs import LeftOut, Pair, records_of
from headstart_plugins._parallel_layouts import PACKED, SideFile, side_file, side_files
from headstart_plugins.parallel_files import ParallelOptions
from headstart_plugins.parallel_files._languages import source_and_target
from headstart_plugins.parallel_files._parting import parting

BREAKS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""What some programs take for the end of a line, beside the line feed."""


def build(request: DatasetRequest) -> Records:
    """Pairs with keys `train-000001` on: the file's stem and the line.

    Raises DataError naming files whose numbers of lines differ, with the line where they part as far as that can be
    found; where the sides are not clear; and as `source_and_target` does.
    """
    options: ParallelOptions = request.options
    path = given_path(request.reference, usage="parallel:FOLDER")
    texts = _texts_of(path)
    languages = sorted({each.language for files in texts.values() for each in files})
    source, target = source_and_target(str(path), languages, options)
    sides, findings = _sides(path, list(texts))
    pairs: list[Pair] = []
    for stem, files in texts.items():
        by_language = {each.language: each.path for each in files}
        lacking = [name for name in (source, target) if name not in by_language]
        if lacking:
            raise DataError(f"{path}: {stem} is not there in {lacking[0]}", hint="put both files beside each other")
        first, second = by_language[source], by_language[target]
        lines = _lines(first, options.encoding), _lines(second, options.encoding)
        if len(lines[0]) != len(lines[1]):
            raise _torn((first, second), lines)
        pairs += [
            Pair(f"{stem}-{number:06d}", one, other, sides[stem])
            for number, (one, other) in enumerate(zip(*lines, strict=True), start=1)
        ]
    message = f"{source} is translated into {target}" + (", and the other way round" if options.reverse else "")
    findings.append(Finding("note", f"{message}: {in_line(sorted(texts))}", len(pairs)))
    return records_of(pairs, options, LeftOut.nothing(), findings, labelled=request.labelled)


def _texts_of(path: Path) -> Mapping[str, Sequence[SideFile]]:
    """The files by what they are about; of a file itself its text alone, in all languages beside it."""
    if path.is_file():
        read = side_file(path)
        found = {} if read is None else side_files(path.parent)
        if read is None or read.stem not in found:
            hint = "name both alike but for the language: train.en and train.gl"
            raise DataError(f"{path}: no file beside it holds the same text in another language", hint=hint)
        return {read.stem: found[read.stem]}
    found = side_files(path)
    if not found:
        hint = "name them alike but for the language: train.en and train.gl"
        raise DataError(f"{path}: no two files hold a text in two languages", hint=hint)
    return found


def _sides(path: Path, stems: Sequence[str]) -> tuple[dict[str, str | None], list[Finding]]:
    """The side of each text: all have one by their names, or none has. Raises DataError where some have."""
    sides = {stem: side_of(stem) or side_of(stem.partition(".")[0]) for stem in stems}
    given = {stem for stem, side in sides.items() if side}
    if len(stems) == 1:  # one file that is called train is all there is
        return dict.fromkeys(stems), []
    if given and given != set(stems):
        other = next(stem for stem in stems if stem not in given)
        raise DataError(
            f"{path}: {in_line(sorted(given))} name sides of a split, and {other!r} names none",
            hint=f"call it like a side ({', '.join(SPLIT_NAMES)}), or move it away",
        )
    if given and "train" not in sides.values():
        raise DataError(f"{path}: {in_line(sorted(given))} are there, and nothing to train on", hint="add train.*")
    return sides, []


def _lines(path: Path, encoding: str) -> list[str]:
    """The lines of a file, without carriage returns; what stands behind the last line feed is a line where it is
    something."""
    try:
        content = path.read_bytes()
        if path.suffix.lower() == PACKED:
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as exc:
        raise DataError(f"{path}: cannot be read: {exc}", hint="fetch it again") from exc
    chosen = encoding or next((name for bom, name in BOMS if content.startswith(bom)), "utf-8")
    try:
        text = content.decode(chosen)
    except LookupError as exc:
        raise UsageError(f"{encoding!r} is no known encoding", hint="such as utf-8, latin-1 or cp1252") from exc
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        raise DataError(
            f"{path}: line {line}: byte {exc.start} ({content[exc.start : exc.start + 1].hex()}) is no valid {chosen}",
            hint="say what it is: --set dataset.encoding=latin-1 (or cp1252, ...)",
        ) from exc
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]


def _torn(files: tuple[Path, Path], lines: tuple[Sequence[str], Sequence[str]]) -> DataError:
    """Two files of different numbers of lines, and where they seem to part."""
    counts = f"{files[0].name} has {len(lines[0]):,} lines, {files[1].name} {len(lines[1]):,}"
    places = [
        f"line {number} of {file.name} holds U+{ord(mark):04X}, which some programs take for the end of a line"
        for file, texts in zip(files, lines, strict=True)
        for number, mark in [_first_break(texts)]
        if mark
    ]
    at = parting(*lines)
    if at is not None:
        told = [f"{short(texts[at])}" if at < len(texts) else "the end" for texts in lines]
        places.insert(0, f"they seem to part at about line {at + 1}: {told[0]} beside {told[1]}")
    where = "; ".join(places) or "where they part cannot be told from their lengths, numbers and marks"
    hint = "mend the files so that the same line of both says the same; nothing is paired by guessing"
    return DataError(f"{files[0].parent}: {counts}; {where}", hint=hint)


def _first_break(lines: Sequence[str]) -> tuple[int, str]:
    for number, line in enumerate(lines, start=1):
        for mark in BREAKS:
            if mark in line:
                return number, mark
    return 0, ""
