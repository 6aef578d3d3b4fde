"""Tables that answer with any text: sentences with their translations, sounds with what is said in them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from headstart.specs import Finding
from headstart_plugins._files.given import MEDIA
from headstart_plugins._files.names import FILE_COLUMNS, plain_name
from headstart_plugins._files.tables import Table
from headstart_plugins._target_texts import number_of
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._learned import Learned

KIND = "targets/text"
SOURCES = ("source", "src", "sourcetext", "sourcesentence")
PAIRS = (
    *(("source", "target"), ("source", "translation"), ("src", "tgt"), ("src", "trg"), ("sourcetext", "targettext")),
    *(("sourcesentence", "targetsentence"), ("text", "translation"), ("sentence", "translation")),
)
"""What people call two columns of sentences and their translations, as `plain_name` has it."""
SPOKEN = ("transcript", "transcription", "text", "sentence", "utterance")
"""What people call the column of what is said in a sound, the surest first."""
DIFFERENT = 0.5
"""Beside a column of sources, one of this share of different texts holds translations; of fewer, classes."""


def translated_columns(table: Table, options: ManifestOptions, kinds: Collection[str]) -> tuple[str, str] | None:
    """The column of sentences and that of their translations: one of PAIRS, where no setting names columns, none is
    called `path`, `label`, `labels` or like a kind of targets, and the second holds texts rather than classes or
    numbers."""
    plain = _free_columns(table, options, kinds)
    if not plain or "path" in table.columns:
        return None
    for source, target in PAIRS:
        if {source, target} <= plain.keys() and not (source != "text" and "text" in plain):
            texts = [row.get(plain[target], "") for _, row in table.rows]
            different = len(set(texts)) > DIFFERENT * len(texts)
            if different and not all(number_of(text) is not None for text in texts):
                return plain[source], plain[target]
    return None


def spoken_columns(table: Table, options: ManifestOptions, kinds: Collection[str]) -> tuple[str, str] | None:
    """The column of sounds' files and that of what is said in them, where no setting names what is learned and no
    column is called so."""
    plain = _free_columns(table, options, kinds)
    files = [
        column
        for name, column in plain.items()
        if (column == options.path_column if options.path_column else name.removesuffix("s") in FILE_COLUMNS)
    ]
    sounds = [column for column in files if _leads_to_sounds(table, column)]
    said = [plain[name] for name in SPOKEN if name in plain]
    return (sounds[0], said[0]) if sounds and said else None


def source_column(table: Table, options: ManifestOptions) -> str | None:
    """The column of sentences that are to be translated, where none is called `text` or `path`."""
    if {"text", "path"} & {*table.columns} or options.text_column or options.path_column:
        return None
    plain = {plain_name(column): column for column in table.columns}
    return next((plain[name] for name in SOURCES if name in plain), None)


def learned_texts(table: Table, column: str) -> Learned:
    """The texts of a column as they stand."""
    message = f"column {column!r} is read as texts that are answered, each its own; no class is learned"
    hint = f"--set dataset.label_column={column} reads it as classes or numbers"
    note = Finding("note", message, len(table.rows), hint)
    return Learned(lambda where, row: row.get(column, ""), (column,), KIND, [note])


def _free_columns(table: Table, options: ManifestOptions, kinds: Collection[str]) -> dict[str, str]:
    """Columns by their plain names; none where something else says what is learned."""
    settings = (options.text_column, options.label_column, options.one_hot, options.label_pattern, options.separator)
    if any(settings) or {"label", "labels", *kinds} & {*table.columns}:
        return {}
    return {plain_name(column): column for column in table.columns}


def _leads_to_sounds(table: Table, column: str) -> bool:
    suffixes = [Path(text).suffix.lower() for _, row in table.rows if (text := row.get(column, "").strip())]
    return bool(suffixes) and 2 * sum(suffix in MEDIA["audio"] for suffix in suffixes) > len(suffixes)
