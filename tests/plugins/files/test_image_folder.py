import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from headstart.data import prepared
from headstart.data.array_store import ArrayStore
from headstart.data.prepared import PrepareOptions
from headstart.data.targets import build_target_kind
from headstart.errors import DataError, UsageError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, InputRequest
from headstart_plugins._files.names import side_of
from headstart_plugins.files import FolderOptions, resolve_dataset
from headstart_plugins.files._folder import build
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build as build_kind


def prepare(records, kind, options=None):
    return prepared.prepare(records, kind, build_target_kind(load_registry(), "class"), options)


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def opened(root, **options):
    return build(DatasetRequest(str(root), FolderOptions(**options)))


def found(records):
    return [(record.key, record.target, record.split) for record in records.items]


def test_a_folder_is_a_class_and_keys_are_relative_paths(tmp_path):
    root = touch(tmp_path, "cat/b.JPG", "cat/deep/a.png", "dog/c.webp")
    records = opened(root)
    assert found(records) == [
        ("cat/b.JPG", "cat", None),
        ("cat/deep/a.png", "cat", None),
        ("dog/c.webp", "dog", None),
    ]
    assert records.items[0].payload == root / "cat/b.JPG"
    assert records.medium == "image"
    assert records.symmetries == {"horizontal_flip"}
    allowed = {"rotation", "colour_inversion"}
    assert opened(root, horizontal_flip=False, rotation=True, colour_inversion=True).symmetries == allowed
    assert opened(root, horizontal_flip=False).symmetries == frozenset()


@pytest.mark.parametrize("names", [("train", "val", "test"), ("training", "validation", "test"), ("Train", "valid")])
def test_split_folders_above_the_classes_are_known_by_their_usual_names(tmp_path, names):
    touch(tmp_path, *(f"{name}/{c}/{name}.png" for name in names for c in ("cat", "dog")))
    records = opened(tmp_path)
    assert {record.split for record in records.items} == {"train", "val", "test"} - (
        {"test"} if len(names) < 3 else set()
    )
    assert {record.target for record in records.items} == {"cat", "dog"}
    assert records.items[0].key.count("/") == 2


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("TRAINING", "train"),
        ("training-data", "train"),
        ("Train images", "train"),
        ("valid", "val"),
        ("dev", "val"),
        ("dataset_test", "test"),
        ("TestSet", "test"),
        ("eval", None),
        ("trainval", None),
        ("train_test", None),
        ("data", None),
        ("", None),
    ],
)
def test_names_of_sides_are_compared_without_case_marks_and_words_that_say_nothing(name, side):
    assert side_of(name) == side


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train/a/1.png", "train/b/2.png", "car/3.png"], "train looks like a side of a split, car does not"),
        (["test/1.png", "images/a/2.png", "images/b/3.png"], "test looks like a side of a split, images does not"),
    ],
)
def test_one_side_beside_something_else_is_no_class_where_either_holds_class_folders(tmp_path, names, said):
    with pytest.raises(DataError, match=said):
        opened(touch(tmp_path, *names))
    classes = {record.target for record in opened(tmp_path, sides=False).items}
    assert classes == {name.partition("/")[0] for name in names}


def test_pictures_in_the_folder_of_a_side_do_not_hide_that_it_is_one(tmp_path):
    touch(tmp_path, *(f"{side}/{c}/{i}.png" for side in ("train", "tset") for c in "ab" for i in range(10)))
    with pytest.raises(DataError, match="tset does not"):
        opened(touch(tmp_path, "train/stray.png", "tset/stray.png"))


def test_one_class_folder_is_opened_whatever_one_folder_it_has(tmp_path):
    assert found(opened(touch(tmp_path, "dog/train/1.png"))) == [("dog/train/1.png", "dog", None)]


def test_train_alone_is_a_side_in_the_only_folder_too(tmp_path):
    items = opened(touch(tmp_path, "a/train/cat/1.png", "a/train/dog/2.png")).items
    assert [(each.target, each.split) for each in items] == [("cat", "train"), ("dog", "train")]


def test_a_folder_without_pictures_beside_sides_is_left_out_and_told(tmp_path):
    records = opened(touch(tmp_path, "train/a/1.png", "val/a/2.png", "annotations/1.xml"))
    assert [record.split for record in records.items] == ["train", "val"]
    assert [each.message for each in records.findings] == ["annotations holds no pictures: left out"]


@pytest.mark.parametrize("other", ["nested", "classes"])
def test_labels_in_names_exclude_settings_of_class_folders(tmp_path, other):
    with pytest.raises(UsageError, match=f"both label_pattern and {other}"):
        opened(tmp_path, label_pattern="(a)", **{other: ("a",)})


