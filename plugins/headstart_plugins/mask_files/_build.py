"""Build targets of the datasets; each fulfils `headstart.specs.DatasetBuild`. No framework is imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Records
from headstart_plugins._annotations.where import Data, open_data
from headstart_plugins._files.given import TABLES
from headstart_plugins._mask_layouts import VOC_PICTURES
from headstart_plugins.mask_files._coco import read_coco
from headstart_plugins.mask_files._folders import find_layout, read_folders
from headstart_plugins.mask_files._options import CocoMaskOptions, MaskOptions, MasksOptions, VocMaskOptions
from headstart_plugins.mask_files._records import bare_records, records_of
from headstart_plugins.mask_files._table import read_masks, read_pictures
from headstart_plugins.mask_files._voc import read_voc, voc_home


def build(request: DatasetRequest) -> Records:
    """Records of folders of pictures and masks, or of a table; see `read_folders` and `read_masks`."""
    options: MasksOptions = request.options or MasksOptions()
    data = open_data(request.reference, options.links, usage="masks:PATH")
    table = data.given
    if table is not None and table.suffix.lower() not in TABLES:
        hint = "JSON of COCO is opened with coco_masks:PATH"
        raise UsageError(f"{table}: no folder, and no table of {', '.join(TABLES)}", hint=hint)
    if request.labelled:
        found, legend = read_folders(data, options) if table is None else read_masks(data, table, options)
        return records_of(found, legend, options)
    if table is not None:
        return bare_records(read_pictures(table, options), options)
    return _bare(data, [data.root / each for each in find_layout(data, options).pictures], options)


def build_coco(request: DatasetRequest) -> Records:
    """Records of COCO's polygons and run lengths; see `read_coco`."""
    options: CocoMaskOptions = request.options or CocoMaskOptions()
    data = open_data(request.reference, options.links, usage="coco_masks:PATH")
    if not request.labelled and data.given is None:
        return _bare(data, data.tree.below(data.root), options)
    found, legend = read_coco(data, options)
    if not request.labelled:
        return bare_records([(each.key, each.picture) for each in found.pictures], options)
    return records_of(found, legend, options)


def build_voc(request: DatasetRequest) -> Records:
    """Records of masks in Pascal VOC's layout; see `read_voc`."""
    options: VocMaskOptions = request.options or VocMaskOptions()
    data = open_data(request.reference, options.links, usage="voc_masks:PATH")
    if not request.labelled:
        return _bare(data, data.tree.below(voc_home(data) / VOC_PICTURES), options)
    found, legend = read_voc(data, options)
    return records_of(found, legend, options)


def _bare(data: Data, pictures: Sequence[Path], options: MaskOptions) -> Records:
    """Pictures below the data alone."""
    if not pictures:
        raise DataError(f"{data.root}: no pictures")
    return bare_records([(data.key(file), file) for file in sorted(pictures)], options)
