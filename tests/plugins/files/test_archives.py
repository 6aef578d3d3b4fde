"""Archives as hostile, damaged or odd as people have them; the plain ones are cases."""

import io
import shutil
import stat
import tarfile
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from headstart.data import prepared
from headstart.data.hashing import content_hash
from headstart.data.targets import build_target_kind
from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, InputRequest, Stored
from headstart_plugins.files import FolderOptions, resolve_dataset
from headstart_plugins.files import _archive as archives
from headstart_plugins.files._folder import build
from headstart_plugins.files._inside import LARGEST_MEMBER
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build as build_kind

KINDS = {"zip": "zip", "tar": "tar", "tar.gz": "gztar", "tar.bz2": "bztar", "tar.xz": "xztar"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of 24 PNG files of two classes."""
    folder = tmp_path_factory.mktemp("made") / "photos"
    generator = np.random.default_rng(0)
    for index in range(24):
        file = folder / ("cat", "dog")[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (20, 30, 3), np.uint8)).save(file)
    return folder


def opened(path, *, labelled=True, **options):
    return build(DatasetRequest(str(path), FolderOptions(**options), labelled=labelled))


def zipped(path, members, change=lambda infos: None, compression=zipfile.ZIP_DEFLATED):
    """A zip of {name: content}; `change` is given the headers before they are written at its end."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        change(archive.infolist())
    return path


def tarred(path, members):
    """A tar of [(name, content, a type of tarfile)]."""
    with tarfile.open(path, "w") as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "cat/1.png"
            archive.addfile(info, io.BytesIO(content))
    return path


def payloads(path, **options):
    return {record.key: record.payload for record in opened(path, **options).items}


@pytest.mark.parametrize("suffix", KINDS)
def test_an_archive_is_prepared_as_the_folder_that_it_was_made_of(photos, tmp_path, suffix):
    shutil.make_archive(str(tmp_path / "photos"), KINDS[suffix], photos.parent, photos.name)
    archive = tmp_path / f"photos.{suffix}"
    before = archive.read_bytes(), archive.stat().st_mtime_ns
    kind, targets = (
        build_kind(InputRequest({"size": [32, 32]}, ImageOptions())),
        build_target_kind(load_registry(), "class"),
    )
    own, packed = (prepared.prepare(opened(path), kind, targets) for path in (photos, archive))
    assert packed.split == own.split
    np.testing.assert_array_equal(packed.tensors["image"], own.tensors["image"])
    assert own.tensors["image"].std() > 1
    assert (archive.read_bytes(), archive.stat().st_mtime_ns) == before
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


def test_a_compressed_tar_leaves_no_file_behind(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    archive = shutil.make_archive(str(tmp_path / "photos"), "gztar", photos)
    records = opened(archive)
    assert [*(tmp_path / "cache").iterdir()] == []
    assert records.items[0].payload.read() == (photos / records.items[0].key).read_bytes()


def test_a_compressed_tar_is_read_though_the_cache_cannot_be_made(photos, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "file" / "cache"))
    archive = shutil.make_archive(str(tmp_path / "photos"), "gztar", photos)
    assert len(opened(archive).items) == 24


def test_a_compressed_tar_that_would_fill_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000_000))
    shutil.make_archive(str(tmp_path / "zeros"), "gztar", tarred_zeros(tmp_path / "zeros"))
    with pytest.raises(DataError, match=r"decompressed it takes more than half of what .* has") as caught:
        opened(tmp_path / "zeros.tar.gz")
    assert "HEADSTART_CACHE" in caught.value.hint


def tarred_zeros(folder):
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "1.png").write_bytes(bytes(2_000_000))
    return folder


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_members_are_read_by_several_threads_at_once(tmp_path, suffix):
    generator = np.random.default_rng(0)
    names = [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(40)]
    contents = {name: generator.integers(0, 8, 20_000, np.uint8).tobytes() for name in names}
    path = tmp_path / f"a.{suffix}"
    if suffix == "zip":
        zipped(path, contents)
    else:
        tarred(path, [(name, content, tarfile.REGTYPE) for name, content in contents.items()])
    found = payloads(path)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert dict(zip(found, pool.map(lambda each: each.read(), found.values()), strict=True)) == contents


