"""Sound tables, and about thirty odd ones: each error names the row, byte or column."""

import codecs
import json
import sys

import pytest

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._manifest import build

PLAIN = "path,label\na.png,cat\nb.png,dog\n"


def opened(folder, content, name="table.csv", **options):
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return build(DatasetRequest(str(file), ManifestOptions(**options)))


def found(records):
    return [(record.key, record.target) for record in records.items]


def test_paths_are_relative_to_the_table(tmp_path):
    records = opened(tmp_path, PLAIN)
    assert found(records) == [("a.png", "cat"), ("b.png", "dog")]
    assert records.items[0].payload == tmp_path / "a.png"
    assert records.medium == "image"
    assert records.symmetries == {"horizontal_flip"}
    allowed = {"rotation", "colour_inversion"}
    assert opened(tmp_path, PLAIN, horizontal_flip=False, rotation=True, colour_inversion=True).symmetries == allowed


def test_split_and_group_are_taken_where_given(tmp_path):
    content = "path,label,split,group\na.png,cat,Training,p1\nb.png,dog,valid,\nc.png,dog,,p2\n"
    items = opened(tmp_path, content).items
    assert [(item.split, item.group) for item in items] == [("train", "p1"), ("val", None), (None, "p2")]


def test_texts_are_keyed_by_row(tmp_path):
    records = opened(tmp_path, 'text,label\n"one, two",good\n"three\nlines",bad\nfour,bad\n')
    assert found(records) == [("row-000002", "good"), ("row-000003", "bad"), ("row-000005", "bad")]
    assert records.items[1].payload == "three\nlines"
    assert records.medium == "text"
    assert records.symmetries == frozenset()


def test_a_second_text_makes_pairs(tmp_path):
    records = opened(tmp_path, "text,text2,label\nit rains,it is wet,follows\nit rains,it is dry,contradicts\n")
    assert [record.payload for record in records.items] == [("it rains", "it is wet"), ("it rains", "it is dry")]
    with pytest.raises(DataError, match="row 2: no text2"):
        opened(tmp_path, "text,text2,label\nit rains,,follows\n")
    with pytest.raises(DataError, match="text2 without text"):
        opened(tmp_path, "path,text2,label\na.png,it rains,follows\n")


def test_the_suffixes_say_what_the_files_hold(tmp_path):
    assert opened(tmp_path, "path,label\na.wav,cat\nb.FLAC,dog\n").medium == "audio"
    assert opened(tmp_path, "path,label\na.txt,cat\nb.txt,dog\n").medium == "text"
    assert opened(tmp_path, "path,label\na.xyz,cat\nb,dog\n").medium == "image"
    with pytest.raises(DataError, match=r"files of several kinds: 'a.png' .image. and 'b.wav' .audio."):
        opened(tmp_path, "path,label\na.png,cat\nb.wav,dog\n")


