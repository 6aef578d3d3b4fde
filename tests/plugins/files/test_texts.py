"""Texts of tables and folders reach the input kind as they are written, to the letter."""

import json
from pathlib import Path

import pytest

from headstart.errors import UsageError
from headstart.specs import DatasetRequest
from headstart_plugins.files import ManifestOptions, TextFolderOptions, resolve_dataset
from headstart_plugins.files._folder import build_texts
from headstart_plugins.files._manifest import build

ODD = [
    *("<br />Good &amp; <b>cheap</b>", "https://example.org/a?b=c", "two\nlines", " spaces ", "مرحبا"),
    'a "quote", here',
]


def opened(path, **options):
    return build(DatasetRequest(str(path), ManifestOptions(**options)))


def written(folder, suffix, rows):
    """The same rows in each format, by somebody else's writer."""
    path = folder / f"table{suffix}"
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    elif suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pytest.importorskip("pyarrow").Table.from_pylist(rows), path)
    else:
        import csv

        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, rows[0], delimiter="\t" if suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_texts_and_pairs_are_the_same_in_every_format(tmp_path, suffix):
    rows = [{"text": text, "label": str(number % 2)} for number, text in enumerate(ODD)]
    records = opened(written(tmp_path, suffix, rows))
    assert records.medium == "text"
    assert not records.symmetries
    assert [record.payload for record in records.items] == ODD
    pairs = [{"premise": text, "hypothesis": text[::-1], "label": "a"} for text in ODD]
    records = opened(written(tmp_path, suffix, pairs))
    assert [record.payload for record in records.items] == [(text, text[::-1]) for text in ODD]


def test_a_folder_of_texts_gives_its_files_as_they_are(tmp_path):
    for name in ("pos/a.txt", "neg/b.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("<br />Good", "utf-8")
    records = build_texts(DatasetRequest(str(tmp_path), TextFolderOptions()))
    assert (records.medium, records.symmetries) == ("text", frozenset())
    assert [record.payload for record in records.items] == [tmp_path / "neg/b.txt", tmp_path / "pos/a.txt"]
    assert all(isinstance(record.payload, Path) for record in records.items)
    assert resolve_dataset(str(tmp_path), None) == "files/text_folder"


def test_settings_that_exclude_each_other_are_refused(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("a,b,label\nx,y,z\n", "utf-8")
    with pytest.raises(UsageError, match="path_column and text_column"):
        opened(table, path_column="a", text_column="b")
    table.write_text("path,b,label\nx.jpg,y,z\n", "utf-8")
    assert [record.payload for record in opened(table, text_column="b").items] == ["y"]
    with pytest.raises(UsageError, match="text2_column is given without text_column"):
        opened(table, text2_column="b")


def test_a_table_of_texts_is_not_looked_for_below_its_folder(tmp_path, monkeypatch):
    """Home folders hold millions of files, and a column of sentences leads to none of them."""
    import headstart_plugins._files.paths as paths

    (tmp_path / "table.csv").write_text("sentence,label\nGood.,1\nBad.,0\n", "utf-8")
    walked = []
    monkeypatch.setattr(paths.os, "walk", lambda folder: walked.append(folder) or iter(()))
    assert len(opened(tmp_path / "table.csv").items) == 2
    assert walked == []
