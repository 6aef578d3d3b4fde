import hashlib
import os

import numpy as np
import pytest

from headstart.data.hashing import content_hash
from headstart.errors import DataError


def test_equal_contents_have_equal_hashes_whatever_they_are_called(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"content")
    expected = hashlib.sha256(b"content").hexdigest()
    assert content_hash(tmp_path / "a", "a") == content_hash(tmp_path / "b", "b") == expected
    assert content_hash(b"content", "c") == content_hash("content", "d") == expected


def test_arrays_differ_by_dtype_shape_and_elements_but_not_by_memory_order():
    zeros = np.zeros((2, 3), np.uint8)
    others = [zeros, zeros.reshape(3, 2), zeros.astype(np.int8), zeros + 1]
    assert len({content_hash(array, "x") for array in others}) == 4
    ramp = np.arange(6).reshape(2, 3)
    assert content_hash(ramp, "x") == content_hash(np.asfortranarray(ramp), "x")


def test_what_cannot_be_hashed_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for payload in (tmp_path / "gone", tmp_path, tmp_path / "pipe", 7):
        with pytest.raises(DataError, match="sample 1"):
            content_hash(payload, "sample 1")
