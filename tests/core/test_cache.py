"""The cache in one process: what is found, verified, kept within the limit, and never touched."""

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
import time

import pytest

from headstart.cache import Cache, open_cache, parse_size
from headstart.errors import DataError, HeadstartError, UsageError
from headstart.manifest import LARGEST_MANIFEST, sha256, write_manifest

BYTES = 1000


@pytest.fixture
def told():
    return []


@pytest.fixture
def cache(tmp_path, told):
    return Cache(tmp_path / "cache", 10**9, told.append)


def fill(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "x.bin").write_bytes(os.urandom(BYTES))


def added(cache, number, hours=0.0, kind="features"):
    """The entry of `number`, last used `hours` ago."""
    folder = cache.add(kind, {"number": number}, fill, {"rows": number})
    os.utime(folder, (time.time() - hours * 3600,) * 2)
    return folder


def numbers(entries):
    return [entry.facts["rows"] for entry in entries]


def test_what_was_added_is_found_by_its_key_in_any_order(cache):
    folder = cache.add("features", {"a": 1, "b": [1, {"c": None}]}, fill, {"rows": 3})

    assert cache.get("features", {"b": [1, {"c": None}], "a": 1}) == folder
    assert cache.get("features", {"a": 1, "b": [1, {"c": 0}]}) is None
    assert cache.get("graphs", {"a": 1, "b": [1, {"c": None}]}) is None
    (entry,) = cache.entries()
    canonical = b'{"a":1,"b":[1,{"c":null}]}'
    assert entry.facts == {"rows": 3, "key": hashlib.sha256(canonical).hexdigest()}
    assert entry.size == BYTES + (folder / "manifest.json").stat().st_size
    assert (entry.kind, entry.path, entry.name) == ("features", folder, f"features/{folder.name}")


def test_a_key_may_be_larger_than_any_manifest(cache, told):
    key = {"vocabulary": [f"word-{number:06d}" for number in range(120_000)]}
    assert len(json.dumps(key)) > LARGEST_MANIFEST
    folder = cache.add("samples", key, fill)
    assert cache.get("samples", key) == folder
    assert cache.get("samples", {"vocabulary": [*key["vocabulary"], "more"]}) is None
    assert told == []


def test_the_digest_is_the_start_of_the_sha256_of_the_canonical_key(cache):
    done = subprocess.run(["sha256sum"], input=b'{"a":"\\u00e9","b":2}', capture_output=True, check=True)
    folder = cache.add("features", {"b": 2, "a": "é"}, fill)
    assert folder.name == done.stdout.decode()[:32]


def test_an_entry_that_is_there_is_not_computed_again(cache):
    folder = added(cache, 1)
    assert cache.add("features", {"number": 1}, lambda folder: pytest.fail("computed again")) == folder


@pytest.mark.parametrize("kind", ["../out", "", "Features", "a/b", "jax", ".hidden"])
def test_a_kind_that_is_no_folder_of_ours_is_a_mistake_in_the_program(cache, kind):
    with pytest.raises(ValueError, match="cannot be a kind"):
        cache.get(kind, {})


def flip(folder):
    path = folder / "deep" / "x.bin"
    content = bytearray(path.read_bytes())
    content[BYTES // 2] ^= 1
    path.write_bytes(content)


def test_every_byte_is_read_once_and_a_later_write_is_still_noticed(cache, told, monkeypatch):
    read = []
    folder = added(cache, 1)
    monkeypatch.setattr("headstart.manifest.sha256", lambda path: read.append(path.name) or sha256(path))
    for _ in range(3):
        assert cache.get("features", {"number": 1}) == folder
    assert read == ["x.bin"]

    time.sleep(0.02)  # file systems tell times apart by some milliseconds
    flip(folder)
    assert cache.get("features", {"number": 1}) is None
    assert "x.bin was altered" in told[0]
    assert cache.entries() == cache.leftovers() == []


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda folder: (folder / "deep" / "x.bin").write_bytes(b""),
        lambda folder: (folder / "deep" / "x.bin").unlink(),
        lambda folder: (folder / "more").touch(),
        lambda folder: (folder / "manifest.json").write_bytes(b"[" * 5000),
        lambda folder: (folder / "manifest.json").unlink(),
    ],
    ids=["bit", "short", "absent", "more", "manifest", "no manifest"],
)
def test_a_damaged_entry_is_removed_told_and_can_be_written_again(cache, told, damage):
    folder = added(cache, 1)
    damage(folder)
    assert cache.get("features", {"number": 1}) is None
    assert len(told) == 1
    assert str(folder) in told[0]
    assert list(folder.parent.iterdir()) == []
    assert added(cache, 1) == folder
    assert cache.get("features", {"number": 1}) == folder


