"""Translation, transferred: chrF and BLEU of English to Galician beside the same network from scratch, over seeds.

    python tests/benchmarks/translated.py                       prints the tables
    python tests/benchmarks/translated.py --write               puts them into BENCHMARKS.md too
    python tests/benchmarks/translated.py --only galician --labels 500 --arms "Spanish parent"

Pairs are LibreOffice's messages of 3 to 16 words (`headstart datasets make libreoffice:es`, and gl). A source lies on
the same side in every language, so that no parent saw what its child is tested on. Parents learn English to Spanish
from all pairs of train; children English to Galician from some, of which a fifth is val. A finished cell is not run
again, in another checkout either where `translated.json` has it, which is written with the tables: delete that file
when the code has changed. A parent's run stays below `--out`, since children begin there.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from over_seeds import (
    ALL,
    Cell,
    Scores,
    Shelf,
    cells_of,
    document_of,
    figure,
    labelled,
    new_parser,
    records_of,
    run_of,
)
from processes import HERE
from sections import markdown_table

KEPT = HERE / "translated.json"
WORDS = (3, 16)
"""The fewest and the most words of a source."""
HELD = 0.055
"""The share of sources that are test, and of those that are val: some 500 each, the same for all cells."""
PARENT, CHILD = "spanish", "galician"
SETS: Mapping[str, str] = {PARENT: "libreoffice:es", CHILD: "libreoffice:gl"}
LABELS: Mapping[str, Sequence[int]] = {PARENT: (ALL,), CHILD: (500, 2000, ALL)}
EPOCHS: Mapping[int, int] = {500: 60, 2000: 30, ALL: 20}
SMALL = (
    *(f"task.{name}={value}" for name, value in {"layers": 2, "width": 160, "heads": 4, "hidden": 640}.items()),
    *("task.vocabulary=3000", "task.most=64", "task.beams=4"),
)
"""The decoder of every arm."""
ENCODER = (
    *(f"backbone.{name}={value}" for name, value in {"layers": 2, "width": 160, "heads": 4, "hidden": 640}.items()),
    "input.vocabulary=3000",
)
SCRATCH, MINILM, AS_IT_IS = "from scratch", "MiniLM", "Spanish parent as it is"
ARMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    PARENT: {SCRATCH: ("pretrain",), MINILM: ("fit",)},
    CHILD: {
        AS_IT_IS: (),
        SCRATCH: ("pretrain",),
        "Spanish parent": ("fit",),
        MINILM: ("fit",),
        "MiniLM, Spanish parent": ("fit",),
    },
}
RATES: Mapping[str, str] = {"pretrain": "2e-3", "fit": "1e-3"}


def main() -> int:
    """Run what is not there yet, and print the tables."""
    given = new_parser(
        "chrF of translations beside controls.", out="runs/bench/translated", tables=[*SETS]
    ).parse_args()
    shelf = Shelf(given.out, KEPT)
    sections = []
    for study in given.only:
        found = {}
        for cell in cells_of(study, ARMS[study], LABELS[study], given):
            scores = shelf.once(cell.name, partial(measured, given, cell), only_known=given.table)
            if scores is not None:
                found[cell] = scores
        if found:
            sections.append(told(study, found))
    text = "\n\n".join(["## Translation", "", *sections])
    print(text)
    if given.write:
        shelf.write("translated", text)
    return 0


def measured(given: argparse.Namespace, cell: Cell) -> Scores:
    """chrF and BLEU on test, and what copies of the sources would have."""
    document = answered(given, cell) if cell.arm == AS_IT_IS else trained(given, cell)
    found = {name: document["metrics"]["test"][name] for name in ("chrf", "bleu")}
    return found if cell.arm == AS_IT_IS else {**found, "copied": document["baseline"]["copy_chrf"]}


def answered(given: argparse.Namespace, cell: Cell) -> dict:
    """The document of the parent's Spanish, scored as if it were Galician."""
    with table_of(given.out / "tables", cell).open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
    test = given.out / "tables" / f"{cell.study}-test.csv"
    with test.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, ("text", "translation"), extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    command = ("evaluate", str(parent_of(given, cell)), str(test), "--backend", cell.backend)
    return document_of(command, threads=given.threads)


