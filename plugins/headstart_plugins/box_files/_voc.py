"""Annotations as Pascal VOC has them: an XML file a picture, with whole pixels counted from 1, the last one inside.

M. Everingham, J. Winn, "The PASCAL VOC2012 Challenge Development Kit": "(xmin,ymin,xmax,ymax)" of the "top-left pixel"
(1,1); sides of the split in ImageSets/Main. So the left edge of a box is xmin - 1, and its right edge xmax.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from xml.etree import ElementTree

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import Finding
from headstart_plugins._annotations.headers import Size
from headstart_plugins._annotations.told import Fault, Told
from headstart_plugins._annotations.voc_lists import listed_side, side_lists
from headstart_plugins._annotations.where import Data
from headstart_plugins._box_layouts import is_voc
from headstart_plugins._files.names import side_of
from headstart_plugins.box_files._annotated import SIZED, Annotated, Written, corners_from
from headstart_plugins.box_files._faults import NO_CLASS, NO_NUMBERS
from headstart_plugins.box_files._options import VocOptions
from headstart_plugins.box_files._records import Found

CORNERS = ("xmin", "ymin", "xmax", "ymax")
OTHER_NAME = Fault(
    "annotation",
    "whose `filename` is not that of the picture taken",
    "pictures are taken by the XML file's own name; mend `filename`, or rename the file",
    "warning",
)
NO_FILE = Fault(
    "annotation",
    "without a picture",
    "put the pictures beside the XML files, or into JPEGImages beside their folder; or move these files away",
    "warning",
)


def read_voc(data: Data, options: VocOptions) -> Found:
    """A picture for each XML file that has one. Raises DataError naming a file that is no XML, and where two pictures
    could be meant."""
    files = [file for file in data.tree.others if file.suffix.lower() == ".xml" and is_voc(file)]
    if not files:
        raise DataError(f"{data.root}: no annotations of Pascal VOC", hint="XML files that begin with <annotation>")
    told, pictures = Told(), _Pictures(data, options)
    lists = side_lists(data, "Main")
    found: list[Annotated] = []
    for file in files:
        root = _parsed(file)
        source, boxes = data.key(file), _boxes(root, data.key(file), told)
        picture = pictures.of(file, PureWindowsPath(root.findtext("filename", "").strip()).name, told)
        if picture is None:
            told.add(NO_FILE, f"{source} ({len(boxes)} box{'es' if len(boxes) != 1 else ''})")
            continue
        side = listed_side(lists, file) if lists else _side_of_folders(data, file)
        found.append(Annotated(data.key(picture), picture, source, boxes, _size(root), side))
    if not found:
        hint = "put the pictures beside the XML files, or into JPEGImages beside their folder"
        raise DataError(f"{data.root}: none of {len(files)} annotations has a picture, such as {files[0]}", hint=hint)
    origin = _origin([box for each in found for box in each.boxes], options, told)
    result = Found(
        found, corners_from(origin), [(SIZED, "write xmax and ymax in place of width and height")], told=told
    )
    result.units_hint = "Pascal VOC counts pixels: multiply by width and height"
    result.skipped += data.unused({each.file for each in found}, "without an XML file")
    return result


def _parsed(file: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError, ValueError) as exc:
        raise DataError(f"{file}: no readable XML: {exc}", hint="mend the file, or move it away") from exc


def _size(root: ElementTree.Element) -> Size | None:
    try:
        width, height = (int(float(root.findtext(f"size/{name}", "0"))) for name in ("width", "height"))
    except (ValueError, OverflowError):  # the latter for an infinite one
        return None
    return (width, height) if width > 0 and height > 0 else None  # some programs write 0 for what they do not know


def _boxes(root: ElementTree.Element, source: str, told: Told) -> list[Written]:
    """Those of whole objects: parts, which VOC has of persons, lie deeper."""
    boxes = []
    for number, each in enumerate(root.findall("object"), start=1):
        label = each.findtext("name", "").strip()
        texts = [each.findtext(f"bndbox/{name}", "").strip() for name in CORNERS]
        try:
            left, top, right, bottom = map(float, texts)
        except ValueError:
            told.add(NO_NUMBERS, f"{source}, object {number}: {label} {dict(zip(CORNERS, texts, strict=True))}")
            continue
        if not label:
            told.add(NO_CLASS, f"{source}, object {number}")
            continue
        difficult = each.findtext("difficult", "0").strip().lower() in ("1", "true")
        boxes.append(Written(f"object {number}", label, (left, top, right, bottom), difficult=difficult))
    return boxes


def _origin(boxes: Sequence[Written], options: VocOptions, told: Told) -> int:
    """The number of the first pixel."""
    if options.origin is not None:
        return options.origin
    begin = sum(0 in box.numbers[:2] for box in boxes)
    if begin:
        message = f"{begin} of {len(boxes)} boxes begin at 0, so the first pixel is 0 for all and not 1, as VOC has it"
        told.findings.append(Finding("note", message, begin, "--set dataset.origin=1 says otherwise"))
    return 0 if begin else 1


class _Pictures:
    """Finds the picture of an XML file: that of its own stem, of several the nearest; else the one it names."""

    def __init__(self, data: Data, options: VocOptions) -> None:
        self.data, self.options = data, options
        self.stems: defaultdict[str, list[Path]] = defaultdict(list)
        below = data.tree.below(data.root / options.images if options.images else data.root)
        for file in below:
            self.stems[file.stem].append(file)

    def of(self, file: Path, named: str, told: Told) -> Path | None:
        alike = self.stems.get(file.stem, [])  # of a.png and a.tif the one that is named, if any is
        by_stem = self._nearest(file, [each for each in alike if each.name == named] or alike)
        others = [each for each in self.stems.get(Path(named).stem, []) if each.name == named]
        by_name = self._nearest(file, others)
        if by_stem is None or by_name is None or by_stem == by_name:
            taken = by_stem or by_name
        elif Path(named).stem == file.stem or self.options.names == "stem":
            taken = by_stem
        elif self.options.names == "filename":
            taken = by_name
        else:
            keys = f"{self.data.key(by_stem)} has its name, and `filename` says {self.data.key(by_name)}"
            hint = "say which: --set dataset.names=stem or --set dataset.names=filename"
            raise DataError(f"{file}: two pictures could be meant: {keys}", hint=hint)
        if taken is not None and named and Path(named).stem != taken.stem:
            told.add(OTHER_NAME, f"{self.data.key(file)}: {named}, taken is {self.data.key(taken)}")
        elif taken is not None and taken.stem != file.stem:
            told.add(OTHER_NAME, f"{self.data.key(file)}: no picture of its own name, taken is {self.data.key(taken)}")
        return taken

    def _nearest(self, file: Path, pictures: Sequence[Path]) -> Path | None:
        """The one that shares most folders with `file`. Raises DataError for several."""
        shared = {each: sum(a == b for a, b in zip(file.parts, each.parts, strict=False)) for each in pictures}
        best = [each for each in pictures if shared[each] == max(shared.values())]
        if len(best) > 1:
            listed = in_line([self.data.key(each) for each in best])
            hint = "move away those that are not meant, or say where pictures are: --set dataset.images=FOLDER"
            raise DataError(f"{file}: several pictures of its name: {listed}", hint=hint)
        return best[0] if best else None


def _side_of_folders(data: Data, file: Path) -> str | None:
    return next((side for part in Path(data.key(file)).parent.parts if (side := side_of(part))), None)
