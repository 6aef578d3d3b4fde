"""Speech of one accent, recognised: word error rates before and after a general recogniser is fine-tuned to it, on that
accent, on the other accents, and on recordings of another speaker: what was gained, and what forgotten.

    python tests/benchmarks/transcribed.py                       prints the table
    python tests/benchmarks/transcribed.py --write               puts it into BENCHMARKS.md too
    python tests/benchmarks/transcribed.py --arms "decoder alone" --labels 20 --seeds 0 --backends torch

The clips of test are those of `accents`: other voices and other sentences than are trained on, TESTED of them evenly
chosen. A seed fixes which of the accent's other clips are labelled, and the training; of the labelled ones a fifth,
from the voices of val, is val. `other accents` are clips of test of the other six, OTHERS of each; `recordings` are
prompts of Debian's asterisk-core-sounds-en-wav with the texts that its package states, PROMPTS of them, where it is
installed. A finished cell is not run again, in another checkout either where `transcribed.json` has it, which is
written with the table: delete that file when the code has changed.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from over_seeds import ALL, Cell, Scores, Shelf, cells_of, document_of, figure, labelled, new_parser, run_of
from processes import HERE
from sections import markdown_table

from headstart.data.made import made_folder
from headstart.registry import load_registry
from headstart.specs import DatasetRequest

KEPT = HERE / "transcribed.json"
DATASET, STUDY, ACCENT = "sound_sets/accents", "transcribed", "en-gb-scotland"
LABELS = (20, 100, ALL)
SECONDS, BATCH, UPDATES = 5.0, 8, 30
"""The longest clip has 3.4 s, so that silence follows each."""
TESTED, OTHERS, PROMPTS = 36, 4, 20
"""Clips that are listened to: a cell is minutes on one thread, half of them updates."""
RECORDED = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
PUBLISHED = "as published"
ARMS: Mapping[str, tuple[str, ...]] = {
    PUBLISHED: ("--strategy", "as_is"),
    "decoder alone": ("--strategy", "probe", "--learning-rate", "3e-5"),
    "encoder's top and decoder": ("--strategy", "lp_ft", "--train", "block4,pool", "--learning-rate", "1e-5"),
    "low-rank updates": ("--strategy", "lora", "--learning-rate", "1e-4"),
    "everything": ("--strategy", "lp_ft", "--learning-rate", "1e-5"),
    "everything, mixed with its start": ("--strategy", "wise_ft", "--learning-rate", "1e-5"),
}
METRICS = {"wer": "this accent", "others_wer": "other accents", "recordings_wer": "recordings"}


def main() -> int:
    """Run what is not there yet, and print the table."""
    given = new_parser("Word error rates beside controls.", out="runs/bench/transcribed", tables=[STUDY]).parse_args()
    shelf, found = Shelf(given.out, KEPT), {}
    for cell in cells_of(STUDY, ARMS, LABELS, given):
        if cell.arm == PUBLISHED and (cell.labels, cell.seed) != (LABELS[0], 0):
            continue  # one and the same network
        scores = shelf.once(cell.name, partial(measured, given, cell), only_known=given.table)
        if scores is not None:
            found[cell] = scores
    text = "\n\n".join(["## Speech of an accent", "", told(found)])
    print(text)
    if given.write:
        shelf.write("transcribed", text)
    return 0


def measured(given: argparse.Namespace, cell: Cell) -> Scores:
    """Error rates on test, on the other accents and on recordings."""
    folder = given.out / "tables"
    every = clips()
    sides = labelled([each for each in every if each.accent == ACCENT], cell)
    sides["test"] = evenly(sides["test"], TESTED)
    chosen = [each for own in sides.values() for each in own]
    table = written(folder / f"{cell.labels or 'all'}-{cell.seed}.csv", chosen)
    flags = [*ARMS[cell.arm]]
    if cell.arm != PUBLISHED:
        flags += ["--epochs", str(max(1, round(UPDATES / -(-len(sides["train"]) // BATCH))))]
    common = ("--backbone", "whisper/tiny_en", "--task", "transcription", "--batch-size", str(BATCH))
    common = (*common, "--engine", "native")  # no export is worth its start for so few clips
    document = run_of(given, cell, ("fit", str(table), *common, "--set", f"input.seconds={SECONDS}", *flags))
    scores = {name: document["metrics"]["test"][name] for name in ("wer", "cer", "loss")}
    run = str((given.out / "runs" / cell.name).resolve())
    for name, other in elsewhere(folder, every).items():
        asked = document_of(("evaluate", run, str(other)), threads=given.threads)
        scores[f"{name}_wer"] = asked["metrics"]["test"]["wer"]
    return scores


@dataclass(frozen=True)
class Clip:
    """A recording, its accent, what is said in it, and its side."""

    payload: Path
    accent: str
    said: str
    split: str


def clips() -> list[Clip]:
    """All of the set."""
    registry = load_registry()
    spec = registry.get("datasets", DATASET)
    build, made = registry.load_target(spec, spec.build), made_folder(spec, None)
    words, accents = (
        {record.key: record for record in build(DatasetRequest(None, spec.options(target=target), made=made)).items}
        for target in ("text", "accent")
    )
    return [
        Clip(Path(record.payload), str(accents[key].target), str(record.target), str(record.split))
        for key, record in sorted(words.items())
    ]


def elsewhere(folder: Path, every: Sequence[Clip]) -> Mapping[str, Path]:
    """Tables of other accents, and of recordings where they are there."""
    found = {}
    others: list[Clip] = []
    for accent in sorted({each.accent for each in every} - {ACCENT}):
        own = [each for each in every if each.accent == accent and each.split == "test"]
        others += evenly(own, OTHERS)
    found["others"] = written(folder / "others.csv", others)
    if TEXTS.is_file() and RECORDED.is_dir():
        found["recordings"] = written(folder / "recordings.csv", recordings())
    return found


def recordings() -> list[Clip]:
    """Prompts of five words or more, evenly chosen by name, with the texts that their package states."""
    lines = gzip.decompress(TEXTS.read_bytes()).decode("utf-8", "replace").splitlines()
    said = dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith(";"))
    fit = [
        Clip(RECORDED / f"{name}.wav", "en-us", " ".join(text.split()), "test")
        for name, text in sorted(said.items())
        if len(text.split()) >= 5 and (RECORDED / f"{name}.wav").is_file()
    ]
    return evenly(fit, PROMPTS)


def evenly(clips: Sequence[Clip], count: int) -> list[Clip]:
    """So many of them, the first and the last among these; all where there are fewer."""
    return [clips[place] for place in np.linspace(0, len(clips) - 1, min(count, len(clips))).astype(int)]


def written(file: Path, chosen: Iterable[Clip]) -> Path:
    """A table of clips, as users write it."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(("path", "transcript", "split"))
            table.writerows((each.payload, each.said, each.split) for each in chosen)
    return file


def told(found: Mapping[Cell, Scores]) -> str:
    """The table and what it is of."""
    shown = [labels for labels in LABELS if any(cell.labels == labels for cell in found)]
    rows = []
    for backend in ("torch", "jax"):
        for arm in ARMS:
            own = [(cell.labels, each) for cell, each in found.items() if (cell.arm, cell.backend) == (arm, backend)]
            if own:
                row = [f"{arm}, {backend}"]
                for labels in shown:
                    of_cell = [each for number, each in own if number == labels]
                    row += [figure([each[name] for each in of_cell if name in each]) for name in METRICS]
                rows.append(row)
    heads = [f"{labels or 'all'} clips, {name}" for labels in shown for name in METRICS.values()]
    return "\n".join(
        [
            f"### Whisper tiny.en and {ACCENT}",
            "",
            f"`tests/benchmarks/transcribed.py`: word error rates (lower case, no punctuation), windows of {SECONDS:g} "
            f"s, about {UPDATES} updates over {BATCH} clips each; on voices and sentences of test, on clips of the "
            "other accents, and on recordings of one speaker; mean over seeds, and 95 % interval of the mean (t).",
            "",
            markdown_table(("", *heads), rows),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