def test_train_beside_other_classes_is_a_class(tmp_path):
    touch(tmp_path, "train/1.png", "car/2.png", "boat/3.png")
    assert {(r.target, r.split) for r in opened(tmp_path).items} == {
        ("train", None),
        ("car", None),
        ("boat", None),
    }


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train/a/1.png", "test/a/1.png", "cat/1.png"], "test, train look like sides of a split, cat does not"),
        (["train/a/1.png", "val/a/1.png", "valid/a/2.png"], "val and valid both mean val"),
        (["val/a/1.png", "test/a/2.png"], "no train folder"),
        (["train/1.png", "test/2.png"], "no class folders"),
        (["1.png", "2.png"], "no class folders"),
        (["train/1.png", "train/2.png", "pred/3.png"], "train: no class folders, but 2 pictures"),
        (["train/a/1.png", "train/b/1.png", "test/readme.txt"], "test: no class folders with pictures"),
        ([], "no class folders"),
        (["cat/1.png", "dog/readme.txt"], "dog: class folder without pictures"),
        (["cat/1.png", "dog/.hidden.png"], "dog: class folder without pictures"),
    ],
)
def test_folders_that_cannot_be_used_are_named(tmp_path, names, said):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=said):
        opened(tmp_path)


def test_an_empty_class_folder_is_an_error(tmp_path):
    touch(tmp_path, "cat/1.png")
    (tmp_path / "dog").mkdir()
    for nested in (False, True):
        with pytest.raises(DataError, match="dog: class folder without pictures"):
            opened(tmp_path, nested=nested)


def test_no_such_path_and_a_file_are_usage_errors(tmp_path):
    touch(tmp_path, "table.csv")
    with pytest.raises(UsageError, match="no such path"):
        opened(tmp_path / "gone")
    with pytest.raises(UsageError, match="not a folder"):
        opened(tmp_path / "table.csv")
    with pytest.raises(UsageError, match="needs a path"):
        build(DatasetRequest(None, FolderOptions()))


def test_what_is_left_out_is_listed(tmp_path):
    touch(
        tmp_path,
        "cat/1.png",
        "dog/2.png",
        ".git/x",
        "cat/.x.png",
        "loose.png",
        "dog/a.txt",
        "b.txt",
        "LICENSE",
    )
    skipped = {(one.where.removeprefix(str(tmp_path)), one.reason) for one in opened(tmp_path).skipped}
    assert skipped == {
        ("/.git", "hidden"),
        ("/cat/.x.png", "hidden"),
        ("/loose.png", "picture outside the class folders"),
        ("", "2 files ending in .txt: no pictures"),
        ("", "1 file without an ending: no pictures"),
    }


def test_nested_classes_are_named_by_their_path(tmp_path):
    touch(tmp_path, "animals/birds/1.png", "animals/fish/2.png", "animals/3.png", "food/4.png")
    assert [r.target for r in opened(tmp_path, nested=True).items] == [
        "animals",
        "animals/birds",
        "animals/fish",
        "food",
    ]


def test_chosen_classes_are_taken_recursively_and_the_rest_is_counted(tmp_path):
    touch(tmp_path, "animals/birds/1.png", "animals/birds/owls/2.png", "animals/fish/3.png", "food/4.png")
    records = opened(tmp_path, classes=("animals/birds", "food/"))
    assert [(r.key, r.target) for r in records.items] == [
        ("animals/birds/1.png", "animals/birds"),
        ("animals/birds/owls/2.png", "animals/birds"),
        ("food/4.png", "food"),
    ]
    assert records.skipped[0].reason == "outside the chosen classes: 1 pictures"


@pytest.mark.parametrize(
    ("classes", "said", "hint"),
    [
        (("animals/bird",), "no class folder 'animals/bird'", "animals/birds"),
        (("../x",), "no class folder '../x'", None),
        (("animals", "animals/birds"), "'animals/birds' lies in 'animals'", None),
        (("food", "food"), "'food' lies in 'food'", None),
    ],
)
def test_wrong_choices_of_classes_are_usage_errors(tmp_path, classes, said, hint):
    touch(tmp_path / "data", "animals/birds/1.png", "food/2.png")
    touch(tmp_path, "x/3.png")
    with pytest.raises(UsageError, match=said) as caught:
        opened(tmp_path / "data", classes=classes)
    assert hint is None or hint in caught.value.hint


def test_a_link_to_a_picture_of_another_class_is_followed(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "cat" / "3.png").symlink_to("../dog/2.png")
    assert [record.key for record in opened(tmp_path).items] == ["cat/1.png", "cat/3.png", "dog/2.png"]


@pytest.mark.parametrize("links", ["refuse", "follow"])
def test_links_that_loop_are_refused(tmp_path, links):
    touch(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "cat" / "loop").symlink_to(tmp_path)
    with pytest.raises(DataError, match=r"cat/loop: symbolic link to a folder that it lies in .*loops"):
        opened(tmp_path, links=links)