@pytest.mark.parametrize(
    "name", ["../1.png", "cat/../../1.png", "/etc/1.png", "C:/cat/1.png", "C:\\cat\\1.png", "\\1.png"]
)
@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_a_name_that_leads_out_of_the_archive_is_refused(tmp_path, name, suffix):
    path = tmp_path / f"a.{suffix}"
    members = {"cat/1.png": b"1", name: b"2"}
    if suffix == "zip":
        zipped(path, members)
    else:
        tarred(path, [(each, content, tarfile.REGTYPE) for each, content in members.items()])
    with pytest.raises(DataError, match="leads out of the archive") as caught:
        opened(path)
    assert repr(name) in caught.value.message


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/1.png", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("cat/1.png", "2")
    tarred(tmp_path / "a.tar", [("cat/1.png", b"1", tarfile.REGTYPE), ("./cat/1.png", b"2", tarfile.REGTYPE)])
    for path in (tmp_path / "a.zip", tmp_path / "a.tar"):
        with pytest.raises(DataError, match=r"cat/1\.png is in it twice"):
            opened(path)


def test_links_and_what_is_no_plain_file_are_left_out_by_name(tmp_path):
    def link(infos):
        infos[1].external_attr = (stat.S_IFLNK | 0o777) << 16

    zipped(tmp_path / "a.zip", {"cat/1.png": b"1", "cat/2.png": "1.png", "dog/3.png": b"3"}, link)
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
    odd = [(f"cat/odd{number}.png", b"", kind) for number, kind in enumerate(kinds)]
    plain = [("cat/1.png", b"1", tarfile.REGTYPE), ("dog/3.png", b"3", tarfile.REGTYPE)]
    tarred(tmp_path / "a.tar", [*plain, *odd])
    for path, reasons in (("a.zip", ["a link"]), ("a.tar", ["a link", "a link", "no plain file", "no plain file"])):
        records = opened(tmp_path / path)
        assert [record.key for record in records.items] == ["cat/1.png", "dog/3.png"]
        assert [each.reason for each in records.skipped] == reasons
        assert all("a." in each.where and "/cat/" in each.where for each in records.skipped)


def test_an_encrypted_picture_is_refused_at_once(tmp_path):
    def encrypt(infos):
        infos[1].flag_bits |= 0x1

    path = zipped(tmp_path / "a.zip", {"cat/1.png": b"1", "dog/2.png": b"2"}, encrypt)
    with pytest.raises(DataError, match=r"a\.zip: dog/2\.png is encrypted") as caught:
        opened(path)
    assert "password" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "compression", "said"),
    [
        ({"file_size": LARGEST_MEMBER + 1}, zipfile.ZIP_DEFLATED, "declares 268,435,457 bytes; expected"),
        ({"file_size": 2_000}, zipfile.ZIP_DEFLATED, "holds 1,000 bytes and declares 2,000"),
        ({"file_size": 500}, zipfile.ZIP_DEFLATED, "damaged in the archive: Bad CRC-32"),
        ({"CRC": 1}, zipfile.ZIP_STORED, "damaged in the archive: Bad CRC-32"),
        ({"header_offset": 5}, zipfile.ZIP_STORED, "damaged in the archive: Bad magic number"),
        ({}, zipfile.ZIP_BZIP2, "packed by method 12; expected 0 or 8"),
        ({}, zipfile.ZIP_LZMA, "packed by method 14; expected 0 or 8"),
    ],
)
def test_a_member_that_is_not_what_it_declares_is_an_unreadable_sample(tmp_path, change, compression, said):
    def lie(infos):
        for name, value in change.items():
            setattr(infos[1], name, value)

    path = zipped(tmp_path / "a.zip", {"cat/1.png": b"1", "dog/2.png": bytes(1_000)}, lie, compression)
    found = payloads(path)["dog/2.png"]
    with pytest.raises(DataError) as caught:
        found.read()
    assert caught.value.message.startswith(f"{path}/dog/2.png: {said}")


