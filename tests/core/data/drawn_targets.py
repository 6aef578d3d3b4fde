"""Made-up records of three kinds of targets, equal on every machine: what the recorded splits were made of."""

import hashlib

from headstart.data.split_file import SplitRow


def number(*parts):
    """A number from 0 to 2**32 that hangs on `parts` alone."""
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