def test_links_outside_are_refused_with_the_setting_that_follows_them(tmp_path):
    touch(tmp_path, "data/cat/1.png", "data/dog/2.png", "store/3.png", "more/4.png", "more/5.png")
    for name, target in (("data/dog/more", "more"), ("data/cat/3.png", "store/3.png")):
        (tmp_path / name).symlink_to(tmp_path / target)
        with pytest.raises(DataError, match=f"{name}: symbolic link") as caught:
            opened(tmp_path / "data")
        assert "--set dataset.links=follow" in caught.value.hint
    assert found(opened(tmp_path / "data", links="follow")) == [
        ("cat/1.png", "cat", None),
        ("cat/3.png", "cat", None),
        ("dog/2.png", "dog", None),
        ("dog/more/4.png", "dog", None),
        ("dog/more/5.png", "dog", None),
    ]


def test_a_class_folder_can_be_a_link(tmp_path):
    touch(tmp_path, "data/cat/1.png", "dogs/2.png")
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "dogs")
    assert found(opened(tmp_path / "data", links="follow")) == [("cat/1.png", "cat", None), ("dog/2.png", "dog", None)]


def test_a_file_that_links_reach_twice_is_taken_once_a_class_and_told(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/2.png", "dog/3.png")
    (tmp_path / "cat" / "again.png").symlink_to("1.png")
    (tmp_path / "cat" / "dogs").symlink_to("../dog")
    (tmp_path / "cat" / "more").symlink_to("../dog")
    records = opened(tmp_path, links="follow")
    assert found(records) == [
        ("cat/1.png", "cat", None),
        ("cat/dogs/2.png", "cat", None),
        ("cat/dogs/3.png", "cat", None),
        ("dog/2.png", "dog", None),
        ("dog/3.png", "dog", None),
    ]
    assert records.skipped == ()
    assert [(each.level, each.count) for each in records.findings] == [("note", 3)]
    assert "cat/again.png, which is cat/1.png" in records.findings[0].message


def test_paths_are_resolved_by_their_look(tmp_path):
    touch(tmp_path, "t.csv", "t.parquet", "t.jsonl", "t.tsv", "t.txt")
    assert resolve_dataset(str(tmp_path), None) == "files/text_folder"
    (tmp_path / "t.png").touch()
    assert resolve_dataset(str(tmp_path), None) == "files/image_folder"
    names = ["t.csv", "t.parquet", "t.jsonl", "t.tsv"]
    assert {resolve_dataset(str(tmp_path / name), None) for name in names} == {"files/manifest"}
    assert resolve_dataset(str(tmp_path / "t.txt"), None) is None
    assert resolve_dataset(str(tmp_path / "gone"), None) is None


def tree_hash(root):
    digest = hashlib.sha256()
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            file = os.path.join(folder, name)
            state = os.stat(file)
            digest.update(f"{file} {state.st_mode} {state.st_mtime_ns} {state.st_size}".encode())
            with open(file, "rb") as content:
                digest.update(content.read())
    return digest.hexdigest()


@pytest.fixture
def pictures(tmp_path):
    generator = np.random.default_rng(0)
    for index in range(24):
        file = tmp_path / "data" / ("cat", "dog")[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (20, 30, 4), np.uint8)).save(file)
    return tmp_path / "data"


@pytest.fixture(scope="module")
def kind():
    return build_kind(InputRequest({"size": [32, 32]}, ImageOptions()))


def test_reading_changes_nothing_in_the_users_folder(pictures, kind, tmp_path):
    before = tree_hash(pictures)
    first = prepare(opened(pictures), kind, PrepareOptions(store=ArrayStore(scratch=tmp_path / "scratch")))
    again = prepare(opened(pictures), kind)
    assert tree_hash(pictures) == before
    assert first.split.hash == again.split.hash
    np.testing.assert_array_equal(first.tensors["image"], again.tensors["image"])
    assert first.findings[0].message == "24 samples with transparency laid on white"


def test_one_corrupt_picture_among_few_stops_the_run_by_name(pictures, kind):
    (pictures / "cat" / "0.png").write_bytes((pictures / "cat" / "0.png").read_bytes()[:200])
    with pytest.raises(DataError, match=r"1 of 24 samples cannot be read.*\n.*cat/0\.png: corrupt or truncated"):
        prepare(opened(pictures), kind)


def test_one_class_is_an_error(tmp_path, kind):
    touch(tmp_path, "cat/1.png")
    with pytest.raises(DataError, match="all samples have the label 'cat'"):
        prepare(opened(tmp_path), kind)


@pytest.mark.parametrize(
    "names", [("Cat/1.png", "cat/2.png"), ("train/Cat/1.png", "train/dog/2.png", "test/cat/3.png")]
)
def test_classes_that_differ_by_case_are_an_error_naming_both(tmp_path, kind, names):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match="'Cat' and 'cat' differ only by case"):
        prepare(opened(tmp_path), kind)