def test_a_bomb_takes_no_more_memory_than_it_declares(tmp_path):
    def lie(infos):
        infos[0].file_size = 500

    path = zipped(tmp_path / "a.zip", {"cat/1.png": bytes(200_000_000)}, lie)
    assert path.stat().st_size < 300_000
    found = payloads(path)["cat/1.png"]
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="Bad CRC-32"):
            found.read()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_tar_that_is_cut_off_is_refused_and_one_without_its_end_is_told(tmp_path):
    members = [(f"{label}/1.png", bytes(range(200)) * 9, tarfile.REGTYPE) for label in ("cat", "dog", "owl")]
    whole = tarred(tmp_path / "whole.tar", members).read_bytes()
    assert opened(tmp_path / "whole.tar").findings == ()
    member = 512 + 2048  # its header, and 1,800 bytes in blocks of 512
    for length in (2 * member + 100, 2 * member + 700):
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.tar: no readable tar archive"):
            opened(tmp_path / "cut.tar")
    (tmp_path / "bent.tar").write_bytes(whole[:member] + b"x" * 512 + whole[member + 512 :])
    with pytest.raises(DataError, match=r"bent\.tar: no readable tar archive beyond byte 2,560"):
        opened(tmp_path / "bent.tar")
    (tmp_path / "endless.tar").write_bytes(whole[: 2 * member])
    (finding,) = opened(tmp_path / "endless.tar").findings
    assert finding.level == "warning"
    assert "endless.tar has no mark at its end and may be cut off" in finding.message


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_an_archive_that_changes_while_it_is_read_is_an_error(photos, tmp_path, suffix):
    path = tmp_path / f"photos.{suffix}"
    shutil.make_archive(str(tmp_path / "photos"), suffix, photos)
    found = payloads(path)["cat/0.png"]
    assert found.read() == (photos / "cat" / "0.png").read_bytes()
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match=f"photos.{suffix} has changed while it was read"):
        found.read()


def test_backslashes_of_tools_for_windows_separate_folders(tmp_path):
    def of_windows(infos):
        for info in infos:
            info.create_system = 0

    path = zipped(tmp_path / "a.zip", {"cat\\1.png": b"1", "dog\\2.png": b"2"}, of_windows)
    assert [*payloads(path)] == ["cat/1.png", "dog/2.png"]


def test_without_labels_every_picture_counts_whatever_the_folders(tmp_path):
    path = zipped(tmp_path / "a.zip", {"1.png": b"1", "new/2.png": b"2", "new/about.txt": b"3"})
    records = opened(path, labelled=False)
    assert [(record.key, record.target) for record in records.items] == [("1.png", None), ("new/2.png", None)]
    with pytest.raises(DataError, match=r"b\.zip: no pictures"):
        opened(zipped(tmp_path / "b.zip", {"a.txt": b""}), labelled=False)


def test_a_stored_picture_has_the_hash_of_its_file_and_names_its_place(photos, tmp_path):
    shutil.make_archive(str(tmp_path / "photos"), "zip", photos)
    found = payloads(tmp_path / "photos.zip")["cat/0.png"]
    assert isinstance(found, Stored)
    assert str(found) == f"{tmp_path}/photos.zip/cat/0.png"
    assert content_hash(found, "x") == content_hash(photos / "cat" / "0.png", "x")


def test_archives_are_known_by_their_endings(tmp_path):
    names = ["a.zip", "a.ZIP", "a.tar", "a.tar.gz", "a.b.tgz", "a.tar.bz2", "a.txz"]
    for name in (*names, "a.gz", "a.7z"):
        (tmp_path / name).touch()
    assert {resolve_dataset(str(tmp_path / name), None) for name in names} == {"files/image_folder"}
    assert [resolve_dataset(str(tmp_path / name), None) for name in ("a.gz", "a.7z", "gone.zip")] == [None, None, None]