@pytest.mark.parametrize(
    ("content", "name", "options"),
    [
        (codecs.BOM_UTF8 + PLAIN.encode(), "t.csv", {}),
        (PLAIN.encode("utf-16"), "t.csv", {}),
        (codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"), "t.csv", {}),
        (PLAIN.encode("utf-32"), "t.csv", {}),
        (PLAIN.replace("\n", "\r\n"), "t.csv", {}),
        (PLAIN + "\n\n", "t.csv", {}),
        (PLAIN.replace(",", "\t"), "t.tsv", {}),
        (PLAIN.replace(",", ";"), "t.csv", {"delimiter": ";"}),
        ("label,extra,path\ncat,1,a.png\ndog,2,b.png\n", "t.CSV", {}),
        ('{"path": "a.png", "label": "cat"}\n\n{"label": "dog", "path": "b.png", "x": [1]}', "t.jsonl", {}),
    ],
)
def test_the_same_table_in_other_clothes_reads_the_same(tmp_path, content, name, options):
    assert found(opened(tmp_path, content, name, **options)) == [("a.png", "cat"), ("b.png", "dog")]


def test_another_encoding_is_read_when_named(tmp_path):
    content = "path,label\na.png,Käfer\n".encode("latin-1")
    with pytest.raises(DataError, match=r"byte 18 \(e4\) is no valid utf-8") as caught:
        opened(tmp_path, content)
    assert "dataset.encoding=latin-1" in caught.value.hint
    assert found(opened(tmp_path, content, encoding="latin-1")) == [("a.png", "Käfer")]
    with pytest.raises(UsageError, match="'klingon' is no known encoding"):
        opened(tmp_path, content, encoding="klingon")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("path,label\n", "a header and no rows"),
        ("path,label\na.png,cat\nb.png\n", "row 3 has 1 fields, the header 2"),
        ("path,label\na.png,cat,extra\n", "row 2 has 3 fields"),
        ('path,label\na.png,cat\n"b.png,dog\n', "row 3 cannot be read"),
        ('path,label\n"a.png"x,cat\n', "row 2 cannot be read"),
        ("path,label\na.png,cat\nb.png,\n", "row 3: empty label"),
        ("path,label\na.png,  \n", "row 2: empty label"),
        ("path,label\na.png, cat\n", "row 2: the label ' cat' has spaces"),
        ("path,label\n,cat\n", "row 2: no path"),
        ("path,label\na.png,cat\n./a.png,cat\n", r"row 3: '\./a.png' is already listed in row 2"),
        ("path,label\na.png,cat\na.png,dog\n", "row 3: 'a.png' is already listed in row 2"),
        ("path,label,split\na.png,cat,eval\n", "row 2: split is 'eval'"),
        ("path,text,label\na.png,x,cat\n", "both path and text"),
        ("path,label,label\na.png,x,cat\n", "two columns are named 'label'"),
        ("filename,label\na.png,cat\n", "no column path or text, and no other .* files; found 'filename', 'label'"),
        ("path\na.png\n", "no column label or labels; found 'path'"),
        ("path;label\na.png;cat\n", "no column path or text"),
    ],
)
def test_odd_tables_are_refused_by_row_or_column(tmp_path, content, said):
    with pytest.raises(DataError, match=said) as caught:
        opened(tmp_path, content)
    assert "table.csv" in caught.value.message


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("Path,label\nx,y\n", "too few files of 'Path', such as 'x', lie in or below"),
        ("words,label\nx,y\n", "call the column of files path, that of texts text"),
        ("path;label\nx;y\n", "--set \"dataset.delimiter=';'\""),
        ("path\tlabel\nx\ty\n", "--set 'dataset.delimiter=\"\\t\"'"),
    ],
)
def test_a_missing_column_comes_with_a_suggestion(tmp_path, content, hint):
    with pytest.raises(DataError) as caught:
        opened(tmp_path, content)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"path": "a.png", "label": "cat"}\n{"path": ', "row 2 is no JSON"),
        ("[1, 2]\n", "row 1 is a list; expected an object"),
        ('{"path": "a.png", "label": true}\n', "row 1: label is a bool"),
        ('{"path": "a.png", "label": NaN}\n', "row 1: label is a float"),
        ('{"path": "a.png", "label": ["a", "b"]}\n', "row 1: label is a list"),
        ('{"path": "a.png", "labels": [1]}\n', "row 1: labels is a list; expected text or a list of texts"),
        ('{"path": "a.png", "labels": ["a|b", "c"]}\n', "row 1: the label 'a|b' has '|' in it"),
        ('{"path": "a.png", "label": null}\n', "row 1: empty label"),
        ('{"path": "a.png", "label": "cat"}\n{"path": "b.png"}\n', "row 2: empty label"),
        ("\n\n", "empty"),
        ("[" * 100_000, "row 1 is no JSON"),
    ],
)
def test_odd_json_lines_are_refused_by_row(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        opened(tmp_path, content, "table.jsonl")


def test_whole_numbers_are_labels(tmp_path):
    content = "".join(json.dumps({"path": f"{n}.png", "label": n}) + "\n" for n in range(2))
    assert found(opened(tmp_path, content, "t.jsonl")) == [("0.png", "0"), ("1.png", "1")]


def test_numbers_with_fractions_are_labels_as_they_were_written(tmp_path):
    content = '{"path": "0.png", "label": 1.5}\n{"path": "1.png", "label": -2e-7}\n'
    assert found(opened(tmp_path, content, "t.jsonl")) == [("0.png", "1.5"), ("1.png", "-2e-07")]


@pytest.mark.parametrize(
    ("content", "name", "options"),
    [
        ("path,labels\na.png,red|round\nb.png,\nc.png,red\n", "t.csv", {}),
        ("path,labels\na.png,red ; round\nb.png,\nc.png,red\n", "t.csv", {"separator": ";"}),
        (
            '{"path": "a.png", "labels": ["red", "round"]}\n{"path": "b.png", "labels": []}\n'
            '{"path": "c.png", "labels": "red"}\n',
            "t.jsonl",
            {},
        ),
    ],
)
def test_a_column_of_labels_holds_any_number_of_them(tmp_path, content, name, options):
    records = opened(tmp_path, content, name, **options)
    assert found(records) == [("a.png", "red|round"), ("b.png", ""), ("c.png", "red")]
    assert records.targets == "targets/labels"
    assert opened(tmp_path, PLAIN).targets is None


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("path,labels\na.png,red||round\n", {}, "row 2: empty label in"),
        ("path,labels\na.png,red|a;round\n", {"separator": ";"}, "row 2: a label in .* has '|' in it"),
        ("path,label,labels\na.png,red,red\n", {}, "'label' and 'labels' could each be what is learned"),
    ],
)
def test_odd_labels_are_refused_by_row(tmp_path, content, options, said):
    with pytest.raises(DataError, match=said):
        opened(tmp_path, content, **options)


