"""What of a table is not read and seems to say how its samples are to be split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from headstart.specs import Finding
from headstart_plugins._files.names import plain_name, side_of
from headstart_plugins._files.paths import Reading
from headstart_plugins._files.tables import Table
from headstart_plugins.files._learned import is_one_hot, says_side

GROUPS = frozenset(
    {
        *("patient", "patientid", "subject", "subjectid", "person", "personid", "participant", "participantid"),
        *("speaker", "speakerid", "session", "sessionid", "lesionid", "caseid", "scanid", "userid"),
    }
)
"""What people call the column of what has several samples, as `plain_name` has it."""


def unread_sides(table: Table, reading: Reading | None, learned: Collection[str]) -> Iterator[Finding]:
    """A warning for each column that seems to say who trains and is not called split, so that a split is cut anew; and
    for folders in the paths that do."""
    if "split" in table.columns:
        return
    folders = (
        [row.get(reading.column, "").replace("\\", "/").split("/")[:-1] for _, row in table.rows] if reading else []
    )
    sides = [{side for each in parts if (side := side_of(each))} for parts in folders]
    if all(len(each) == 1 for each in sides) and len({*map(frozenset, sides)}) > 1:
        yield Finding(
            "warning",
            "the folders in the paths seem to say the sides of a split, and are not read so: a split is cut anew",
            len(table.rows),
            "add a column split, with train, val and test in it",
        )
    for column in table.columns:
        texts = {row.get(column, "").strip() for _, row in table.rows}
        if column not in learned and ((len(texts) > 1 and all(map(side_of, texts))) or says_side(table, column)):
            flags = all(is_one_hot(table, each) for each in (column, *learned))
            label = "; where it is a label, name it with the others in dataset.one_hot" if flags else ""
            yield Finding(
                "warning",
                f"column {column!r} seems to say the sides of a split, and is not read: a split is cut anew",
                len(table.rows),
                f"call it split, with train, val and test in it{label}",
            )


def unread_groups(table: Table, read: Collection[str], *, texts: bool) -> Iterator[Finding]:
    """A warning for each column that seems to say whose a sample is, where there is no column group and samples of one
    can come to two sides: not where the table gives all sides and keeps each on one of them. The subject of `texts` is
    what they are about."""
    if "group" in table.columns:
        return
    given = {side_of(row.get("split", "")) for _, row in table.rows}
    names = GROUPS - {"subject"} if texts else GROUPS
    for column in table.columns:
        if plain_name(column) not in names or column in read or is_one_hot(table, column):
            continue
        sides: defaultdict[str, set[str | None]] = defaultdict(set)
        count = 0
        for _, row in table.rows:
            if text := row.get(column, "").strip():
                sides[text].add(side_of(row.get("split", "")))
                count += 1
        apart = given == {"train", "val", "test"} and all(len(each) == 1 for each in sides.values())
        if 1 < len(sides) < count and not apart:
            message = f"column {column!r} has {len(sides)} different values for {count} rows and is not read"
            kept = "each stays on one side" if given == {None} else "what is on two of the given sides is named"
            yield Finding(
                "warning",
                f"{message}: samples of one may be on both sides of the split",
                count,
                f"call it group, and {kept}",
            )
