"""Write tables of recordings with what is said in them, for the second part of this example.

    headstart datasets make accents
    python examples/accents/make_tables.py .

`scotland.csv` has 80 clips of train, 20 of val and 36 of test in one accent, `others.csv` 24 of test in the other six.
The same tables come out every time.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.made import made_folder
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, Record

ACCENT = "en-gb-scotland"
LABELLED = {"train": 80, "val": 20}
TESTED, OTHERS = 36, 4


def clips_by_accent() -> dict[str, list[Record]]:
    """The clips of each accent in the order of their keys: their files, what is said, and their side."""
    registry = load_registry()
    spec = registry.get("datasets", "accents")
    build: Any = registry.load_target(spec, spec.build)
    records = build(DatasetRequest(None, spec.options(target="text"), made=made_folder(spec, None))).items
    found: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: str(record.key)):
        found.setdefault(Path(record.payload).parent.name, []).append(record)
    return found


def drawn(clips: Sequence[Record], count: int, place: int) -> list[Record]:
    """So many of them, by chance that a seed fixes, in their order."""
    return [clips[each] for each in sorted(np.random.default_rng((0, place)).permutation(len(clips))[:count])]


def evenly(clips: Sequence[Record], count: int) -> list[Record]:
    """So many of them, the first and the last among these."""
    return [clips[place] for place in np.linspace(0, len(clips) - 1, count).astype(int)]


def write_table(file: Path, clips: Sequence[Record]) -> None:
    """A row for each clip."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("path", "transcript", "split"))
        table.writerows((each.payload, each.target, each.split) for each in clips)


def main() -> None:
    """Read the folder from the command line."""
    parser = argparse.ArgumentParser(description="Write tables of recordings with what is said in them.")
    parser.add_argument("folder", type=Path, help="where to write; created if it is not there")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    found = clips_by_accent()
    own = found.pop(ACCENT)
    sides = {side: [each for each in own if each.split == side] for side in ("train", "val", "test")}
    chosen = [drawn(sides[side], count, place) for place, (side, count) in enumerate(LABELLED.items())]
    write_table(folder / "scotland.csv", [each for side in (*chosen, evenly(sides["test"], TESTED)) for each in side])
    others = [evenly([each for each in found[name] if each.split == "test"], OTHERS) for name in sorted(found)]
    write_table(folder / "others.csv", [each for accent in others for each in accent])
    print(f"wrote {folder / 'scotland.csv'} and {folder / 'others.csv'}")


if __name__ == "__main__":
    main()