def test_an_entry_of_another_version_is_replaced(cache, told):
    folder = added(cache, 1)
    (folder / "manifest.json").unlink()
    write_manifest(folder, schema="cache/9", facts={})
    assert cache.get("features", {"number": 1}) is None
    assert "this version reads 'cache/1'" in told[0]


def test_a_folder_that_vanishes_while_it_is_verified_is_just_not_there(cache, told, monkeypatch):
    folder = added(cache, 1)

    def vanishing(path):
        cache.clear()
        raise FileNotFoundError(errno.ENOENT, "No such file", str(path))

    monkeypatch.setattr("headstart.manifest.sha256", vanishing)
    assert cache.get("features", {"number": 1}) is None
    assert told == []
    assert not folder.exists()


def test_an_entry_that_is_replaced_while_it_is_verified_is_read_again_and_stays(cache, told, monkeypatch):
    folder = added(cache, 1)

    def replacing(path):
        monkeypatch.undo()
        before = sha256(path)
        cache.clear()
        added(cache, 1)
        return before

    old = (folder / "manifest.json").read_bytes()
    monkeypatch.setattr("headstart.manifest.sha256", lambda path: replacing(path)[::-1])
    assert cache.get("features", {"number": 1}) == folder
    assert told == []
    assert (folder / "manifest.json").read_bytes() != old


def test_the_least_recently_used_go_first_and_a_read_counts_as_use(cache):
    for number, hours in enumerate((1, 5, 2, 4, 3)):
        added(cache, number, hours)
    cache.get("features", {"number": 1})
    assert numbers(cache.entries()) == [1, 0, 2, 4, 3]

    one = cache.entries()[0].size
    assert numbers(cache.prune(3 * one)) == [3, 4]
    assert numbers(cache.prune(3 * one)) == []
    assert numbers(cache.prune(3 * one - 1)) == [2]
    assert numbers(cache.prune(0)) == [0, 1]
    assert cache.size() == 0


def test_adding_keeps_within_the_limit_and_never_removes_what_was_just_added(tmp_path):
    cache = Cache(tmp_path, 3 * 1450)
    for number in range(5):
        added(cache, number, hours=9 - number)
    assert numbers(cache.entries()) == [4, 3, 2]

    tight = Cache(tmp_path, 10)
    tight.add("graphs", {"number": 9}, fill, {"rows": 9})
    assert numbers(tight.entries()) == [9]


@pytest.mark.parametrize("error", [DataError("bad row"), HeadstartError("engine"), KeyboardInterrupt(), ValueError()])
def test_what_computing_raises_passes_through_and_leaves_nothing(cache, error):
    def broken(folder):
        fill(folder)
        raise error

    with pytest.raises(type(error)) as caught:
        cache.add("features", {}, broken)
    assert caught.value is error
    assert cache.size() == 0


