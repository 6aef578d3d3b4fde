"""Small pictures and masks as people keep them, written below a folder."""

import json
from functools import cache

import numpy as np
from PIL import Image

from headstart.data.targets import build_target_kind
from headstart.registry import load_registry
from headstart.specs import DatasetRequest

KINDS = {".png": "PNG", ".jpg": "JPEG", ".gif": "GIF", ".tif": "TIFF", ".bmp": "BMP"}


def picture(path, size=(6, 4), orientation=1):
    """Noise that no other path has, of a width and a height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(list(path.name.encode())).integers(0, 256, (size[1], size[0], 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def mask(path, values=(0, 1), size=(6, 4), palette=None):
    """Columns of `values` in turn, or an array; with a palette of 256 colours, or grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.asarray(values)
    if pixels.ndim == 1:
        pixels = np.resize(pixels, size[0])[None].repeat(size[1], 0)
    made = Image.fromarray(pixels.astype(np.uint8))
    if palette is not None:
        made.putpalette([*palette, *[7] * (768 - len(palette))])
    made.save(path)
    return path


def text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def coco(path, annotations, *, names=("cat", "dog"), size=(6, 4), files=("a.png",)):
    images = [{"id": 10 + place, "file_name": name} for place, name in enumerate(files)]
    if size:
        images = [{**each, "width": size[0], "height": size[1]} for each in images]
    categories = [{"id": 5 * (place + 1), "name": name} for place, name in enumerate(names)]
    whole = [{"id": place, "image_id": 10, "category_id": 5, **each} for place, each in enumerate(annotations)]
    text(path, json.dumps({"images": images, "annotations": whole, "categories": categories}))
    return path


@cache
def registry():
    return load_registry()


def opened(path, kind=None, labelled=True, targets=None, **options):
    """The records of a path, by the dataset that opens it or the one that is named."""
    spec = registry().get("datasets", kind) if kind else registry().resolve_dataset(str(path), targets).spec
    return registry().load_target(spec, spec.build)(DatasetRequest(str(path), spec.options(**options), labelled))


def told(records):
    """All that is said when data is opened, and then of its targets."""
    kind = build_target_kind(registry(), "masks/mask")
    findings = [*records.findings, *kind.check(records.items)]
    said = [f"{each.level}: {each.message} {each.hint or ''}" for each in findings]
    return "\n".join([*said, *(f"skipped: {each.where}: {each.reason}" for each in records.skipped)])


def read(records):
    """The masks of all records, by key."""
    kind = build_target_kind(registry(), "masks/mask")
    return {each.key: kind.read(each.target, each.key) for each in records.items}
