"""Pictures inside Parquet files, laid out as the Hugging Face Hub has them."""

import io
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from headstart.data import prepared
from headstart.data.targets import build_target_kind
from headstart.errors import DataError, UsageError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, InputRequest
from headstart_plugins.files import ParquetOptions, resolve_dataset
from headstart_plugins.files._parquet import build
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build as build_kind

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CLASSES = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}


def png(number):
    """A PNG of noise that no other number has."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def cells(numbers):
    return pa.array([{"bytes": png(each), "path": f"{each}.png"} for each in numbers], IMAGE)


def written(path, columns, features=None, **options):
    """A file of `columns`, with what the Hub's libraries say of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, **options)
    return path


def hub(root):
    """Two shards of train and one of test, of two classes."""
    for name, first, count in (
        ("train-00000-of-00002", 0, 12),
        ("train-00001-of-00002", 12, 12),
        ("test-00000-of-00001", 24, 6),
    ):
        numbers = range(first, first + count)
        columns = {"image": cells(numbers), "label": pa.array([each % 2 for each in numbers])}
        written(root / "data" / f"{name}.parquet", columns, CLASSES, row_group_size=5)
    return root


def opened(path, *, labelled=True, **options):
    return build(DatasetRequest(str(path), ParquetOptions(**options), labelled=labelled))


def found(records):
    return [(record.target, record.split) for record in records.items]


def test_shards_give_their_side_by_name_and_labels_by_the_names_in_the_file(tmp_path):
    records = opened(hub(tmp_path))
    assert records.targets == "targets/class"
    assert records.medium == "image"
    by_key = {record.key: record for record in records.items}
    assert len(by_key) == 30
    third = by_key["data/train-00001-of-00002.parquet/row-000003"]
    assert (third.target, third.split) == ("cat", "train")
    assert third.payload.read() == png(14)
    assert str(third.payload) == f"{tmp_path}/data/train-00001-of-00002.parquet: row 3"
    assert [each for each in found(records) if each[1] == "test"] == [("cat", "test"), ("dog", "test")] * 3


def test_a_snapshot_in_the_cache_of_the_hub_holds_links_to_its_files(tmp_path):
    hub(tmp_path / "blobs")
    for number, blob in enumerate(sorted((tmp_path / "blobs" / "data").iterdir())):
        blob = blob.rename(tmp_path / "blobs" / f"{number}")
        link = tmp_path / "snapshot" / "data" / ("test-0.parquet", "train-0.parquet", "train-1.parquet")[number]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    assert resolve_dataset(str(tmp_path / "snapshot"), None) == "files/parquet"
    records = opened(tmp_path / "snapshot")
    assert records.items[0].key == "data/test-0.parquet/row-000001"
    assert records.items[0].payload.read() == png(24)
    assert {record.split for record in records.items} == {"train", "test"}


def test_a_prepared_run_has_the_pixels_of_the_files_themselves(tmp_path):
    kind = build_kind(InputRequest({"size": [40, 40]}, ImageOptions()))
    data = prepared.prepare(opened(hub(tmp_path)), kind, build_target_kind(load_registry(), "class"))
    numbers = [24 + row for row in range(6)] + list(range(24))  # keys in order: test, then train
    expected = np.stack([np.asarray(Image.open(io.BytesIO(png(each)))) for each in numbers])
    np.testing.assert_array_equal(data.tensors["image"], expected)


@pytest.mark.parametrize(
    ("names", "sides"),
    [
        (["default/train/0000.parquet", "default/validation/0000.parquet"], {"train", "val"}),
        (["train.parquet", "valid.parquet", "test.parquet"], {"train", "val", "test"}),
        (["0000.parquet", "0001.parquet"], {None}),
        (["trained.parquet", "contest.parquet"], {None}),
    ],
)
def test_words_in_the_names_of_files_and_folders_are_sides(tmp_path, names, sides):
    for number, name in enumerate(names):
        written(tmp_path / name, {"image": cells([number]), "label": ["cat"]})
    assert {record.split for record in opened(tmp_path).items} == sides


def test_a_file_by_itself_has_no_side(tmp_path):
    path = hub(tmp_path) / "data" / "test-00000-of-00001.parquet"
    records = opened(path)
    assert {record.split for record in records.items} == {None}
    assert records.items[0].key == "test-00000-of-00001.parquet/row-000001"
    assert [record.target for record in opened(path, labelled=False).items] == [None] * 6


def test_bytes_without_a_path_and_labels_as_text_or_numbers_are_read(tmp_path):
    columns = {"img": pa.array([png(0), png(1)]), "kind": ["owl", "emu"], "size": [1.5, 2.0]}
    path = written(tmp_path / "a.parquet", columns)
    records = opened(path, label_column="kind")
    assert found(records) == [("owl", None), ("emu", None)]
    assert records.targets is None
    assert [record.target for record in opened(path, label_column="size").items] == ["1.5", "2.0"]
    assert records.items[1].payload.read() == png(1)


