"""What the values of mask files mean, as options, a file of names or a table of colours beside the data say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headstart.errors import DataError, UsageError
from headstart.lists import in_line
from headstart.specs import Finding
from headstart_plugins._annotations.told import Told
from headstart_plugins._annotations.where import Data
from headstart_plugins._mask import MOST_CLASSES, VOID
from headstart_plugins._masks.judged import RARE, blended
from headstart_plugins._masks.legend import Colour, Legend, unpacked
from headstart_plugins._masks.pixels import Counted, read_pixels
from headstart_plugins.mask_files._options import ValueOptions

CLASS_FILES = ("classes.txt", "labels.txt", "codes.txt", "class_names.txt", "label_names.txt")
"""Files beside the data that name the classes, a line each."""
COLOUR_FILES = ("class_dict.csv", "labelmap.txt", "label_colors.txt", "label_colours.txt", "colors.txt", "colours.txt")
"""Files beside masks with colours that say what these mean."""
BLACK_AND_WHITE = Legend(("0", "255"), (0, VOID), void=())
MIDDLE = 127
"""Greys of soft edges between 0 and 255 lie on both sides of it; numbers of classes count up from 0."""
MANY_RARE = 16
"""So many rare values in one mask whose classes nothing names are soft edges."""
WITH_VALUE = re.compile(r"(\d+)\s*[:;,=\t ]\s*(\S.*)")
NUMBERS = r"(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})"
NAME_FIRST, NAME_LAST = re.compile(rf"(.+?)[\s,;:]+{NUMBERS}"), re.compile(rf"{NUMBERS}[\s,;:]+(.+)")
HEX = re.compile(r"#([0-9a-fA-F]{6})\b")
FORMS = "such as road,128,64,128 or 128 64 128 road or road #804080"


@dataclass(frozen=True)
class Named:
    """Names and the value of each, and where they come from, in words."""

    names: tuple[str, ...]
    values: tuple[int, ...]
    source: str


def find_legend(
    data: Data, masks: Mapping[Path, Counted | None], options: ValueOptions, told: Told, usual: Sequence[str] = ()
) -> Legend:
    """What the values mean: by colour where a table says so, else by the numbers of a palette or of greys. `masks` are
    the files and what they hold, None where they cannot be read, `usual` the names where nothing else gives any.

    Raises UsageError for settings that exclude each other, DataError for a file that cannot be read, and where there
    are more classes than a mask can tell apart.
    """
    counts = tuple(masks.values())
    if options.values and len(options.values) != len(options.classes):
        message = f"{len(options.values)} values and {len(options.classes)} classes; expected one of each"
        raise UsageError(message, hint="dataset.values says the value of each of dataset.classes")
    table = _colour_table(data, counts, options, told)
    named = table or _by_options(options) or _by_file(data, told) or _by_usual(usual, told)
    held: Counter[int] = Counter()
    for each in counts:
        if each and each.by == "index":
            held.update(dict(each.counts))
    if table is None and options.void is None and not options.values:
        named = _black_and_white(held, named, told) or named
    named = named or _by_numbers(masks, options, told)
    ignored = [name for name in named.names if name.casefold() in options.ignored]
    pairs = [(name, value) for name, value in zip(named.names, named.values, strict=True) if name not in ignored]
    extra = [value for name, value in zip(named.names, named.values, strict=True) if name in ignored]
    if ignored:
        message = f"{in_line(ignored)}, {named.source}, is taken as void, and is no class"
        hint = "--set 'dataset.ignored=[]' takes it as one"
        told.findings.append(Finding("note", message, len(ignored), hint))
    values = tuple(value for _, value in pairs)
    void = [each for each in options.void_values if options.void is not None or each not in values]
    if table is not None and options.void is None:
        void = []
    try:
        legend = Legend(
            tuple(name for name, _ in pairs),
            values,
            void=tuple(dict.fromkeys((*void, *extra))),
            by="index" if table is None else "colour",
            unknown=options.unknown,
            colours=None if table is None else tuple(map(unpacked, values)),
        )
    except ValueError as exc:
        hint = "--set dataset.classes, dataset.values and dataset.void say which values are which"
        raise DataError(f"{data.root}: the classes of its masks, {named.source}: {exc}", hint=hint) from exc
    if table is not None:
        return legend
    if options.void is None:
        _doubt_void(held, legend, told)
    return replace(legend, colours=_palette(legend, counts, told))


def _by_options(options: ValueOptions) -> Named | None:
    if not options.classes:
        return None
    return Named(options.classes, options.values or tuple(range(len(options.classes))), "by dataset.classes")


def _by_file(data: Data, told: Told) -> Named | None:
    """The lines of the highest file of names: a class each, whose value is its number from 0 on, or stands before it in
    every line. What labelme calls __ignore__ in its first line has the value -1, and no other."""
    file = _highest(data, CLASS_FILES)
    if file is None:
        return None
    lines = [line.strip() for line in _text(file).splitlines() if line.strip()]
    if lines[:1] == ["__ignore__"]:
        lines = lines[1:]
    source = f"by {data.key(file)}"
    found = [WITH_VALUE.fullmatch(line) for line in lines]
    written = [(each[2], int(each[1])) for each in found if each is not None]
    if not lines:
        raise DataError(f"{file}: it names no class", hint="write a class a line")
    if len(written) == len(lines):
        message = f"{data.key(file)} says the value of each class: {written[0][1]} is {written[0][0]!r}"
        told.findings.append(Finding("note", message, len(lines)))
        return Named(tuple(name for name, _ in written), tuple(value for _, value in written), source)
    return Named(tuple(lines), tuple(range(len(lines))), source)


def _by_usual(names: Sequence[str], told: Told) -> Named | None:
    if not names:
        return None
    message = f"nothing names the classes, so they are the {len(names)} of Pascal VOC"
    hint = "--set dataset.classes=NAMES, or a file classes.txt with a line each, says otherwise"
    told.findings.append(Finding("note", message, len(names), hint))
    return Named(tuple(names), tuple(range(len(names))), "as Pascal VOC has them")


def _black_and_white(held: Mapping[int, int], named: Named | None, told: Told) -> Named | None:
    """Masks of 0 and 255 alone are of two classes, unless they are named as more; with soft edges between them too.
    `held` has how many pixels of all masks have each value."""
    soft = blended([*held.items()], BLACK_AND_WHITE, fewest=2)
    if soft and not min(soft) <= MIDDLE < max(soft):
        return None
    names = BLACK_AND_WHITE.names if named is None else named.names
    if {*held} - {*soft} != {*BLACK_AND_WHITE.values} or len(names) != len(BLACK_AND_WHITE.names):
        return None
    others = "and few pixels between," if soft else "alone,"
    message = f"the masks hold 0 and 255 {others} which are read as the classes {names[0]!r} and {names[1]!r}"
    hint = "--set dataset.void=255 takes 255 as void"
    if named is None:
        hint += """; --set 'dataset.classes=["background", "thing"]' names them"""
    told.findings.append(Finding("warning", message, hint=hint))
    return Named(names, BLACK_AND_WHITE.values, "by their values")


def _doubt_void(held: Mapping[int, int], legend: Legend, told: Told) -> None:
    """An error where 255, which nobody said to be void, could be what the masks are about: one class alone is beside
    it, and others are named."""
    present = [name for name, value in zip(legend.names, legend.values, strict=True) if held.get(value)]
    share = held.get(VOID, 0) / max(sum(held.values()), 1)
    if VOID in legend.void and share >= RARE and len(present) == 1 < len(legend.names):
        message = f"the masks hold no class but {present[0]!r}, and 255 in {share:.1%} of their pixels, taken as void"
        hint = (
            "if 255 is a class: --set 'dataset.values=[0, 255]' with as many of dataset.classes; "
            "--set dataset.void=255 says that it is void"
        )
        told.findings.append(Finding("error", message, hint=hint))


def _by_numbers(masks: Mapping[Path, Counted | None], options: ValueOptions, told: Told) -> Named:
    """Each value that the masks hold is a class of its own, but for those of soft edges."""
    found: set[int] = set()
    void = options.void_values
    for each in masks.values():
        if each is None or each.by != "index":
            continue
        total = sum(count for _, count in each.counts)
        main = tuple(value for value, count in each.counts if count >= total / 100 and value not in void)
        soft: tuple[int, ...] = ()
        if 0 < len(main) <= MOST_CLASSES:
            soft = blended(each.counts, Legend(tuple(map(str, main)), main, void=void), fewest=MANY_RARE)
        found |= {value for value, _ in each.counts} - {*soft, *void}
    if not found:
        colours = Counter(value for each in masks.values() if each and each.by == "colour" for value, _ in each.counts)
        if colours:
            listed = in_line([f"#{value:06x}" for value, _ in colours.most_common()])
            message = f"masks have colours, {listed}, and nothing says what these mean; expected numbers of classes"
            hint = f"--set dataset.colours=FILE, a line a class {FORMS}"
            raise DataError(message, hint=hint)
        message = "nothing names the classes, and no mask says any"
        for file, each in masks.items():
            if each is None:
                read_pixels(file, message)  # which raises why
        raise DataError(f"{message}: all are void", hint="is the void value right? --set dataset.void says which it is")
    values = tuple(sorted(found))
    if len(values) <= MOST_CLASSES:
        message = f"nothing names the classes, so they are called by their values: {in_line(list(map(str, values)))}"
        hint = "write classes.txt with a line each, or --set dataset.classes=NAMES"
        told.findings.append(Finding("warning", message, len(values), hint))
    return Named(tuple(map(str, values)), values, "by the values that they hold")


def _colour_table(data: Data, counts: Sequence[Counted | None], options: ValueOptions, told: Told) -> Named | None:
    """The classes of colours, as the option says, or the file beside masks that have colours; None without."""
    if options.colours:
        if options.classes or options.values:
            raise UsageError(
                "both dataset.colours and dataset.classes; expected one of them",
                hint="the table of colours names the classes",
            )
        file = data.root / Path(options.colours).expanduser()
        if not file.is_file():
            raise UsageError(f"{file}: not a file", hint="dataset.colours is relative to the data")
    else:
        has_colours = any(each is not None and each.by == "colour" for each in counts)
        beside = _highest(data, COLOUR_FILES) if has_colours and not options.classes else None
        if beside is None:
            return None
        file = beside
        message = f"masks have colours, which are told by {data.key(file)}"
        told.findings.append(Finding("note", message, hint="--set dataset.colours names another table"))
    return read_colours(file, data.key(file))


def read_colours(file: Path, name: str) -> Named:
    """The classes of a table of colours. Raises DataError naming the line that is none, and colours and names that are
    there twice."""
    found: dict[str, int] = {}
    for number, line in enumerate(_text(file).splitlines(), start=1):
        read = _colour(line)
        if read is None:
            is_header = not found and not re.search(r"\d", line)
            if line.strip() and not is_header and not line.lstrip().startswith(("#", "//")):
                raise DataError(
                    f"{file}: line {number} is {line.strip()!r}; expected a class and its colour", hint=FORMS
                )
            continue
        label, colour = read
        if label in found:
            raise DataError(f"{file}: line {number}: {label!r} is named twice", hint="give each class one colour")
        if colour in found.values():
            other = next(each for each, known in found.items() if known == colour)
            raise DataError(f"{file}: line {number}: {label!r} has the colour of {other!r}", hint="give each its own")
        found[label] = colour
    if not found:
        raise DataError(f"{file}: it has no colours", hint=f"a line each, {FORMS}")
    return Named(tuple(found), tuple(found.values()), f"by {name}")


def _colour(line: str) -> tuple[str, int] | None:
    text = line.strip().rstrip(":")  # which other programs have empty fields behind
    if written := HEX.search(text):
        name = (text[: written.start()] + text[written.end() :]).strip(" \t,;:")
        return (name, int(written[1], 16)) if name else None
    if match := NAME_FIRST.fullmatch(text):
        name, parts = match[1], match.groups()[1:]
    elif match := NAME_LAST.fullmatch(text):
        name, parts = match[4], match.groups()[:3]
    else:
        return None
    red, green, blue = map(int, parts)
    return (name.strip().strip("\"'"), red << 16 | green << 8 | blue) if max(red, green, blue) < 256 else None


def _palette(legend: Legend, counts: Sequence[Counted | None], told: Told) -> tuple[Colour, ...] | None:
    """The colours that the masks' palettes give the classes, where they give each one; and a warning where they
    disagree about a class, whose numbers may then mean other things from file to file."""
    seen: dict[int, Counter[Colour]] = {value: Counter() for value in legend.values}
    for palette, held in Counter((each.palette, tuple(v for v, _ in each.counts)) for each in counts if each):
        for value in held:
            if value in seen and (colour := _entry(palette, value)):
                seen[value][colour] += 1
    if torn := [(value, found) for value, found in seen.items() if len(found) > 1]:
        value, found = torn[0]
        name = legend.names[legend.values.index(value)]
        listed = in_line([f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in found])
        message = f"palettes of the masks differ: {value} ({name}) has the colours {listed}, and the number counts"
        hint = "if colours are what tells classes: --set dataset.colours=FILE, a table of them"
        told.findings.append(Finding("warning", message, len(torn), hint))
    whole = next((each.palette for each in counts if each and each.palette), None)
    colours = [found.most_common(1)[0][0] if found else _entry(whole, value) for value, found in seen.items()]
    return None if None in colours else tuple(each for each in colours if each is not None)


def _entry(palette: Sequence[Colour] | None, value: int) -> Colour | None:
    return palette[value] if palette is not None and value < len(palette) else None


def _highest(data: Data, names: Sequence[str]) -> Path | None:
    """The file of one of these names that lies highest; of several as high the first of `names`. Raises DataError for
    two of one name as high."""
    files = [file for file in data.tree.others if file.name.lower() in names]
    files.sort(key=lambda file: (len(file.parts), names.index(file.name.lower())))
    if len(files) > 1 and (len(files[0].parts), files[0].name) == (len(files[1].parts), files[1].name):
        listed = in_line([data.key(file) for file in files])
        raise DataError(
            f"{data.root}: several files name the classes: {listed}", hint="leave one, or set dataset.classes"
        )
    return files[0] if files else None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, ValueError) as exc:
        raise DataError(f"{file}: cannot be read as text: {exc}") from exc
