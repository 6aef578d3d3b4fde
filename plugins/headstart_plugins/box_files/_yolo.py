"""Annotations as YOLO has them: a text a picture, each line the number of a class and shares of width and height:
centre x, centre y, width, height (docs.ultralytics.com, "Detection datasets overview"), or the points of a polygon."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.data.folders import walk
from headstart.errors import DataError, UsageError
from headstart.lists import in_line
from headstart.specs import Finding, Skipped
from headstart_plugins._annotations.headers import Four
from headstart_plugins._annotations.told import Fault, Told, as_notes
from headstart_plugins._annotations.where import Data
from headstart_plugins._box_layouts import CLASS_LISTS, LABELS, is_data_yaml
from headstart_plugins._files.names import side_of
from headstart_plugins._picture_suffixes import is_picture
from headstart_plugins.box_files._annotated import CENTRED, CORNERS, Annotated, Written, shares
from headstart_plugins.box_files._faults import NO_NUMBERS, UNKNOWN_CLASS
from headstart_plugins.box_files._options import YoloOptions
from headstart_plugins.box_files._records import Found

SIDES = ("train", "val", "test")
IMAGES = "images"
NO_TEXT = Fault(
    "picture",
    "without a text of annotations, taken for pictures without objects",
    "as YOLO does; --set dataset.unlabelled=drop leaves them out",
    "warning",
)
NO_PICTURE = Fault(
    "annotation",
    "without a picture",
    "texts of annotations are called as their pictures, in the same folder or in labels for images",
    "warning",
)


def read_yolo(data: Data, options: YoloOptions) -> Found:
    """The pictures of the sides that data.yaml names, or all below the folder; without those of a side where none has a
    text, as of a test side that nobody has annotated.

    Raises DataError for what cannot be read, and for a picture on two sides.
    """
    told = Told()
    skipped: list[Skipped] = []
    document = _document(data, options)
    names = _names(data, document[1] if document else {}, told)
    sides = _sides(data, *document, told=told) if document else _all_pictures(data, options)
    keypoints = document is not None and "kpt_shape" in document[1]
    found, used, notes = [], set(), Counter[str]()
    texts_of = {picture: _text_of(picture) for picture in sides}
    annotated = {sides[picture] for picture, text in texts_of.items() if text is not None}
    bare: defaultdict[str, list[Path]] = defaultdict(list)
    for picture, side in sides.items():
        text = texts_of[picture]
        boxes: list[Written] = []
        if text is not None:
            used.add(text)
            boxes = list(_boxes(data.key(text), _lines(text), names, told, notes, keypoints=keypoints))
        elif side is not None and side not in annotated:
            bare[side].append(picture)
            continue
        elif options.unlabelled == "drop":
            skipped.append(Skipped(str(picture), "no text of annotations"))
            continue
        else:
            told.add(NO_TEXT, data.key(picture))
        source = data.key(picture if text is None else text)
        found.append(Annotated(data.key(picture), picture, source, boxes, None, side))
    texts = {file for file in data.tree.others if file.suffix.lower() == ".txt" and file.parent.name == LABELS}
    for text in sorted(texts - used - {file for file in texts if file.name in CLASS_LISTS}):
        if not document or any(text.parent == each.parent for each in used):
            told.add(NO_PICTURE, data.key(text))
    for side, pictures in bare.items():
        why = f"{len(pictures)} pictures of {side}, where none has a text of annotations, such as"
        skipped.append(Skipped(str(data.root), f"{why} {data.key(pictures[0])}"))
    told.findings += as_notes(notes)
    if not used:
        hint = "for images/a.jpg labels/a.txt, or a.txt beside it"
        raise DataError(f"{data.root}: none of {len(sides)} pictures has a text of annotations", hint=hint)
    form = shares(CENTRED)
    result = Found(found, form, [(shares(CORNERS), "write centre x, centre y, width and height")], is_shares=True)
    result.units_hint = "YOLO has shares: divide x by the width of the picture and y by its height"
    result.told, result.skipped = told, skipped
    result.skipped += data.unused(set(sides), "on no side that data.yaml names") if document else []
    return result


def yolo_pictures(data: Data, options: YoloOptions) -> list[Path]:
    """The pictures of the sides that data.yaml names, or all below the folder: with a text of annotations or without,
    they can be answered. Raises DataError as `read_yolo` does for data.yaml."""
    document = _document(data, options)
    return sorted(_sides(data, *document, told=Told()) if document else _all_pictures(data, options))


def _document(data: Data, options: YoloOptions) -> tuple[Path, Mapping[str, Any]] | None:
    """The YAML file that names classes and sides; None where there is none."""
    given = [data.root / name for name in options.annotations] or ([data.given] if data.given else [])
    suffixes = (".yaml", ".yml")
    files = given or [each for each in data.tree.others if each.suffix.lower() in suffixes and is_data_yaml(each)]
    if len(files) > 1:
        listed = [data.key(each) for each in files]
        hint = f"say which: --set 'dataset.annotations={json.dumps(listed[:1])}'"
        raise DataError(f"{data.root}: several files name classes and sides: {in_line(listed)}", hint=hint)
    if not files:
        return None
    import yaml

    try:
        # All scalars stay texts: a class may be called no, 1e3 or 2024-01-01, which YAML 1.1 takes for other things.
        document = yaml.load(files[0].read_text("utf-8"), yaml.BaseLoader)
    except FileNotFoundError as exc:
        raise UsageError(f"{files[0]}: no such file") from exc
    except (OSError, ValueError, yaml.YAMLError) as exc:
        raise DataError(f"{files[0]}: no readable YAML: {' '.join(str(exc).split())}") from exc
    if not isinstance(document, dict):
        raise DataError(f"{files[0]}: expected names, train and val; received {type(document).__name__}")
    return files[0], document


def _names(data: Data, document: Mapping[str, Any], told: Told) -> Mapping[int, str] | None:
    """Classes by their numbers; None where nothing names them. Raises DataError for names that are no list or mapping
    of texts, for a line without one, and where two classes have the same."""
    named = document.get("names")
    if named in (None, ""):
        lists = sorted(
            (each for each in data.tree.others if each.name in CLASS_LISTS), key=lambda each: len(each.parts)
        )
        if lists:
            return _each_once(_line_by_line(lists[0]), str(lists[0]))
        message = "nothing names the classes, so they are called by their numbers"
        told.findings.append(
            Finding("warning", message, hint="write names into data.yaml, or a line each in classes.txt")
        )
        return None
    pairs = dict(enumerate(named)) if isinstance(named, list) else named
    is_named = isinstance(pairs, dict) and all(isinstance(name, str) and name.strip() for name in pairs.values())
    try:
        names = {int(number): name for number, name in pairs.items()} if is_named else {}
    except ValueError:
        names = {}
    if not names:
        hint = "write it as [cat, dog], or a line each as 0: cat"
        raise DataError(f"{data.root}: names in data.yaml are {named!r}; expected a list of names", hint=hint)
    said = document.get("nc", "")
    if isinstance(said, str) and said.strip().isdigit() and int(said) != len(names):
        message = f"data.yaml says nc: {said} and names {len(names)} classes"
        told.findings.append(Finding("warning", message, hint="the names count"))
    return _each_once(names, str(data.root))


def _line_by_line(file: Path) -> dict[int, str]:
    """The name in each line, by the line's number from 0 on. Raises DataError for an empty line before the last."""
    names = "\n".join(line.strip() for line in _lines(file)).rstrip("\n").split("\n")
    if "" in names:
        hint = "the number of a class is that of its line: name it, or take the line out"
        raise DataError(f"{file}: line {names.index('') + 1} is empty; expected the name of a class", hint=hint)
    return dict(enumerate(names))


