"""Polygons and run lengths as COCO has them (cocodataset.org, "Data format", object detection) to masks.

Objects that overlap are painted by their pixels, the smaller on top. A crowd is void where no other object is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import DataError
from headstart.specs import Finding
from headstart_plugins._annotations.coco import (
    Document,
    categories_of,
    images_of,
    listed,
    read_documents,
    stated_size,
)
from headstart_plugins._annotations.headers import Size, read_headers
from headstart_plugins._annotations.told import Fault, Told, as_notes
from headstart_plugins._annotations.where import Data, find_place
from headstart_plugins._mask import MOST_CLASSES
from headstart_plugins._masks.described import Described, Shape
from headstart_plugins._masks.legend import Legend
from headstart_plugins._masks.shapes import LEAST_POINTS, run_lengths, verify_points, verify_runs
from headstart_plugins.mask_files._options import CocoMaskOptions
from headstart_plugins.mask_files._records import Found, Masked

DROP = "mend the annotations, or leave these out with --set dataset.faulty=drop"
NO_PICTURE = Fault("annotation", "of a picture that the annotations do not list", DROP, faulty=True)
UNKNOWN_CLASS = Fault("annotation", "of a class that the annotations do not name", DROP, faulty=True)
NO_SHAPE = Fault("annotation", "without polygons or run lengths that can be drawn", DROP, faulty=True)
OUTSIDE = Fault("annotation", "whose polygons lie outside of the picture", DROP, faulty=True)
NEARLY_ALL = 0.9
"""The share of polygons without a coordinate beyond 1 from which on these are taken for shares of the sides."""


def read_coco(data: Data, options: CocoMaskOptions) -> tuple[Found, Legend]:
    """All pictures that the files list, also those without annotations, and the classes: the background, if it is one,
    then the categories in the order of the file. Raises DataError for files that are no COCO, and where several could
    be meant."""
    found = Found()
    documents = read_documents(data, options.annotations)
    found.told.findings += documents.findings
    found.skipped += documents.skipped
    read, used = [], set()
    names: dict[str, None] = dict.fromkeys([options.background] if options.background else [])
    for document_file, side, document in documents.read:
        source = data.key(document_file)
        images, own = images_of(document_file, document), categories_of(document_file, document, found.told)
        names |= dict.fromkeys(own.values())
        place, told = find_place(
            data, document_file, [str(each["file_name"]) for each in images.values()], options.images
        )
        found.told.findings += told
        files = {name: place.file(str(each["file_name"])) for name, each in images.items()}
        for file in files.values():
            if file in used:
                raise DataError(f"{source}: {data.key(file)} is listed twice", hint="list each picture once")
            used.add(file)
        read.append((source, side, document, images, own, files))
    if len(names) > MOST_CLASSES:
        message = f"{data.root}: {len(names)} classes, the background among them; expected {MOST_CLASSES} at most"
        raise DataError(message, hint="join categories, or leave some out")
    legend = Legend(tuple(names), tuple(range(len(names))))
    for source, side, document, images, own, files in read:
        headers = dict(zip(files, read_headers([*files.values()]), strict=True))
        sizes = {
            name: stated_size(each) or (header.upright if (header := headers[name]) else None)
            for name, each in images.items()
        }
        shapes = _shapes(source, document, own, sizes, found.told)
        for name, file in files.items():
            mask = Described(
                legend=legend, shapes=tuple(shapes[name]), ground=options.background or None, drawn=sizes[name]
            )
            found.pictures.append(Masked(data.key(file), file, mask, side))
    found.skipped += data.unused(used, "not listed in the annotations")
    _doubt(found.pictures, found.told)
    return found, legend


def _shapes(
    source: str, document: Document, names: Mapping[str, str], sizes: Mapping[str, Size | None], told: Told
) -> Mapping[str, list[Shape]]:
    """The shapes of each picture by its id, in the order of the file."""
    shapes: defaultdict[str, list[Shape]] = defaultdict(list)
    notes: defaultdict[str, int] = defaultdict(int)
    for number, each in enumerate(listed(Path(source), document, "annotations"), start=1):
        where = f"{source}, annotation {each['id']}" if "id" in each else f"{source}, annotation number {number}"
        picture, category = str(each.get("image_id")), str(each.get("category_id"))
        if picture not in sizes:
            told.add(NO_PICTURE, f"{where}: image_id {each.get('image_id')!r}")
            continue
        if category not in names:
            told.add(UNKNOWN_CLASS, f"{where}: category_id {each.get('category_id')!r}")
            continue
        crowd = bool(each.get("iscrowd", 0))
        try:
            shape = _shape(each.get("segmentation"), names[category], sizes[picture], crowd=crowd)
        except ValueError as exc:
            told.add(NO_SHAPE, f"{where} ({names[category]}): {exc}")
            continue
        if shape.polygons and _is_outside(shape, sizes[picture]):
            told.add(OUTSIDE, f"{where} ({names[category]})")
            continue
        notes[f"{source}: annotations are crowds; their pixels are void where no other object is"] += crowd
        shapes[picture].append(shape)
    told.findings += as_notes(notes)
    return shapes


def _shape(written: Any, name: str, size: Size | None, *, crowd: bool) -> Shape:
    """Raises ValueError that says why it is none."""
    if isinstance(written, dict):
        counts = run_lengths(written.get("counts"))
        stated = written.get("size")
        if (
            not isinstance(stated, list)
            or len(stated) != 2
            or not all(isinstance(each, int | float) and each > 0 and each // 1 == each for each in stated)
        ):
            raise ValueError(f"its size is {stated!r}; expected height and width, whole numbers")
        verify_runs(counts, int(stated[1]), int(stated[0]))
        if size is not None and tuple(stated) != size[::-1]:
            raise ValueError(f"its size is {stated}, height and width; expected those of its picture, {[*size[::-1]]}")
        return Shape(name, counts=counts, crowd=crowd)
    if not isinstance(written, list) or not written:
        raise ValueError(f"segmentation is {written!r}" if written is None or written == [] else "no list of polygons")
    polygons = tuple(_polygon(each) for each in written)
    if size is not None:
        for points in polygons:
            verify_points(points, *size)
    return Shape(name, polygons, crowd=crowd)


def _polygon(written: Any) -> np.ndarray:
    """The points (point, 2) float64 of one. Raises ValueError."""
    try:
        numbers = np.asarray(written, np.float64)
    except (TypeError, ValueError):
        raise ValueError("a polygon that is no list of numbers") from None
    if numbers.ndim != 1 or numbers.size % 2 or numbers.size < 2 * LEAST_POINTS:
        raise ValueError(
            f"a polygon of shape {numbers.shape}; expected x and y of {LEAST_POINTS} points or more in turn"
        )
    if not np.isfinite(numbers).all():
        raise ValueError("a polygon with numbers that are not finite")
    return numbers.reshape(-1, 2)


def _is_outside(shape: Shape, size: Size | None) -> bool:
    """Whether no part of any polygon lies in the picture."""
    if size is None:
        return False
    every = [(points.min(0), points.max(0)) for points in shape.polygons]
    return all((high <= 0).any() or (low >= size).any() for low, high in every)


def _doubt(pictures: Sequence[Masked], told: Told) -> None:
    """An error where polygons look like shares of width and height."""
    every = [points for each in pictures for shape in each.mask.shapes or () for points in shape.polygons]
    within = [points for points in every if points.max() <= 1]
    if every and len(within) >= NEARLY_ALL * len(every):
        said = f"{len(within)} of {len(every)} polygons have no coordinate beyond 1 and look like shares of the sides"
        hint = "COCO's polygons are in pixels: multiply by width and height"
        told.findings.append(Finding("error", said, len(within), hint))
