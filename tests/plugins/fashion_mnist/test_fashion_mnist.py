import gzip
import struct
from collections import Counter

import numpy as np
import pytest

from headstart.errors import DataError, UsageError
from headstart.options import NoOptions
from headstart.specs import DatasetRequest
from headstart_plugins.fashion_mnist._build import CLASSES, DEBIAN, build, read_idx


def idx(array):
    return struct.pack(f">{1 + array.ndim}I", 0x800 | array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(0)
    for prefix, count in (("train", 20), ("t10k", 10)):
        pictures = generator.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx(pictures))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path


def opened(folder):
    return build(DatasetRequest(str(folder), NoOptions()))


def test_files_are_read_packed_or_not_with_their_own_split(folder):
    records = opened(folder)
    assert Counter(record.split for record in records.items) == {"train": 20, "test": 10}
    assert [records.items[0].key, records.items[-1].key] == ["train-00000", "test-00009"]
    assert records.items[3].target == "Dress"
    expected = read_idx(folder / "train-images-idx3-ubyte", 3)[3]
    np.testing.assert_array_equal(records.items[3].payload, expected)
    assert records.symmetries == {"horizontal_flip"}


def change(folder, name, edit):
    file = folder / name
    packed = name.endswith(".gz")
    content = gzip.decompress(file.read_bytes()) if packed else file.read_bytes()
    file.write_bytes(gzip.compress(edit(content)) if packed else edit(content))


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        ("train-images-idx3-ubyte", lambda c: c[:-1], "header says 20 x 28 x 28 = 15680 bytes, found 15679"),
        ("train-images-idx3-ubyte", lambda c: c + b"x", "found 15681"),
        ("train-images-idx3-ubyte", lambda c: c[:9], "9 bytes; the header"),
        (
            "train-images-idx3-ubyte",
            lambda c: b"\0\0\x0d\x03" + c[4:],
            "magic number 0x00000d03; expected 0x00000803",
        ),
        (
            "train-images-idx3-ubyte",
            lambda c: idx(np.zeros((20, 27, 28), np.uint8)),
            r"pictures of \(27, 28\)",
        ),
        ("train-labels-idx1-ubyte.gz", lambda c: idx(np.zeros(19, np.uint8)), "19 labels for 20 pictures"),
        ("train-labels-idx1-ubyte.gz", lambda c: c[:-1] + b"\x0a", "label 10 at index 19"),
        ("t10k-labels-idx1-ubyte.gz", lambda c: b"", "0 bytes"),
    ],
)
def test_damaged_files_are_named_with_what_was_found(folder, name, edit, said):
    change(folder, name, edit)
    with pytest.raises(DataError, match=said) as caught:
        opened(folder)
    assert name in caught.value.message


@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: c[:12] + b"\xff\xff" + c[14:]])
def test_damaged_gzip_is_named(folder, damage):
    file = folder / "train-labels-idx1-ubyte.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz: cannot be read"):
        opened(folder)


def test_absent_data_says_how_to_get_it(folder):
    (folder / "t10k-images-idx3-ubyte").unlink()
    for place in (folder, folder / "gone"):
        with pytest.raises(UsageError) as caught:
            opened(place)
        assert "apt-get install dataset-fashion-mnist" in caught.value.hint


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_real_set_has_its_published_counts():
    records = build(DatasetRequest(None, NoOptions()))
    counts = Counter((record.split, record.target) for record in records.items)
    assert counts == {**{("train", c): 6000 for c in CLASSES}, **{("test", c): 1000 for c in CLASSES}}
    pixels = np.stack([record.payload for record in records.items if record.split == "train"])
    share = np.bincount(pixels.ravel(), minlength=256) / pixels.size
    grey = np.arange(256) / 255
    mean = share @ grey
    assert mean == pytest.approx(0.2860, abs=1e-4)  # as published for normalisation
    assert np.sqrt(share @ grey**2 - mean**2) == pytest.approx(0.3530, abs=1e-4)
