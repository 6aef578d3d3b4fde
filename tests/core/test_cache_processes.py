"""The cache with several processes at it, one of them killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from headstart.cache import Cache

SCRIPT = Path(__file__).with_name("cache_processes.py")


def start(what, root, seed=0):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), what, str(root), str(seed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output


def age(folder, hours):
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - hours * 3600,) * 2)


def test_four_processes_read_write_and_remove_and_nobody_meets_a_half_entry(tmp_path):
    root = tmp_path / "cache"
    done = [json.loads(ended(process)) for process in [start("race", root, seed) for seed in range(4)]]
    assert all(sum(each[name] for each in done) > 20 for name in ("read", "added", "removed")), done

    cache = Cache(root, 10**9)
    assert cache.leftovers() == []
    for entry in cache.entries():
        kind, number = (entry.path / "parts" / "names.txt").read_text().split()
        assert kind == entry.kind
        assert cache.get(kind, {"number": int(number)}) == entry.path


def test_two_that_write_the_same_share_one_entry(tmp_path):
    root = tmp_path / "cache"
    both = [start("meet", root, seed) for seed in range(2)]
    for seed in range(2):
        while not (tmp_path / f"ready{seed}").exists():
            assert all(process.poll() is None for process in both)
            time.sleep(0.005)
    (tmp_path / "go").touch()

    assert len({ended(process) for process in both}) == 1
    assert len(Cache(root, 10**9).entries()) == 1
    assert Cache(root, 10**9).leftovers() == []


def test_a_killed_writer_leaves_nothing_that_is_read_and_its_part_goes_after_a_day(tmp_path):
    process = start("stall", tmp_path)
    assert process.stdout.readline() == "writing\n"
    process.kill()
    process.communicate()

    cache = Cache(tmp_path, 10**9)
    assert cache.get("features", {"number": 0}) is None
    assert cache.entries() == []
    (part,) = cache.leftovers()
    assert cache.size() == part.size == 100
    assert cache.prune(0) == []  # a living process could be writing it

    age(part.path, hours=25)
    assert [entry.path for entry in cache.prune()] == [part.path]
    assert list((tmp_path / "features").iterdir()) == []


def test_a_part_that_is_written_to_for_days_stays(tmp_path):
    process = start("stall", tmp_path)
    assert process.stdout.readline() == "writing\n"
    process.kill()
    process.communicate()

    cache = Cache(tmp_path, 10**9)
    (part,) = cache.leftovers()
    age(part.path, hours=25)
    (part.path / "numbers.bin").write_bytes(b"more")

    assert cache.prune() == []


def test_another_process_finds_the_flipped_bit(tmp_path):
    def fill(folder):
        (folder / "numbers.bin").write_bytes(bytes(5000))

    folder = Cache(tmp_path, 10**9).add("features", {"number": 0}, fill)
    assert ended(start("read", tmp_path)) == f"{folder}\n"
    changed = bytearray(5000)
    changed[4321] ^= 16
    (folder / "numbers.bin").write_bytes(changed)

    told, found = ended(start("read", tmp_path)).splitlines()
    assert "damaged cache entry is removed" in told
    assert "numbers.bin was altered" in told
    assert found == "None"
    assert not folder.exists()
