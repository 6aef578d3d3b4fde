"""`headstart cache` as a user meets it: its output and its exit code."""

import hashlib
import json
import os
import subprocess
import sys
import time
from datetime import datetime

import pytest

from headstart.cache import Cache

FACTS = {"backbone": "small/net", "cut": "pooled", "engine": "native"}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def cache(root, here):
    """Runs `headstart cache ...` on this test's own cache."""
    return lambda *arguments, **variables: here("cache", *arguments, HEADSTART_CACHE=str(root), **variables)


@pytest.fixture
def planted(root):
    """Three entries of features of 1, 2 and 3 kB, used 1, 2 and 3 hours ago, a graph of now, a compiled program."""
    cache = Cache(root, 10**9)

    def plant(kind, number, facts):
        def fill(folder):
            (folder / "x.bin").write_bytes(bytes(1000 * number))

        folder = cache.add(kind, {"number": number}, fill, facts)
        os.utime(folder, (time.time() - number * 3600,) * 2)
        return folder

    for number in (1, 2, 3):
        plant("features", number, {**FACTS, "rows": 1000 * number})
    plant("graphs", 0, None)
    (root / "jax").mkdir()
    (root / "jax" / "program").write_bytes(bytes(700))
    os.utime(root / "jax" / "program", (time.time() - 9 * 3600,) * 2)
    return cache


def names(done):
    assert done.returncode == 0, done.stderr
    return [row["name"].partition("/")[0] + str(row["facts"].get("rows", "")) for row in json.loads(done.stdout)]


def test_list_is_an_array_of_objects_with_names_newest_first(cache, planted):
    done = cache("list", "--json")
    assert names(done) == ["graphs", "features1000", "features2000", "features3000", "jax"]

    row = json.loads(done.stdout)[1]
    entry = planted.entries()[1]
    assert row["name"] == f"features/{entry.digest}"
    assert (row["kind"], row["bytes"], row["path"]) == ("features", entry.size, str(entry.path))
    assert abs(datetime.fromisoformat(row["used"]).timestamp() - entry.used) < 1
    assert row["what"] == "backbone small/net, cut pooled, engine native, rows 1,000"
    assert row["facts"]["key"] == hashlib.sha256(b'{"number":1}').hexdigest()


def test_list_for_people_says_what_each_is(cache, planted):
    lines = [line.split() for line in cache("list").stdout.splitlines() if line.strip()]
    assert lines[2][:3] == ["graphs", "key", hashlib.sha256(b'{"number":0}').hexdigest()]
    assert " ".join(lines[3][:9]) == "features backbone small/net, cut pooled, engine native, rows 1,000"
    assert lines[6][:5] == ["jax", "compiled", "programs", "700", "bytes"]


def test_size_by_kind_in_all_and_where(cache, planted, root):
    document = json.loads(cache("size", "--json", HEADSTART_CACHE_LIMIT="512MB").stdout)
    kinds = {row["name"]: row["bytes"] for row in document["kinds"]}
    on_disk = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    assert (document["path"], document["limit"], document["leftovers"]) == (str(root), 512_000_000, 0)
    assert kinds["jax"] == 700
    assert document["bytes"] == sum(kinds.values()) == on_disk

    text = cache("size").stdout
    assert [line.split()[0] for line in text.splitlines()[3:7]] == ["features", "jax", "graphs", "total"]
    assert f"at {root}, limit 20 GB" in text


def test_size_shows_what_killed_writers_left(cache, root):
    part = root / "features" / f".{'a' * 32}.{'b' * 32}"
    part.mkdir(parents=True)
    (part / "x.bin").write_bytes(bytes(5000))
    document = json.loads(cache("size", "--json").stdout)
    assert (document["leftovers"], document["bytes"]) == (5000, 5000)
    assert "leftovers" in cache("size").stdout


def test_prune_removes_the_least_recently_used_and_says_what(cache, planted):
    done = cache("prune", "--limit", "3kB", "--json")
    assert names(done) == ["features3000", "features2000"]
    assert names(cache("list", "--json")) == ["graphs", "features1000", "jax"]
    assert "removed, " in done.stderr
    assert names(cache("prune", "--limit", "3kB", "--json")) == []


def test_prune_takes_the_limit_of_the_environment_and_has_none_of_its_own(cache, planted):
    assert names(cache("prune", "--json")) == []
    assert names(cache("prune", "--json", HEADSTART_CACHE_LIMIT="0")) == [
        *("features3000", "features2000", "features1000", "graphs"),
    ]
    assert names(cache("list", "--json")) == ["jax"]


def test_clear_of_a_kind_and_of_everything_says_how_much_was_freed(cache, planted, root):
    assert names(cache("clear", "--kind", "graphs", "--json")) == ["graphs"]
    done = cache("clear")
    assert done.returncode == 0
    assert done.stdout.count("features") == 3
    assert "4 removed, " in done.stderr
    assert f"0 bytes left at {root}" in done.stderr
    assert planted.size() == 0


@pytest.mark.parametrize("verb", ["list", "prune", "clear"])
def test_an_empty_cache_says_so_and_prints_no_data(cache, root, verb):
    done = cache(verb)
    assert (done.returncode, done.stdout) == (0, "")
    assert str(root) in done.stderr
    assert json.loads(cache(verb, "--json").stdout) == []
    assert not root.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("prune", "--limit", "much"), "--limit: 'much' is no size"),
        (("clear", "--kind", "feature"), "did you mean features?"),
        (("clear", "--kind", "../.."), "known: features, graphs, jax"),
    ],
)
def test_nonsense_exits_2_and_removes_nothing(cache, planted, arguments, words):
    before = planted.size()
    done = cache(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert planted.size() == before


def test_a_limit_in_the_environment_that_is_none_exits_2(cache):
    done = cache("list", HEADSTART_CACHE_LIMIT="much")
    assert done.returncode == 2
    assert "HEADSTART_CACHE_LIMIT: 'much' is no size" in done.stderr


@pytest.mark.parametrize("verb", ["list", "clear"])
def test_a_cache_that_is_a_file_exits_1_and_stays(cache, root, verb):
    root.write_text("mine")
    done = cache(verb)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot read the cache {root}: Not a directory" in done.stderr
    assert "hint: set HEADSTART_CACHE to a folder" in done.stderr
    assert root.read_text() == "mine"


def test_it_loads_no_framework(root):
    script = (
        "import sys\nfrom headstart_cli.main import run_arguments\n"
        "run_arguments(['cache', 'list'])\n"
        "print([name for name in ('numpy', 'keras', 'jax', 'torch') if name in sys.modules])"
    )
    environment = {**os.environ, "HEADSTART_CACHE": str(root)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "[]"
