"""M1 and M2: a training step of a translator, and sentences a second, greedily and with four beams.

    KERAS_BACKEND=torch python tests/benchmarks/translation.py RUN TABLE --control PYTHON

RUN is a finished run of `--task translation` on `seq2seq/small`, TABLE a table of pairs (CSV with source and target, or
text and translation); the control (`translation_control.py`, in an environment with transformers and CTranslate2) has
the run's weights, exported as a MarianMT. In M2 both sides get the same ids in the same batches, sorted by length: ours
is the search that `predict` runs, the controls are transformers' `generate` and CTranslate2 in float32, both in the
control's environment. In M1 both take an update on the same padded batch: ours by the engine, the control by hand on
transformers' model with fused attention and fused AdamW. Tokenisation is left out. The sides take turns.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios
from text import in_turn, spent, threads
from text_sides import our_step

from headstart.artefact import Artefact
from headstart.engine.generation import generator
from headstart.registry import load_registry
from headstart_plugins._pieces import Pieces
from headstart_plugins.hf_seq2seq.export import export

HERE = Path(__file__).parent
BACKEND = keras.backend.backend()
CONTROL = Path(".venv/references/transformers/bin/python")
BATCH, STEP = 32, 8
"""Rows of a batch; its length is a multiple of so many."""


class Control:
    """The process of `translation_control.py`."""

    def __init__(self, python: Path, folder: Path) -> None:
        command = [python, HERE / "translation_control.py", folder, threads()]
        self._process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Its answer. Stops the benchmark where it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the control ended at {do} {more}")
        return dict(json.loads(line))


def main() -> None:
    """Measure, print and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run on seq2seq/small")
    parser.add_argument("table", type=Path, help="pairs of sentences, as a CSV file")
    parser.add_argument("--control", type=Path, default=CONTROL, help=f"Python with transformers ({CONTROL})")
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/translation-BACKEND.json")
    parser.add_argument("--rows", nargs="+", default=["M1", "M2"], choices=("M1", "M2"))
    parser.add_argument("--count", type=int, default=256, metavar="N", help="sentences a round and side")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="processor on a busy machine")
    given = parser.parse_args()
    artefact = Artefact.load(given.run / "artefact")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "exported"
        export(given.run, folder)
        control = Control(given.control, folder)
        found = []
        if "M1" in given.rows:
            found.append(training(artefact, control, folder, given))
        if "M2" in given.rows:
            for beams in (1, 4):
                found += decoding(artefact, control, folder, beams, given)
    settings = f"{BACKEND}, float32, {given.rounds} rounds in turn, {threads()} threads, {given.clock} seconds"
    write_ratios(given.json or FOUND / f"translation-{BACKEND}.json", found, settings=settings)
    show_ratios(found, title=f"Translation: {settings}")


def sentences_of(table: Path, count: int) -> tuple[list[str], list[str]]:
    """The last sources and targets of a table, as many as asked for."""
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[-count:]
    names = [("source", "target"), ("text", "translation")]
    source, target = next(pair for pair in names if pair[0] in rows[0])
    return [row[source] for row in rows], [row[target] for row in rows]


