import hashlib
import os

import numpy as np
import pytest

from headstart.data.hashing import content_hash, written_target
from headstart.errors import DataError
from headstart.specs import Stored


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
    for payload in (tmp_path / "gone", tmp_path, tmp_path / "pipe", object(), {1: "a"}, ("a", {2})):
        with pytest.raises(DataError, match="sample 1"):
            content_hash(payload, "sample 1")


def test_several_in_one_are_told_apart_from_each_other_and_from_their_parts():
    array = np.zeros(2)
    payloads = [
        *("ab", b"a,b", ("ab",), ("a", "b"), ("b", "a"), ("a", ("b",)), (("a", "b"),), ("a", b"b")),
        *(
            (),
            {},
            None,
            (None,),
            ("None",),
            (1,),
            (1.0,),
            (True,),
            ("1",),
            (array,),
            (array, array),
            (array.tobytes(),),
        ),
        *({"a": "b"}, {"b": "a"}, {"a": ("b",)}, (("a", "b"), ()), {"x": "a", "y": "b"}, 1, 1.0, 2),
    ]
    assert len({content_hash(payload, "x") for payload in payloads}) == len(payloads)


def test_the_order_of_names_and_the_file_that_holds_a_content_do_not_matter(tmp_path):
    assert content_hash({"x": "a", "y": "b"}, "x") == content_hash({"y": "b", "x": "a"}, "x")
    assert content_hash(("a", 1), "x") == content_hash(["a", np.int64(1)], "x")
    (tmp_path / "file").write_bytes(b"content")
    assert content_hash((tmp_path / "file", "text"), "x") == content_hash((b"content", "text"), "x")
    (tmp_path / "file").write_bytes(b"another")
    assert content_hash((tmp_path / "file", "text"), "x") != content_hash((b"content", "text"), "x")


def test_stored_bytes_have_the_hash_of_the_same_bytes_by_themselves_and_among_several():
    stored = Stored("a.zip/1.png", lambda: b"content")
    assert content_hash(stored, "x") == content_hash(b"content", "x")
    assert content_hash((stored, "text"), "x") == content_hash((b"content", "text"), "x")
    assert content_hash({"left": stored}, "x") == content_hash({"left": b"content"}, "x")


def test_a_part_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match="sample 1, left: cannot be read"):
        content_hash({"left": tmp_path / "gone", "right": "a"}, "sample 1")


def test_targets_are_written_as_text_or_as_the_hash_of_their_content(tmp_path):
    (tmp_path / "mask").write_bytes(b"mask")
    assert [written_target(target, "x") for target in ("cat", "", None)] == ["cat", "", ""]
    assert written_target(tmp_path / "mask", "x") == "sha256:" + hashlib.sha256(b"mask").hexdigest()
    assert written_target((1, 2), "x") == "sha256:" + content_hash((1, 2), "x")
