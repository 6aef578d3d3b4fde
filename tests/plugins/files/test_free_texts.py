"""Tables that answer with any text: recognised, and never where classes are meant."""

import json

import pytest

from headstart.registry import load_registry
from headstart.specs import DatasetRequest
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._manifest import build

PAIRS = [("Open the file", "Abrir o ficheiro"), ("open the file.", "Abra o ficheiro"), ("Close", "Pechar")]


def opened(path, *, labelled=True, **options):
    return build(DatasetRequest(str(path), ManifestOptions(**options), labelled=labelled))


def written(path, columns, rows):
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(dict(zip(columns, row, strict=True))) for row in rows), "utf-8")
    elif path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(
            pyarrow.table({name: list(each) for name, each in zip(columns, zip(*rows, strict=True), strict=True)}), path
        )
    else:
        mark = {".csv": ",", ".tsv": "\t"}[path.suffix]
        path.write_text("\n".join(mark.join(row) for row in (columns, *rows)), "utf-8")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    "columns", [("source", "target"), ("src", "tgt"), ("Source Text", "Target Text"), ("text", "translation")]
)
def test_sentences_and_translations_are_read_whatever_the_format(tmp_path, suffix, columns):
    records = opened(written(tmp_path / f"pairs{suffix}", columns, PAIRS))
    assert (records.medium, records.targets) == ("text", "targets/text")
    assert [(each.payload, each.target) for each in records.items] == PAIRS
    assert [each.group for each in records.items] == ["openthefile", "openthefile", "close"]
    assert "is read as texts that are answered" in records.findings[0].message


def test_such_a_table_opens_by_its_path_alone(tmp_path):
    path = written(tmp_path / "pairs.csv", ("source", "target"), PAIRS)
    assert load_registry().resolve_dataset(str(path), None).spec.name == "files/manifest"


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (("source", "target"), [(f"text number {n}", "ham" if n % 3 else "spam") for n in range(9)]),
        (("source", "target"), [(f"text number {n}", f"{n / 7:.2f}") for n in range(9)]),
        (("text", "source", "target"), [(f"text number {n}", f"page {n}", f"name {n % 2}") for n in range(9)]),
        (("text", "label"), [(f"text number {n}", "ab"[n % 2]) for n in range(9)]),
        (("source", "target", "label"), [(f"text number {n}", f"other {n}", "ab"[n % 2]) for n in range(9)]),
    ],
)
def test_classes_and_numbers_are_not_mistaken_for_translations(tmp_path, columns, rows):
    path = written(tmp_path / "t.csv", columns, rows)
    options = {} if "text" in columns else {"text_column": "source"}
    if "label" not in columns:
        options["label_column"] = "target"
    assert opened(path, **options).targets is None
    from headstart_plugins._files.tables import TableForm, read_table
    from headstart_plugins.files._free import translated_columns

    table = read_table(path, TableForm(encoding="", delimiter=""))
    assert translated_columns(table, ManifestOptions(), ()) is None


def test_settings_that_name_columns_are_heeded(tmp_path):
    path = written(tmp_path / "pairs.csv", ("source", "target"), PAIRS)
    assert opened(path, text_column="source", label_column="target").targets is None


def test_given_sides_are_kept_and_make_no_groups(tmp_path):
    rows = [(*pair, side) for pair, side in zip(PAIRS, ("train", "test", "dev"), strict=True)]
    records = opened(written(tmp_path / "pairs.csv", ("source", "target", "split"), rows))
    assert [(each.split, each.group) for each in records.items] == [("train", None), ("test", None), ("val", None)]


def test_sounds_with_what_is_said_in_them(tmp_path):
    for name in ("a.wav", "b.flac"):
        (tmp_path / name).write_bytes(b"")
    for columns in (("path", "text"), ("file", "transcript"), ("audio", "sentence")):
        rows = [("a.wav", "Yes please!"), ("b.flac", "no")]
        records = opened(written(tmp_path / "clips.csv", columns, rows))
        assert (records.medium, records.targets) == ("audio", "targets/text")
        assert [(each.payload.name, each.target, each.group) for each in records.items] == [
            ("a.wav", "Yes please!", None),
            ("b.flac", "no", None),
        ]


def test_sounds_with_labels_and_transcripts_learn_the_labels(tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"")
    rows = [("a.wav", "yes", "scot"), ("b.wav", "yes", "irish")]
    records = opened(written(tmp_path / "clips.csv", ("path", "transcript", "label"), rows))
    assert (records.targets, records.items[0].target) == (None, "scot")


def test_sentences_to_be_translated_need_no_target(tmp_path):
    path = written(tmp_path / "new.csv", ("id", "source"), [("x1", "Open"), ("x2", "Close")])
    records = opened(path, labelled=False)
    assert [(each.key, each.payload, each.target) for each in records.items] == [
        ("x1", "Open", None),
        ("x2", "Close", None),
    ]
