"""Datasets from the user's own files: class folders, manifests, and pictures inside Parquet files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec, Tolerances
from headstart_plugins._box_layouts import box_formats, is_box_table
from headstart_plugins._files.given import TABLES, archive_suffix
from headstart_plugins._mask_layouts import KIND as MASKS
from headstart_plugins._mask_layouts import mask_format
from headstart_plugins._parallel_layouts import parallel_format
from headstart_plugins._picture_options import PictureOptions
from headstart_plugins._target_texts import SEPARATOR


@dataclass(frozen=True)
class ClassFolderOptions(Tolerances):
    """How class folders are read, whatever they hold."""

    sides: bool = option(
        True,
        "Folders named train, val and test (or training_set, seg_test, valid, dev, ...) above the class folders are "
        "sides of a split, a test folder without class folders is left out, and a folder that alone holds all others "
        "is passed; switch off where the top folders are classes whatever their names.",
    )
    nested: bool = option(
        False,
        "Each folder that holds samples is a class of its own, named by its path such as animals/birds.",
    )
    classes: tuple[str, ...] = option(
        (),
        "Take only these folders as classes, by path below the data; all samples below each belong to it.",
    )
    label_pattern: str = option(
        "",
        "A regular expression that finds the label in each sample's path below the data, with /, in its group `label` "
        "or its only group, as ([a-z]+)_[0-9]+ does in cat_12.jpg; folders are then no classes.",
    )
    links: Literal["refuse", "follow"] = option(
        "refuse",
        "What becomes of symbolic links to folders, and to files outside the data; a link into a folder that it lies "
        "in is refused, and a file that is reached twice is taken once.",
    )


@dataclass(frozen=True)
class FolderOptions(ClassFolderOptions, PictureOptions):
    """How class folders of pictures are read."""


@dataclass(frozen=True)
class TextFolderOptions(ClassFolderOptions):
    """How class folders of texts are read."""


@dataclass(frozen=True)
class AudioFolderOptions(ClassFolderOptions):
    """How class folders of sounds are read."""


@dataclass(frozen=True)
class ManifestOptions(Tolerances, PictureOptions):
    """How a table of samples is read."""

    encoding: str = option("", "Text encoding such as latin-1; UTF-8, or what the file's BOM says, if unset.")
    delimiter: str = option("", "What separates columns; a comma in .csv and a tab in .tsv if unset.")
    separator: str = option(
        "",
        "What separates the labels of one sample, in whichever column is learned; if unset, | in a column `labels` or "
        "`tags`, and nothing in others. A space can, in quotes: \"dataset.separator=' '\".",
    )
    path_column: str = option(
        "",
        "The column of the samples' files. If unset, `path`; where there is none, the only column that leads to files: "
        "of those called file, filename, image, image_id, id or the like, before others.",
    )
    text_column: str = option(
        "",
        "The column of the texts. If unset, `text`; where there is none, and no column leads to files, the only one "
        "called sentence, review, content, body, comment or the like.",
    )
    text2_column: str = option(
        "",
        "The column of second texts, where samples are pairs. If unset, `text2`; and sentence1 and sentence2, premise "
        "and hypothesis, question1 and question2 or the like are pairs.",
    )
    folder: str = option(
        "",
        "Where the files are, relative to the table; if unset, beside it. What is not there as written is looked for "
        "below it and from the working folder, with fewer leading folders, in another case, Unicode form or slashes; "
        "that is taken where only one such reading leads to files.",
    )
    suffix: str = option("", "What paths lack at their end, such as .jpg; if unset, the one that leads to files.")
    label_column: str = option(
        "",
        "The column of what is learned. If unset, `label`, `labels` or that of an installed kind of targets; else the "
        "only one called class, category, species, target or the like; else the only one that is left.",
    )
    one_hot: bool | tuple[str, ...] | None = option(
        None,
        "Columns that hold 1 for a label that a sample has and 0 for others; true: all that hold nothing else, but for "
        "those called like a side, such as test or is_valid. If unset, where all that are left are such. They are "
        "classes if each row has one 1, else labels.",
    )
    label_pattern: str = option(
        "", "The label stands in the path: a regular expression with one group, or one named `label`, finds it."
    )

    @property
    def mark(self) -> str:
        """What stands between labels, where several are held."""
        return self.separator or SEPARATOR


@dataclass(frozen=True)
class ParquetOptions(Tolerances, PictureOptions):
    """How pictures inside Parquet files are read."""

    image_column: str = option("", "The column of the pictures, where several hold bytes.")
    label_column: str = option("", "The column of the labels, where it is not called label or labels.")


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """Class folders, manifests and Parquet."""
    return [
        DatasetSpec(
            name="files/image_folder",
            summary="Pictures in a folder for each class, with or without train, val and test above them; a zip or "
            "tar of these is read in place.",
            options=FolderOptions,
            build="headstart_plugins.files._folder:build",
            medium="image",
            targets=("targets/class",),
            takes_path=True,
        ),
        DatasetSpec(
            name="files/text_folder",
            summary="Texts in UTF-8 in a folder for each class, .txt or .md, with or without train, val and test "
            "above them; a zip or tar of these is read in place.",
            options=TextFolderOptions,
            build="headstart_plugins.files._folder:build_texts",
            medium="text",
            targets=("targets/class",),
            takes_path=True,
        ),
        DatasetSpec(
            name="files/audio_folder",
            summary="Sounds in a folder for each class, with or without train, val and test above them; a zip or tar "
            "of these is read in place.",
            options=AudioFolderOptions,
            build="headstart_plugins.files._folder:build_sounds",
            medium="audio",
            targets=("targets/class",),
            takes_path=True,
        ),
        DatasetSpec(
            name="files/manifest",
            summary="A CSV, TSV, JSONL or Parquet table: path or text (and text2), label (a class or a number), "
            "labels or a column of another kind of targets, or source and target, and split and group if any. "
            "Columns of other names are read where only one could be meant, and told.",
            options=ManifestOptions,
            build="headstart_plugins.files._manifest:build",
            medium=None,
            takes_path=True,
        ),
        DatasetSpec(
            name="files/parquet",
            summary="Pictures inside Parquet files with labels, as the Hugging Face Hub keeps them; read in place.",
            options=ParquetOptions,
            build="headstart_plugins.files._parquet:build",
            medium="image",
            takes_path=True,
        ),
    ]


@hookimpl
def resolve_dataset(ref: str, targets: str | None) -> str | None:
    """Parquet files with pictures inside are known by their columns, in a folder by the first of them; else a folder,
    and an archive by its suffix, is class folders, of sounds or texts where it holds hardly any pictures; and a table's
    suffix says manifest. None for annotations of boxes, for texts in two languages, and for masks unless others are
    asked for, which other plugins open."""
    from headstart_plugins.files._holds import held_medium
    from headstart_plugins.files._schema import first_parquet, holds_pictures

    path = Path(ref).expanduser()
    if archive_suffix(path) and path.is_file():
        return f"files/{held_medium(path).name}_folder"
    if (shard := first_parquet(path)) is not None and holds_pictures(shard):
        return "files/parquet"
    if targets in (None, MASKS) and mask_format(path, asked=targets == MASKS):
        return None
    if path.suffix.lower() in TABLES and not path.is_dir():
        return None if is_box_table(path) else "files/manifest"
    if not path.is_dir() or box_formats(path) or parallel_format(path):
        return None
    return f"files/{held_medium(path).name}_folder"