def _each_once(names: Mapping[int, str], where: str) -> Mapping[int, str]:
    """`names`. Raises DataError where two classes are called alike."""
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise DataError(f"{where}: two classes are called {twice[0]!r}", hint="give each class a name of its own")
    return names


def _sides(data: Data, file: Path, document: Mapping[str, Any], *, told: Told) -> dict[Path, str | None]:
    """The pictures that a YAML file names, each with its side; without sides where these are all the same pictures."""
    given: dict[str, list[Path]] = {}
    for side in SIDES:
        values = document.get(side) or []
        for value in [values] if isinstance(values, str) else values:
            given.setdefault(side, []).extend(_listed(data, file, document, side, str(value)))
    if not given:
        raise DataError(f"{file}: it names no pictures; there is no train")
    every = [frozenset(pictures) for pictures in given.values()]
    if len(every) > 1 and len(set(every)) == 1:
        message = f"{data.key(file)}: {' and '.join(given)} are the same pictures, so it gives no split"
        told.findings.append(Finding("warning", message, len(every[0]), "a split is cut anew"))
        return dict.fromkeys(sorted(every[0]))
    sides: dict[Path, str | None] = {}
    for side, pictures in given.items():
        for picture in dict.fromkeys(pictures):
            if picture in sides:
                message = f"{data.key(file)}: {data.key(picture)} is in {sides[picture]} and in {side}"
                raise DataError(message, hint="no test would be honest; name each picture for one side")
            sides[picture] = side
    return sides if len(given) > 1 else dict.fromkeys(sides)


