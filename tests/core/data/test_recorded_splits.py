"""Splits and limits are those of the first release, seed by seed: recorded before kinds of targets were plugins."""

import hashlib
import json
from pathlib import Path

import pytest

from headstart.data.prepared import limit_records
from headstart.data.split import make_split
from headstart.data.split_file import SplitRow, split_bytes
from headstart.data.targets import build_target_kind
from headstart.registry import load_registry
from headstart.specs import Record

REGISTRY = load_registry()
RECORDED = json.loads(Path(__file__).with_name("recorded_splits.json").read_text(encoding="utf-8"))


def number(*parts):
    """A number from 0 to 2**32 that depends on `parts` alone."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def target(kind, case, index):
    """The text of one target: unevenly frequent classes, up to three labels, or a number with some ties."""
    drawn = number(kind, case, index)
    if kind == "class":
        return f"class {min(drawn % 7, drawn // 7 % 7)}"
    if kind == "labels":
        names = [name for place, name in enumerate("abcde") if drawn >> place & 3 == 3]
        return "|".join(names[:3])
    return f"{drawn % 500 / 7:.2f}"


def rows(kind, case, count=240):
    """Case 0 is plain, 1 has groups, 2 has copies and groups, 3 gives train and test, 4 is small."""
    count = 60 if case == 4 else count
    made = []
    for index in range(count):
        content = f"content {index % (count - 30) if case == 2 else index}"
        group = f"group {number('group', kind, index) % 50}" if case in (1, 2) and index % 3 else None
        split = ("test" if index % 5 == 0 else "train") if case == 3 else ""
        source = index % (count - 30) if case == 2 else index
        made.append(SplitRow(f"key {index:04d}", split, target(kind, case, source), group, content))
    return made


@pytest.mark.parametrize("recorded", RECORDED)
def test_it_is_what_it_was(recorded):
    what, name, case, seed = recorded.split()
    kind, made = build_target_kind(REGISTRY, name), rows(name, int(case))
    if what == "split":
        found = split_bytes(make_split(made, int(seed), kind))
    else:
        items = [Record(row.key, b"", row.target, row.group, row.split or None) for row in made]
        found = "\n".join(record.key for record in limit_records(items, 41, int(seed), kind)).encode()
    assert hashlib.sha256(found).hexdigest() == RECORDED[recorded]
