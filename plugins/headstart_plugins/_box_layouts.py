"""Which files are annotations of boxes, by their names and their first bytes: for the plugins that open folders and
tables, so that each path has one that does. No plugin."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from headstart_plugins._files.given import PARQUET, TABLES
from headstart_plugins._files.names import plain_name
from headstart_plugins._picture_suffixes import SUFFIXES

COCO, VOC, YOLO = "coco", "voc", "yolo"
ENDS = 2**16
"""So many bytes at either end of a file are looked at."""
MOST_FOLDERS, MOST_NAMES = 2_000, 200_000
"""So much of a folder is looked at, the highest levels first."""
MOST_TRIED = 20
"""So many files of a suffix are looked into, those of higher folders first."""
CLASS_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "classes.names")
"""Files beside YOLO's annotations that name the classes, a line each."""
LABELS = "labels"
"""The folder of YOLO's annotations, beside one of pictures."""

CORNERS = (
    ("left", "top", "right", "bottom"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("minx", "miny", "maxx", "maxy"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("bboxxmin", "bboxymin", "bboxxmax", "bboxymax"),
    ("bboxx1", "bboxy1", "bboxx2", "bboxy2"),
)
"""What people call the columns of a box, as `plain_name` has it: left, top, right, bottom."""
SIZED = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("left", "top", "width", "height"),
    ("xmin", "ymin", "width", "height"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
)
"""The same where the last two are width and height."""
WHOLE = ("bbox", "boundingbox")
"""Columns of the four numbers together."""


def box_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns of a box in a table: four, or one that holds all four numbers; () where there are none."""
    named = {plain_name(column): column for column in columns}
    for names in (*CORNERS, *SIZED, *((name,) for name in WHOLE)):
        if all(name in named for name in names):
            return tuple(named[name] for name in names)
    return ()


def is_box_table(path: Path) -> bool:
    """Whether the first line of a table, or the schema of a Parquet file, has the columns of a box."""
    suffix = path.suffix.lower()
    if suffix not in TABLES:
        return False
    if suffix == PARQUET:
        try:
            import pyarrow.parquet

            return bool(box_columns(pyarrow.parquet.read_schema(path).names))
        except Exception:  # absent, or no such file: whoever opens it says so
            return False
    line = _ends(path)[0].decode("utf-8", "ignore").removeprefix("\ufeff").partition("\n")[0]
    if suffix == ".jsonl":
        return bool(box_columns(re.findall(r'"([^"]+)"\s*:', line)))
    return bool(box_columns([each.strip().strip('"') for each in re.split(r"[,;\t|]", line)]))


def box_formats(path: Path) -> Mapping[str, Path]:
    """The formats of annotations that a file is of, or that lie below a folder, each with the file that tells."""
    found: dict[str, Path] = {}
    if path.is_file():
        folder, names = path.parent, [path.name]
        return {name: path for name in (_format_of(folder, names, path.name),) if name}
    tried: Counter[str] = Counter()
    for folder, names in _levels(path):
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if suffix in TELLING and tried[suffix] < MOST_TRIED:
                tried[suffix] += 1
                if told := _format_of(folder, names, name):
                    found.setdefault(told, folder / name)
    return {name: found[name] for name in (COCO, VOC, YOLO) if name in found}


TELLING = (".json", ".xml", ".yaml", ".yml", ".txt")


def _format_of(folder: Path, names: Collection[str], name: str) -> str | None:
    file, suffix = folder / name, os.path.splitext(name)[1].lower()
    if suffix == ".json":
        return COCO if is_coco(file) else None
    if suffix == ".xml":
        return VOC if is_voc(file) else None
    if suffix in (".yaml", ".yml"):
        return YOLO if is_data_yaml(file) else None
    has_classes = LABELS in folder.parts or not {*CLASS_LISTS}.isdisjoint(names)
    return YOLO if has_classes and name not in CLASS_LISTS and is_yolo(file) else None


def is_coco(file: Path) -> bool:
    """Whether a JSON file holds pictures and annotations with categories, as its first and last bytes say; not where
    the annotations to be seen there have a category and neither box nor polygons, as those of classes alone."""
    head, tail = _ends(file)
    seen = [name for name in (b'"category_id"', b'"bbox"', b'"segmentation"') if name in head + tail]
    if seen == [b'"category_id"']:
        return False
    keys = {*re.findall(rb'"(images|annotations|categories)"\s*:\s*\[', head + tail)}
    if len(head) < ENDS:
        return b"categories" in keys and len(keys) > 1
    return len(keys) > 1 or bool(re.search(rb'"images"\s*:\s*\[\s*\{[^}]*"file_name"', head))


def is_voc(file: Path) -> bool:
    """Whether an XML file is an annotation of Pascal VOC, by its first element."""
    return bool(
        re.search(
            rb"^(\xef\xbb\xbf)?\s*(<\?xml[^>]*\?>)?\s*(<!--.*?-->\s*)?<annotation[\s>]", _ends(file)[0], re.DOTALL
        )
    )


def is_data_yaml(file: Path) -> bool:
    """Whether a YAML file names classes, and where pictures are, as YOLO's data.yaml does."""
    text = _ends(file)[0]
    return bool(re.search(rb"^names\s*:", text, re.M) and re.search(rb"^(train|val|path)\s*:", text, re.M))


def is_yolo(file: Path) -> bool:
    """Whether the first line of a text is a whole number and four numbers or more."""
    words = next((line.split() for line in _ends(file)[0].splitlines() if line.strip()), [])
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return False
    return len(numbers) >= 5 and words[0].isdigit()


def _ends(file: Path) -> tuple[bytes, bytes]:
    """The first and the last ENDS bytes; nothing of what cannot be read, which whoever opens it says."""
    try:
        with file.open("rb") as stream:
            head = stream.read(ENDS)
            stream.seek(max(len(head), stream.seek(0, os.SEEK_END) - ENDS))
            return head, stream.read()
    except OSError:
        return b"", b""


def _levels(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """The folders below `root` and itself, the highest first, each with the names of its files but pictures."""
    from headstart.data.folders import is_hidden  # declarations import this module, and nothing of core but contracts

    level, folders, names = [root], 0, 0
    while level:
        below: list[Path] = []
        for folder in level:
            folders += 1
            if folders > MOST_FOLDERS or names > MOST_NAMES:
                return
            try:
                every = list(os.scandir(folder))
            except OSError:
                continue
            names += len(every)
            other = (entry for entry in every if os.path.splitext(entry.name)[1].lower() not in SUFFIXES)
            entries = sorted((entry for entry in other if not is_hidden(entry.name)), key=lambda entry: entry.name)
            below += [folder / entry.name for entry in entries if entry.is_dir() and not entry.is_symlink()]
            yield folder, [entry.name for entry in entries if entry.is_file()]
        level = below
