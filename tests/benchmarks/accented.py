"""Accents apart, transferred: accuracy on voices and sentences that nobody trained on, beside controls, over seeds.

    python tests/benchmarks/accented.py                       prints the table
    python tests/benchmarks/accented.py --write               puts it into BENCHMARKS.md too
    python tests/benchmarks/accented.py --arms "whisper probe" --labels 5 --seeds 0

The clips of test are those of the set: other voices and other sentences. A seed fixes which of its other clips are
labelled, as many of each accent, and the training; of the labelled ones a fifth, from the voices of val, is val. What
is trained throughout makes as many updates over as many clips each. `other engine` are clips of `other_accents`, where
that is made: two of the seven accents, spoken by flite, which no arm has heard; an answer may be any of the seven. A
finished cell is not run again, in another checkout either where `accented.json` has it, which is written with the
table: delete that file when the code has changed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from over_seeds import (
    ALL,
    VAL,
    Cell,
    Scores,
    Shelf,
    cells_of,
    document_of,
    figure,
    new_parser,
    records_of,
    run_of,
    threads_of,
)
from processes import HERE, PYTHON, environment, timed
from sections import markdown_table

from headstart.data.made import stored_folder
from headstart.registry import load_registry
from headstart.specs import Record

KEPT = HERE / "accented.json"
DATASET, OTHER, STUDY = "sound_sets/accents", "sound_sets/other_accents", "accents"
LABELS = (5, 20, ALL)
"""Clips of each accent."""
SECONDS, BATCH, UPDATES = 3.5, 16, 240
"""The longest clip has 3.4 s. Updates of everything; a new head's, on frozen features, are solved for."""
METRICS = ("accuracy", "other_engine")
PROBE, TUNED = ("fit", "--strategy", "probe"), ("fit", "--strategy", "lp_ft")
WHISPER, GE2E, LITE0 = (("--backbone", name) for name in ("whisper/tiny_en", "speaker_encoder/ge2e", "lite0"))
BY_HAND = "mel statistics, logistic regression"
ARMS: Mapping[str, tuple[str, ...]] = {
    BY_HAND: (),
    "lite0 from scratch": ("pretrain", "--weights", "none", *LITE0, "--learning-rate", "1e-3"),
    "lite0 of ImageNet probe": (*PROBE, *LITE0),
    "lite0 of ImageNet lp_ft": (*TUNED, *LITE0, "--learning-rate", "1e-3"),
    "ge2e probe": (*PROBE, *GE2E),
    "whisper probe": (*PROBE, *WHISPER),
    "whisper lp_ft": (*TUNED, *WHISPER, "--learning-rate", "1e-4"),
}


def main() -> int:
    """Run what is not there yet, and print the table."""
    given = new_parser("Accuracy on accents beside controls.", out="runs/bench/accented", tables=[STUDY]).parse_args()
    shelf, found = Shelf(given.out, KEPT), {}
    for cell in cells_of(STUDY, ARMS, LABELS, given):
        scores = shelf.once(cell.name, partial(measured, given, cell), only_known=given.table)
        if scores is not None:
            found[cell] = scores
    text = "\n\n".join(["## Accents", "", told(found)])
    print(text)
    if given.write:
        shelf.write("accented", text)
    return 0


def measured(given: argparse.Namespace, cell: Cell) -> Scores:
    """The accuracy on test, and on clips of another engine where they are there."""
    table, train = table_of(given.out / "tables", cell)
    if cell.arm == BY_HAND:
        command = (PYTHON, HERE / "accented_by_hand.py", table, str(cell.seed), *others())
        _, scores = timed(command, environment(**threads_of(given.threads)))
        return dict(scores)
    verb, *flags = ARMS[cell.arm]
    if "probe" not in flags:
        flags += ["--epochs", str(max(1, round(UPDATES / -(-train // BATCH)))), "--batch-size", str(BATCH)]
    if GE2E[1] not in flags:  # which has windows of its own
        flags += ["--set", f"input.seconds={SECONDS}"]
    document = run_of(given, cell, (verb, str(table), *flags))
    scores = {"accuracy": document["metrics"]["test"]["accuracy"], "macro_f1": document["metrics"]["test"]["macro_f1"]}
    if found := others():
        run = str((given.out / "runs" / cell.name).resolve())
        asked = document_of(("evaluate", run, f"other_accents:{found[0]}"), threads=given.threads)
        scores["other_engine"] = asked["metrics"]["test"]["accuracy"]
    return scores


def others() -> Sequence[str]:
    """The folder of clips of another engine; none where they are not made."""
    folder = stored_folder(load_registry().get("datasets", OTHER))
    return (str(folder),) if folder.is_dir() else ()


def table_of(folder: Path, cell: Cell) -> tuple[Path, int]:
    """The table of a cell's clips, and how many of them train."""
    file = folder / f"{STUDY}-{cell.labels or 'all'}-{cell.seed}.csv"
    chosen = labelled(records_of(DATASET), cell)
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(("path", "label", "split"))
            table.writerows((record.payload, record.target, record.split) for record in chosen)
    return file, sum(record.split == "train" for record in chosen)


def labelled(records: Sequence[Record], cell: Cell) -> list[Record]:
    """All of test, and as many of each accent as are labelled: a fifth of these, but for one at least, from val."""
    groups: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        groups[str(record.split), str(record.target)].append(record)
    chosen: list[Record] = []
    for place, ((side, _), own) in enumerate(sorted(groups.items())):
        held = max(1, cell.labels // VAL)
        count = {"test": len(own), "val": held, "train": cell.labels - held}[side] if cell.labels else len(own)
        drawn = np.random.default_rng((cell.seed, place)).permutation(len(own))[:count]
        chosen += [own[each] for each in sorted(drawn)]
    return chosen


def told(found: Mapping[Cell, Scores]) -> str:
    """The table and what it is of."""
    shown = [labels for labels in LABELS if any(cell.labels == labels for cell in found)]
    rows = []
    for backend in ("torch", "jax"):
        for arm in ARMS:
            own = [(cell.labels, each) for cell, each in found.items() if (cell.arm, cell.backend) == (arm, backend)]
            if own:
                row = [f"{arm}, {backend}" if ARMS[arm] else arm]
                for labels in shown:
                    of_cell = [each for number, each in own if number == labels]
                    row += [figure([each[name] for each in of_cell if name in each]) for name in METRICS]
                rows.append(row)
    names = ("accuracy", "other engine")
    heads = [f"{labels or 'all'} clips an accent, {name}" for labels in shown for name in names]
    return "\n".join(
        [
            "### Seven accents of English that one engine speaks",
            "",
            f"`tests/benchmarks/accented.py`: accents, {UPDATES} updates of everything over {BATCH} clips each where "
            "it is trained; accuracy on voices and sentences of test (one in seven by chance), and on clips of another "
            "engine, American and Scottish; mean over seeds, and 95 % interval of the mean (t).",
            "",
            markdown_table(("", *heads), rows),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