def test_a_full_disk_is_said_with_what_to_do(cache):
    def overflowing(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(HeadstartError, match="No space left") as caught:
        cache.add("features", {}, overflowing)
    assert type(caught.value) is HeadstartError
    assert "HEADSTART_CACHE" in caught.value.hint
    assert "headstart cache prune" in caught.value.hint


def test_a_root_that_is_a_file_is_said(tmp_path):
    (tmp_path / "file").write_text("mine")
    cache = Cache(tmp_path / "file", 10**9)
    assert cache.get("features", {}) is None
    with pytest.raises(HeadstartError, match=r"cannot write .*: \S+/file is no folder$"):
        cache.add("features", {}, fill)
    for call in (cache.entries, cache.size, cache.prune, cache.clear):
        with pytest.raises(HeadstartError, match=r"cannot read the cache .*Not a directory"):
            call()
    assert (tmp_path / "file").read_text() == "mine"


def test_a_root_that_may_not_be_written_is_read_and_said(cache, told):
    folder = added(cache, 1)
    mode = stat.S_IMODE(folder.parent.stat().st_mode)
    folder.parent.chmod(0o500)
    try:
        if os.access(folder.parent, os.W_OK):
            pytest.skip("this user may write anywhere")
        assert cache.get("features", {"number": 1}) == folder
        with pytest.raises(HeadstartError, match=r"cannot write .*Permission denied"):
            added(cache, 2)
        with pytest.raises(HeadstartError, match=r"cannot remove .*Permission denied"):
            cache.clear()
    finally:
        folder.parent.chmod(mode)


def test_what_may_not_be_removed_is_told_and_fails_no_run(tmp_path, told, monkeypatch):
    cache = Cache(tmp_path, 1350, told.append)
    folder = added(cache, 1)
    real = os.rename

    def refused(old, new):
        if str(new).endswith(".removed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        real(old, new)

    monkeypatch.setattr(os, "rename", refused)
    assert added(cache, 2).exists()
    assert told == [f"cannot remove {folder}: Permission denied"]

    flip(folder)
    assert cache.get("features", {"number": 1}) is None
    with pytest.raises(HeadstartError, match="something is in its place") as caught:
        added(cache, 1)
    assert "HEADSTART_CACHE" in caught.value.hint


def test_folders_and_files_of_others_are_neither_counted_nor_touched(cache):
    added(cache, 1)
    root, digest = cache.root, "0" * 32
    foreign = [
        root / "notes.txt",
        root / "pip" / digest / "wheel",
        root / "features" / digest,
        root / "features" / "mine" / "manifest.json",
        root / "features" / f".{digest}.swp" / "x",
        root / ".git" / digest / "manifest.json",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        os.utime(path, (0, 0))
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / digest).symlink_to(root / "features" / "mine")

    assert numbers(cache.prune(0)) == [1]
    assert cache.clear() == []
    assert cache.size() == 0
    assert all(path.read_text() == "mine" for path in foreign)
    assert (root / "elsewhere" / digest).is_symlink()


def test_compiled_programs_are_one_entry_that_only_clear_removes(cache):
    added(cache, 1)
    (cache.root / "jax" / "deep").mkdir(parents=True)
    (cache.root / "jax" / "deep" / "program").write_bytes(bytes(777))

    (entry,) = (entry for entry in cache.entries() if entry.kind == "jax")
    assert (entry.name, entry.size) == ("jax", 777)
    assert cache.sizes()["jax"] == 777
    assert numbers(cache.prune(0)) == [1]
    assert cache.clear("features") == []
    assert cache.clear("jax") == [entry]
    assert list((cache.root / "jax").iterdir()) == []
    assert cache.size() == 0


def test_one_kind_is_cleared_alone(cache):
    added(cache, 1)
    added(cache, 2, kind="graphs")
    assert numbers(cache.clear("graphs")) == [2]
    assert numbers(cache.clear()) == [1]
    assert cache.kinds() == ["features", "graphs"]


def test_what_a_killed_remover_has_left_goes_at_once(cache):
    folder = added(cache, 1)
    folder.rename(folder.with_name(f".{folder.name}.{'a' * 32}.removed"))
    assert cache.entries() == []
    assert len(cache.leftovers()) == 1
    assert len(cache.prune()) == 1
    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("0", 0), ("123", 123), ("20GB", 20 * 10**9), ("512MB", 512 * 10**6), ("1.5 gb", 1_500_000_000)),
        *(("7 B", 7), ("3k", 3000), ("2TB", 2 * 10**12), ("2GiB", 2 * 1024**3), (" 1KiB ", 1024)),
    ],
)
def test_sizes_are_read(text, expected):
    assert parse_size(text, "--limit") == expected


@pytest.mark.parametrize(
    "text", ["", "GB", "-1", "-2GB", "1,5GB", "20 apples", "1e9", "nan", "inf", "5iB", "٣GB", "1GBB"]
)
def test_nonsense_for_a_size_names_who_said_it(text):
    with pytest.raises(UsageError, match="--limit: ") as caught:
        parse_size(text, "--limit")
    assert "20GB" in caught.value.hint


def test_place_and_limit_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "here"))
    monkeypatch.setenv("HEADSTART_CACHE_LIMIT", "5MB")
    cache = open_cache()
    assert (cache.root, cache.limit) == (tmp_path / "here", 5_000_000)
    assert not cache.root.exists()

    monkeypatch.setenv("HEADSTART_CACHE_LIMIT", "much")
    with pytest.raises(UsageError, match="HEADSTART_CACHE_LIMIT: 'much'"):
        open_cache()
    monkeypatch.delenv("HEADSTART_CACHE_LIMIT")
    assert open_cache().limit == 20 * 10**9


def test_a_place_below_a_working_folder_that_is_gone_is_said_when_something_is_to_be_kept(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setenv("HEADSTART_CACHE", "mine")
    cache = open_cache()
    assert cache.get("features", {}) is None
    with pytest.raises(HeadstartError, match=r"^cannot write mine/\S+: the working folder is not there any more$"):
        cache.add("features", {}, lambda folder: None, {})


def test_importing_it_loads_the_standard_library_alone():
    script = (
        "import sys, json, headstart.cache; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ours = {"headstart", "sitecustomize"}
    loaded = {name for name in json.loads(done.stdout) if not name.startswith(("_", "distutils"))}
    assert loaded - set(sys.stdlib_module_names) - ours == set()