@pytest.mark.parametrize(
    ("columns", "features", "said", "hint"),
    [
        (
            {"a": [b"1"], "b": [b"2"], "label": ["x"]},
            None,
            "2 could be the column of pictures: a, b",
            "dataset.image_column=NAME",
        ),
        ({"a": [b"1"], "kind": ["x"]}, None, "no label column among 'a', 'kind'", "dataset.label_column=NAME"),
        ({"image": [b"1"], "label": [2]}, CLASSES, "row 1: label 2; the file names 0 to 1", "leave the row out"),
        (
            {"image": [b"1", b"2"], "label": ["x", None]},
            None,
            "row 2: label is None; expected a number",
            "label_column",
        ),
        ({"image": [b"1"], "label": [" x"]}, None, "row 1: label is ' x'; expected", "label_column"),
        ({"image": [b"1"], "label": [["x"]]}, None, r"row 1: label is \['x'\]; expected", "label_column"),
        (
            {"image": [b"1", b"2"], "label": [0, -1]},
            CLASSES,
            "row 2: label -1; the file names 0 to 1",
            "leave the row out",
        ),
        ({"image": [b"1"], "label": [-1]}, CLASSES, "no rows with a label", None),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, columns, features, said, hint):
    path = written(tmp_path / "a.parquet", columns, features)
    with pytest.raises(DataError, match=said) as caught:
        opened(path)
    assert str(path) in caught.value.message
    assert hint is None or hint in caught.value.hint


def test_files_that_do_not_fit_each_other_are_named(tmp_path):
    root = hub(tmp_path)
    extra = written(root / "data" / "more.parquet", {"image": cells([90]), "label": [0]}, CLASSES)
    with pytest.raises(DataError, match=r"more\.parquet: its name means no side"):
        opened(root)
    extra.rename(root / "data" / "val-1.parquet")
    other = {**CLASSES, "label": {"names": ["dog", "cat"], "_type": "ClassLabel"}}
    written(root / "data" / "val-1.parquet", {"image": cells([90]), "label": [0]}, other)
    with pytest.raises(DataError, match="name other classes"):
        opened(root)
    for path in (root / "data").glob("[vt]*[ln]-*"):
        path.unlink()
    with pytest.raises(DataError, match="test, but no train file"):
        opened(root)


def test_a_side_whose_labels_nobody_knows_is_left_out_and_listed(tmp_path):
    path = hub(tmp_path) / "data" / "test-00000-of-00001.parquet"
    written(path, {"image": cells([24, 25]), "label": [-1, -1]}, CLASSES)
    records = opened(tmp_path)
    assert {record.split for record in records.items} == {"train"}
    assert [(each.where, each.reason) for each in records.skipped] == [(str(path), "its 2 rows have no label")]


def test_a_cell_without_bytes_is_an_unreadable_sample(tmp_path):
    images = pa.array([{"bytes": png(0), "path": "0.png"}, {"bytes": None, "path": "1.png"}, None], IMAGE)
    records = opened(written(tmp_path / "a.parquet", {"image": images, "label": ["x", "y", "z"]}))
    assert records.items[0].payload.read() == png(0)
    for number in (1, 2):
        with pytest.raises(DataError, match=f"row {number + 1}: no bytes of a picture, or only its path"):
            records.items[number].payload.read()


@pytest.mark.parametrize("order", ["forwards", "backwards", "mixed"])
def test_pictures_are_read_in_any_order_by_several_threads(tmp_path, order):
    contents = [bytes([number]) * 50 for number in range(200)]
    written(tmp_path / "a.parquet", {"image": contents, "label": ["x"] * 200}, row_group_size=70)
    written(tmp_path / "b.parquet", {"image": contents[::-1], "label": ["x"] * 200}, row_group_size=7)
    items = list(zip(opened(tmp_path).items, contents + contents[::-1], strict=True))
    if order == "backwards":
        items.reverse()
    if order == "mixed":
        items = [items[place] for place in np.random.default_rng(0).permutation(400)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda pair: pair[0].payload.read(), items)) == [content for _, content in items]


def test_a_file_that_is_none_or_changes_while_it_is_read_is_an_error(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"bad\.parquet: no readable Parquet file"):
        opened(tmp_path / "bad.parquet")
    path = hub(tmp_path / "hub") / "data" / "test-00000-of-00001.parquet"
    picture = opened(path).items[0].payload
    picture.read()
    written(path, {"image": cells([1]), "label": [0]}, CLASSES)
    with pytest.raises(DataError, match=r"test-00000-of-00001\.parquet has changed while it was read"):
        picture.read()


def test_paths_are_resolved_by_the_columns_of_the_first_file(tmp_path):
    root = hub(tmp_path / "hub")
    for path in (root, root / "data", root / "data" / "test-00000-of-00001.parquet"):
        assert resolve_dataset(str(path), None) == "files/parquet"
    written(tmp_path / "convert" / "train" / "0000.parquet", {"image": cells([0]), "label": ["cat"]})
    assert resolve_dataset(str(tmp_path / "convert"), None) == "files/parquet"
    table = written(tmp_path / "photos" / "table.parquet", {"path": ["a.png"], "label": ["cat"], "vector": [b"1"]})
    assert resolve_dataset(str(table), None) == "files/manifest"
    assert resolve_dataset(str(table.parent), None) == "files/image_folder"
    (tmp_path / "bad.parquet").write_bytes(b"none")
    assert resolve_dataset(str(tmp_path / "bad.parquet"), None) == "files/manifest"


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    hub(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.delattr(pa, "parquet")
    assert resolve_dataset(str(tmp_path), None) == "files/parquet"
    with pytest.raises(UsageError, match="needs pyarrow") as caught:
        opened(tmp_path)
    assert "headstart[parquet]" in caught.value.hint


def test_no_such_path_and_a_folder_without_files_are_named(tmp_path):
    with pytest.raises(UsageError, match="no such path"):
        opened(tmp_path / "gone")
    with pytest.raises(UsageError, match="needs a path"):
        build(DatasetRequest(None, ParquetOptions()))
    with pytest.raises(DataError, match=r"no file ends in \.parquet"):
        opened(tmp_path)
