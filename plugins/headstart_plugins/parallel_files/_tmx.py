"""Translation memories (TMX 1.4) to pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from headstart.errors import DataError
from headstart.specs import DatasetRequest, Finding, Records
from headstart_plugins._files.given import given_path
from headstart_plugins._parallel.pairs import LeftOut, Pair, records_of
from headstart_plugins.parallel_files import TmxOptions
from headstart_plugins.parallel_files._languages import source_and_target

LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
CODE = frozenset({"bpt", "ept", "ph", "it", "ut"})
"""Tags that hold code of the program which made the memory, and not text."""


def build(request: DatasetRequest) -> Records:
    """Pairs with keys `unit-000001` on, by the memory's order, or the unit's own `tuid` where each has another one.

    Raises DataError for a file that is no TMX, naming the line, and as `source_and_target` does.
    """
    options: TmxOptions = request.options
    path = given_path(request.reference, usage="tmx:FILE.tmx")
    units = list(_units(path, keep=options.inline == "keep"))
    counts = Counter(language for _, texts in units for language in texts)
    if not counts:
        raise DataError(f"{path}: no translation unit", hint="expected <tu> with two <tuv>, each with a language")
    source, target = source_and_target(str(path), counts, options)
    names = [name for name, _ in units]
    named = all(names) and len(set(names)) == len(names)
    left_out = LeftOut.nothing()
    pairs = []
    for number, (name, texts) in enumerate(units, start=1):
        key = name if named else f"unit-{number:06d}"
        if not request.labelled or (source in texts and target in texts):
            pairs.append(Pair(key, texts.get(source, ""), texts.get(target, "")))
        else:
            left_out.add(f"units without {source} or {target}", key)
    note = Finding("note", f"{source} is translated into {target}", len(pairs))
    return records_of(pairs, options, left_out, [note], labelled=request.labelled)


def _units(path: Path, *, keep: bool) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The name of each unit, empty where it has none, and its texts by language; of several in one the first."""
    try:
        events = ElementTree.iterparse(path, events=("start", "end"))
        _, root = next(events)
        if _tag(root) != "tmx":
            raise DataError(
                f"{path}: begins with <{_tag(root)}>; expected <tmx>", hint="export it as a translation memory (TMX)"
            )
        for event, element in events:
            if event == "end" and _tag(element) == "tu":
                yield element.get("tuid", "").strip(), _texts(element, keep=keep)
                element.clear()
    except (OSError, ElementTree.ParseError, ValueError, StopIteration) as exc:
        raise DataError(f"{path}: no readable TMX: {exc}", hint="export it again") from exc


def _texts(unit: ElementTree.Element, *, keep: bool) -> dict[str, str]:
    texts: dict[str, str] = {}
    for variant in unit:
        language = variant.get(LANGUAGE) or variant.get("lang") or ""
        segment = next((each for each in variant if _tag(each) == "seg"), None)
        if _tag(variant) == "tuv" and language and segment is not None:
            texts.setdefault(language, "".join(_text(segment, keep=keep)))
    return texts


def _text(element: ElementTree.Element, *, keep: bool) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if keep or _tag(child) not in CODE:
            yield from _text(child, keep=keep)
        yield child.tail or ""


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