def parent_of(given: argparse.Namespace, cell: Cell) -> Path:
    """The folder of a child's parent, trained first where it is not there."""
    parent = Cell(PARENT, MINILM if MINILM in cell.arm else SCRATCH, ALL, cell.seed, cell.backend)
    folder: Path = given.out / "runs" / parent.name
    if not (folder / "result.json").is_file():
        trained(given, parent)
    return folder


def trained(given: argparse.Namespace, cell: Cell) -> dict:
    """The document of a cell's run, which stays; of a child, after its parent's. Of few pairs the loss on val is best
    long before the answers are: children keep the epoch whose answers are best."""
    table = table_of(given.out / "tables", cell)
    (verb,) = ARMS[cell.study][cell.arm]
    flags = ["--task", "translation", "--epochs", str(EPOCHS[cell.labels]), "--learning-rate", RATES[verb]]
    settings = [*SMALL, f"task.chrf_on_val={str(cell.study == CHILD).lower()}"]
    if PARENT.title() in cell.arm:
        folder = str(parent_of(given, cell).resolve())
        flags += ["--backbone", folder, "--head-from", folder, "--strategy", "full"]
    elif MINILM in cell.arm:
        flags += ["--backbone", "hf_text/all_minilm_l6", "--strategy", "lp_ft", "--max-tokens", "64"]
    else:
        flags += ["--backbone", "seq2seq/small", "--weights", "none"]
        settings += ENCODER
    return run_of(given, cell, (verb, str(table), *flags, *(part for each in settings for part in ("--set", each))))


def table_of(folder: Path, cell: Cell) -> Path:
    """The table (text, translation, split) of a cell's pairs: test the same for all, of the others as many as are
    labelled, by the seed."""
    file = folder / f"{cell.study}-{cell.labels or 'all'}-{cell.seed}.csv"
    if file.is_file():
        return file
    fewest, most = WORDS
    records = [each for each in records_of(SETS[cell.study]) if fewest <= len(str(each.payload).split()) <= most]
    kept = [replace(each, split=side_of(str(each.payload))) for each in records]
    once = {(each.split, str(each.payload)): each for each in sorted(kept, key=lambda each: each.key)}
    kept = [each for each in kept if each.split == "train" or once[each.split, str(each.payload)] is each]
    sides = labelled(kept, cell)
    folder.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("text", "translation", "split"))
        for side, members in sides.items():
            table.writerows((record.payload, record.target, side) for record in members)
    return file


def side_of(source: str) -> str:
    """Where a source lies, in any language and whatever else is there: by its own hash, and so in no set's order."""
    drawn = int.from_bytes(hashlib.blake2b(source.encode(), digest_size=8).digest()) / 2**64
    return "test" if drawn < HELD else "val" if drawn < 2 * HELD else "train"


def told(study: str, found: Mapping[Cell, Scores]) -> str:
    """A table and what it is of."""
    shown = [labels for labels in LABELS[study] if any(cell.labels == labels for cell in found)]
    rows = []
    for backend in ("torch", "jax"):
        for arm in ARMS[study]:
            of_arm = {cell: scores for cell, scores in found.items() if (cell.arm, cell.backend) == (arm, backend)}
            if of_arm:
                row = [f"{arm}, {backend}"]
                for labels in shown:
                    of_cell = [scores for cell, scores in of_arm.items() if cell.labels == labels]
                    row += [figure([scores[name] for scores in of_cell]) for name in ("chrf", "bleu")]
                rows.append(row)
    copied = next(scores["copied"] for scores in found.values() if "copied" in scores)
    chosen = "" if study == PARENT else " A child keeps the epoch, its start among them, whose answers on val are best."
    heads = [f"{labels or 'all'} pairs, {name}" for labels in shown for name in ("chrF", "BLEU")]
    return "\n".join(
        [
            f"### English to {study.title()}",
            "",
            f"`tests/benchmarks/translated.py --only {study}`: {SETS[study]}, sources of {WORDS[0]} to {WORDS[1]} "
            f"words, those of test seen by no run in any language; chrF and BLEU of sacrebleu, beams of 4, mean "
            f"over seeds, and 95 % interval of the mean (t). The sources as they are have a chrF of {copied:.1f}."
            f"{chosen}",
            "",
            markdown_table(("", *heads), rows),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
