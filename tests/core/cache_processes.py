"""What the tests of the cache run in processes of their own: `python cache_processes.py WHAT ROOT SEED`."""

import hashlib
import json
import mmap
import random
import sys
import time
from pathlib import Path

from headstart.cache import Cache

KINDS = ("features", "graphs")
KEYS = 4


def content(kind, number):
    """8 KB that only this kind and number have."""
    return hashlib.shake_256(f"{kind} {number}".encode()).digest(8192)


def fill_with(kind, number):
    def fill(folder):
        (folder / "parts").mkdir()
        (folder / "numbers.bin").write_bytes(content(kind, number))
        (folder / "parts" / "names.txt").write_text(f"{kind} {number}")

    return fill


def look(folder, kind, number):
    """Whether the folder was still there; what is read from it is what was written, mapped or not."""
    try:
        with open(folder / "numbers.bin", "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        return False
    time.sleep(0.0005)  # others remove it meanwhile
    assert mapped[:] == content(kind, number)
    return True


def race(root, seed):
    """Everything at once; prints how often an entry was read, gone before that, added and removed, as JSON."""
    told = []
    cache = Cache(root, 4 * 8800, told.append)
    draw = random.Random(seed)
    done = dict.fromkeys(("read", "vanished", "added", "removed"), 0)
    for _ in range(120):
        kind, number = draw.choice(KINDS), draw.randrange(KEYS)
        action = draw.random()
        if action < 0.05:
            done["removed"] += len(cache.clear(kind))
        elif action < 0.15:
            done["removed"] += len(cache.prune(2 * 8800))
        elif folder := cache.get(kind, {"number": number}):
            done["read" if look(folder, kind, number) else "vanished"] += 1
        else:
            look(cache.add(kind, {"number": number}, fill_with(kind, number)), kind, number)
            done["added"] += 1
    assert told == []
    print(json.dumps(done))


def stall(root, seed):
    """Write a part of an entry, say so, and never end."""

    def fill(folder):
        (folder / "numbers.bin").write_bytes(content("features", 0)[:100])
        print("writing", flush=True)
        time.sleep(600)

    Cache(root, 10**9).add("features", {"number": 0}, fill)


def meet(root, seed):
    """Write the same as another process at the same time: both start once the file `go` is there."""
    cache = Cache(root, 10**9)

    def fill(folder):
        fill_with("features", 7)(folder)
        (root.parent / f"ready{seed}").touch()
        while not (root.parent / "go").exists():
            time.sleep(0.001)

    folder = cache.add("features", {"number": 7}, fill)
    assert look(folder, "features", 7)
    print(folder)


def read(root, seed):
    """Print the folder of number 0, and what is told on the way."""
    print(Cache(root, 10**9, print).get("features", {"number": 0}))


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