def prepared(artefact: Artefact, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """ids and mask (sentence, time) of those of one part, shortest first."""
    kind = artefact.kind
    rows = [kind.prepare(kind.read(text, "a sentence")) for text in texts]
    rows.sort(key=lambda row: row.length)
    return np.stack([row.tensors["ids"] for row in rows]), np.stack([row.tensors["mask"] for row in rows])


def batches(ids: np.ndarray, mask: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Full ones, each as long as its longest sentence needs."""
    found = []
    for start in range(0, len(ids) - BATCH + 1, BATCH):
        rows = slice(start, start + BATCH)
        time = -(-int(mask[rows].sum(1).max()) // STEP) * STEP
        found.append({"ids": ids[rows, :time], "mask": mask[rows, :time]})
    return found


def renumbered(ids: np.ndarray, pieces: Pieces, folder: Path) -> np.ndarray:
    """The exported folder's ids."""
    numbers = json.loads((folder / "vocab.json").read_text("utf-8"))
    table = np.array([numbers[piece] for piece in pieces.pieces])
    return table[ids]


def decoding(artefact: Artefact, control: Control, folder: Path, beams: int, given: argparse.Namespace) -> list[Ratio]:
    """M2 with so many beams, beside each control."""
    texts, _ = sentences_of(given.table, given.count)
    made = batches(*prepared(artefact, texts))
    source = Pieces(artefact.blueprint.input_assets["source.spm"])
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        arrays = {f"{place} ids": renumbered(each["ids"], source, folder) for place, each in enumerate(made)}
        np.savez(file, **arrays, **{f"{place} mask": each["mask"] for place, each in enumerate(made)})
        file.flush()
        control.ask("sentences", file=file.name)
    options = replace(artefact.task.options, beams=beams, answers=1)
    task = replace(artefact.task, options=options)
    search = generator(artefact.network, task)
    most = task.search.most
    lengths = [(search(each)["tokens"] != task.search.pad).sum(1) for each in made]

    def ours() -> None:
        for each in made:
            search(each)

    key = "seconds" if given.clock == "wall" else "processor"
    sides: dict[str, Callable[[], float]] = {"ours": lambda: spent(ours, given.clock)}
    for name in ("transformers", "CTranslate2"):
        sides[name] = lambda name=name: control.ask(name, beams=beams, most=most)[key]  # type: ignore[misc]
    seconds = in_turn(sides, given.rounds)
    count = BATCH * len(made)
    told = "; ".join(f"{side} {middle([count / each for each in values], 1)}" for side, values in seconds.items())
    same = control.ask("transformers", beams=beams, most=most)["lengths"]
    agree = float(np.mean(np.concatenate(lengths) == np.array(same)))
    return [
        Ratio(
            row=row + ("" if BACKEND == "torch" else "j"),
            what=f"{count} sentences, {'greedy' if beams == 1 else f'{beams} beams'}, float32, {BACKEND}",
            against=f"{name}, the same weights and batches",
            ratios=tuple(theirs / own for own, theirs in zip(seconds["ours"], seconds[name], strict=True)),
            note=f"Sentences a second: {told}. {100 * agree:.1f} % of answers as long as those of transformers.",
            holds=agree > 0.95,
        )
        for name, row in (("transformers", "M2"), ("CTranslate2", "M2c"))
    ]


def training(artefact: Artefact, control: Control, folder: Path, given: argparse.Namespace) -> Ratio:
    """M1 on one batch."""
    texts, targets = sentences_of(given.table, BATCH)
    ids, mask = prepared(artefact, texts)
    (batch,) = batches(ids, mask)
    task = artefact.task
    encoded = task.encode(targets[: len(ids)], [{}] * len(ids), [""] * len(ids))
    longest = -(-int(task.used(encoded).max()) // STEP) * STEP
    encoded["next"] = encoded["next"][:, :longest]
    source, target = (
        Pieces(assets[name])
        for assets, name in (
            (artefact.blueprint.input_assets, "source.spm"),
            (artefact.blueprint.task_assets, "target.spm"),
        )
    )
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        arrays = {"ids": renumbered(batch["ids"], source, folder), "mask": batch["mask"]}
        np.savez(file, **arrays, next=renumbered(encoded["next"], target, folder))
        file.flush()
        control.ask("prepare_step", file=file.name, smoothing=task.options.label_smoothing)
    step = our_step(artefact.network, task, load_registry())
    ones = np.ones(BATCH, np.float32)
    key = "seconds" if given.clock == "wall" else "processor"
    sides = {
        "ours": lambda: spent(lambda: step(batch, encoded, ones), given.clock),
        "by hand": lambda: control.ask("step")[key],
    }
    seconds = in_turn(sides, 3 * given.rounds)
    tokens = int(batch["mask"].sum() + task.used(encoded).sum())
    told = "; ".join(f"{side} {middle([tokens / each for each in values], 0)}" for side, values in seconds.items())
    return Ratio(
        row="M1" if BACKEND == "torch" else "M1j",
        what=f"a step on a whole translator, {BATCH} x {batch['ids'].shape[1]} and {longest} tokens, float32",
        against="PyTorch by hand on transformers: scaled_dot_product_attention, fused AdamW",
        ratios=tuple(theirs / own for own, theirs in zip(seconds["ours"], seconds["by hand"], strict=True)),
        note=f"Tokens of both sides a second: {told}.",
    )


if __name__ == "__main__":
    main()