def test_absent_files_and_folders_are_usage_errors(tmp_path):
    for reference, said in (
        (tmp_path / "gone.csv", "no such path"),
        (tmp_path, "not a file"),
        (None, "needs a path"),
    ):
        with pytest.raises(UsageError, match=said):
            build(DatasetRequest(reference and str(reference), ManifestOptions()))


def test_parquet_reads_the_same(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"path": ["a.png", "b.png"], "label": ["cat", "dog"], "other": [1.5, None]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    records = build(DatasetRequest(str(tmp_path / "t.parquet"), ManifestOptions()))
    assert found(records) == [("a.png", "cat"), ("b.png", "dog")]
    with pytest.raises(DataError, match="no readable Parquet"):
        opened(tmp_path, "no parquet", "bad.parquet")


def with_files(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")


def test_parquet_and_json_lines_have_columns_of_other_names_too(tmp_path):
    """Numbers, truth values, lists of labels and pandas' categories are texts as a CSV would hold them; bytes are not
    read."""
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    with_files(tmp_path, "1.png", "2.png")
    columns = {"image_id": [1, 2], "cat": [True, False], "dog": [0.0, 1.0]}
    pyarrow.parquet.write_table(pyarrow.table({**columns, "raw": [b"x", b"y"]}), tmp_path / "hot.parquet")
    hot = build(DatasetRequest(str(tmp_path / "hot.parquet"), ManifestOptions()))
    assert (found(hot), hot.targets) == ([("1", "cat"), ("2", "dog")], "targets/class")
    assert [item.payload for item in hot.items] == [tmp_path / "1.png", tmp_path / "2.png"]
    kinds = pyarrow.array(["cat", "dog"]).dictionary_encode()
    pyarrow.parquet.write_table(pyarrow.table({"file": ["1.png", "2.png"], "kind": kinds}), tmp_path / "kinds.parquet")
    kinds = build(DatasetRequest(str(tmp_path / "kinds.parquet"), ManifestOptions()))
    assert found(kinds) == [("1.png", "cat"), ("2.png", "dog")]
    lines = '{"image_id": 1, "tags": ["red", "round"]}\n{"image_id": 2, "tags": []}\n'
    tags = opened(tmp_path, lines, "tags.jsonl")
    assert (found(tags), tags.targets) == ([("1", "red|round"), ("2", "")], "targets/labels")


def test_numbers_with_a_comma_are_no_lists_of_labels(tmp_path):
    rows = "".join(f'{number}.png,"{number // 10},{number % 10}"\n' for number in range(100))
    findings = opened(tmp_path, f"path,label\n{rows}").findings
    assert [each.hint for each in findings if each.level == "warning"] == ["write numbers as 1234.5"]


def test_a_file_that_one_row_of_many_lacks_is_left_to_those_who_read_files(tmp_path):
    """As few as may be unreadable: the reading holds, and the row's file is where it would be."""
    names = [f"{number}.png" for number in range(100)]
    (tmp_path / "images").mkdir()
    with_files(tmp_path / "images", *names[1:])
    table = "image,label\n" + "".join(f"{name},{number % 2}\n" for number, name in enumerate(names))
    records = opened(tmp_path, table)
    assert "column 'image' is read as path (in folder images/): 99 of 100 files found" in records.findings[0].message
    assert not records.items[0].payload.exists()
    (tmp_path / "images" / names[1]).unlink()
    with pytest.raises(DataError, match="no other that leads to files"):
        opened(tmp_path, table)
    assert "98 of 100 files found" in opened(tmp_path, table, unreadable=0.02).findings[0].message


def test_parquet_without_its_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="needs pyarrow") as caught:
        opened(tmp_path, "x", "t.parquet")
    assert "headstart[parquet]" in caught.value.hint


COLUMNS = {"boxes": ("p/boxes", "text"), "mask": ("p/mask", "file"), "path": ("p/mask", "text")}


def with_kinds(folder, content, name="table.csv", **options):
    file = folder / name
    file.write_text(content)
    return build(DatasetRequest(str(file), ManifestOptions(**options), target_columns=COLUMNS))


def test_columns_of_other_kinds_of_targets_are_their_texts_and_files(tmp_path):
    """A column that a kind names stands for its targets; the table's own columns keep their meaning."""
    masks = with_kinds(tmp_path, "path,mask\na.png,masks/a.png\n")
    assert masks.targets == "p/mask"
    assert found(masks) == [("a.png", tmp_path / "masks" / "a.png")]
    boxes = with_kinds(tmp_path, '{"path": "a.png", "boxes": [["cat", 1, 2.5]]}\n{"path": "b.png"}\n', "table.jsonl")
    assert boxes.targets == "p/boxes"
    assert found(boxes) == [("a.png", '[["cat", 1, 2.5]]'), ("b.png", "")]


def test_a_table_with_targets_of_two_kinds_says_which_are_learned(tmp_path):
    table = "path,label,mask\na.png,cat,a.mask.png\n"
    with pytest.raises(DataError, match="'label' and 'mask' could each be what is learned") as raised:
        with_kinds(tmp_path, table)
    assert raised.value.hint == "say which: --set dataset.label_column=label or --set dataset.label_column=mask"
    assert found(with_kinds(tmp_path, table, label_column="label")) == [("a.png", "cat")]
    assert with_kinds(tmp_path, table, label_column="mask").targets == "p/mask"
    with pytest.raises(DataError, match="no column boxes, which label_column names; found"):
        with_kinds(tmp_path, table, label_column="boxes")


def test_a_row_without_the_file_of_its_target_is_named(tmp_path):
    with pytest.raises(DataError, match="row 3: no mask"):
        with_kinds(tmp_path, "path,mask\na.png,a.mask.png\nb.png,\n")
