"""Whatever differs from what was written is found and named, and nothing is followed out of the folder."""

import json
import os

import pytest

from headstart.errors import DataError, PluginError
from headstart.manifest import LARGEST_MANIFEST, read_manifest, write_manifest

SCHEMA = "test/1"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "artefact"
    (place / "assets").mkdir(parents=True)
    (place / "assets" / "words.txt").write_bytes(b"some words\n")
    (place / "weights.bin").write_bytes(bytes(range(50)))
    write_manifest(place, schema=SCHEMA, facts={"step": 3})
    return place


def refused(folder, words, error=DataError):
    with pytest.raises(error, match=words) as caught:
        read_manifest(folder, schema=SCHEMA)
    return caught.value


def test_an_unaltered_folder_reads(folder):
    assert read_manifest(folder, schema=SCHEMA)["step"] == 3


@pytest.mark.parametrize("name", ["weights.bin", "assets/words.txt"])
def test_every_flipped_bit_is_found(folder, name):
    original = (folder / name).read_bytes()
    for place in range(len(original)):
        for bit in (0, 3, 7):
            flipped = bytearray(original)
            flipped[place] ^= 1 << bit
            (folder / name).write_bytes(flipped)
            refused(folder, f"{name} was altered")


def test_every_flipped_bit_of_the_manifest_is_found(folder):
    """Those of the facts, too, which no file depends on: a checkpoint's step is one."""
    path = folder / "manifest.json"
    original = path.read_bytes()
    for place in range(len(original)):
        for bit in (0, 2, 5, 7):
            flipped = bytearray(original)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            with pytest.raises((DataError, PluginError)):
                read_manifest(folder, schema=SCHEMA)
    path.write_bytes(original)
    read_manifest(folder, schema=SCHEMA)


def test_without_its_seal_a_flipped_bit_of_the_facts_is_not_found(folder):
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    del document["sha256"]
    path.write_text(json.dumps({**document, "step": 2}))
    assert read_manifest(folder, schema=SCHEMA)["step"] == 2


def test_a_manifest_of_the_first_versions_which_had_no_seal_reads(folder):
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    assert list(document)[-2:] == ["files", "sha256"]
    del document["sha256"]
    path.write_text(json.dumps(document, indent=2) + "\n")
    assert read_manifest(folder, schema=SCHEMA) == document


@pytest.mark.parametrize("change", [b"", b"x"])
def test_a_shorter_or_longer_file_is_named_with_both_sizes(folder, change):
    (folder / "weights.bin").write_bytes(change + bytes(range(50)) + change if change else bytes(49))
    refused(folder, r"weights\.bin has \d+ bytes; its manifest says 50")


def test_files_more_or_fewer_are_named(folder):
    (folder / "extra.py").write_text("print()")
    refused(folder, r"does not match its manifest: extra\.py")
    (folder / "extra.py").unlink()
    (folder / "weights.bin").unlink()
    refused(folder, r"does not match its manifest: weights\.bin")


def test_links_are_refused_though_their_target_has_the_right_bytes(folder, tmp_path):
    outside = tmp_path / "outside.bin"
    (folder / "weights.bin").rename(outside)
    (folder / "weights.bin").symlink_to(outside)
    refused(folder, r"weights\.bin is a link")


def test_a_linked_folder_is_refused(folder, tmp_path):
    (folder / "assets").rename(tmp_path / "assets")
    (folder / "assets").symlink_to(tmp_path / "assets")
    refused(folder, "does not match its manifest: assets")


def test_a_linked_manifest_is_refused(folder, tmp_path):
    (folder / "manifest.json").rename(tmp_path / "manifest.json")
    (folder / "manifest.json").symlink_to(tmp_path / "manifest.json")
    refused(folder, r"manifest\.json is a link")


@pytest.mark.parametrize("name", ["weights.bin", "manifest.json"])
def test_a_pipe_is_refused_and_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refused(folder, "no regular file")


def test_paths_out_of_the_folder_are_refused(folder, tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["files"]["../secret"] = {"size": 1, "sha256": "0" * 64}
    path.write_text(json.dumps(document))
    refused(folder, r"\.\./secret")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no readable manifest"),
        (b"\xff\xfe", "no readable manifest"),
        (b"[]", "not a manifest"),
        (b'{"files": []}', "not a manifest"),
        (b"[" * 200_000, "no readable manifest"),
        (b" " * (LARGEST_MANIFEST + 1), "larger than any manifest"),
        (
            b'{"schema": "test/1", "files": {"weights.bin": 1, "assets/words.txt": 1}}',
            "entry is not an object",
        ),
    ],
)
def test_a_manifest_that_is_none_is_refused(folder, content, words):
    (folder / "manifest.json").write_bytes(content)
    refused(folder, words)


def test_no_manifest_is_said(folder):
    (folder / "manifest.json").unlink()
    refused(folder, "no readable manifest")


def test_another_schema_is_another_version_of_ours(folder):
    write_manifest(folder, schema="test/2", facts={})
    error = refused(folder, "has schema 'test/2'; this version reads 'test/1'", PluginError)
    assert error.exit_code == 5