def _listed(data: Data, file: Path, document: Mapping[str, Any], side: str, value: str) -> Iterator[Path]:
    """The pictures of a folder or of a text with a path a line."""
    bare = value.replace("\\", "/")
    stripped = bare
    while stripped.startswith("../"):
        stripped = stripped[3:]
    bases = [file.parent / str(document.get("path", "")), file.parent, file.parent.parent]
    tried = [base / text for text in dict.fromkeys((bare, stripped)) for base in bases]
    there = next((each for each in tried if each.exists()), None)
    if there is None:
        hint = f"correct {side} in it; paths are relative to its `path`, or to the file"
        raise DataError(f"{file}: {side} is {value!r}, and there is no {tried[0]}", hint=hint)
    there = Path(os.path.normpath(there))
    if there.is_dir():
        pictures = [each for each in data.tree.below(data.root) if there in each.parents]
        pictures = pictures or [each for each in walk(there).files if is_picture(each)]  # it may lie elsewhere
        if not pictures:
            raise DataError(f"{file}: {side} is {value!r}, and there are no pictures in {there}")
        yield from pictures
        return
    for line in _lines(there):
        if line.strip():
            name = line.strip().replace("\\", "/")
            places = [base / name.removeprefix("./") for base in (there.parent, *bases)]
            yield next((each for each in places if each.is_file()), places[0])


def _all_pictures(data: Data, options: YoloOptions) -> dict[Path, str | None]:
    """All pictures below, each with the side that a folder on the way says."""
    pictures = data.tree.below(data.root / options.images if options.images else data.root)
    return {
        each: next((side for part in Path(data.key(each)).parent.parts if (side := side_of(part))), None)
        for each in pictures
    }


def _text_of(picture: Path) -> Path | None:
    """Its annotations: in `labels` for the last folder `images` on the way, or beside it."""
    parts = picture.parent.parts
    last = max((place for place, part in enumerate(parts) if part == IMAGES), default=None)
    name = f"{picture.stem}.txt"
    beside = picture.parent / name
    if last is not None:
        there = Path(*parts[:last], LABELS, *parts[last + 1 :], name)
        if there.is_file():
            return there
    return beside if beside.is_file() and is_picture(picture) else None


def _lines(file: Path) -> Sequence[str]:
    try:
        return file.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as exc:
        raise DataError(f"{file}: cannot be read as text: {exc}") from exc


def _boxes(
    source: str,
    lines: Sequence[str],
    names: Mapping[int, str] | None,
    told: Told,
    notes: Counter[str],
    *,
    keypoints: bool,
) -> Iterator[Written]:
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        where = f"line {number}"
        read = _read(words, keypoints=keypoints)
        if read is None:
            told.add(NO_NUMBERS, f"{source}, {where}: {line.strip()[:80]!r}")
            continue
        place, numbers, polygon = read
        notes["polygons are read as the boxes around them"] += polygon
        if names is not None and place not in names:
            told.add(UNKNOWN_CLASS, f"{source}, {where}: class {place}, of {len(names)} from 0 on")
            continue
        yield Written(where, str(place) if names is None else names[place], numbers)


def _read(words: Sequence[str], *, keypoints: bool) -> tuple[int, Four, bool] | None:
    """The class, four shares as YOLO has them, and whether these are of a polygon; None where they cannot be."""
    try:
        place, numbers = float(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        return None
    if not place.is_integer() or place < 0 or len(numbers) < 4:
        return None
    if len(numbers) == 4 or keypoints:
        return int(place), (numbers[0], numbers[1], numbers[2], numbers[3]), False
    if len(numbers) < 6 or len(numbers) % 2:
        return None  # five: a prediction with its score
    across, down = numbers[::2], numbers[1::2]
    left, top, right, bottom = min(across), min(down), max(across), max(down)
    return int(place), ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top), True
