"""L4: a folder, a table or clips answered as a job, beside the engine by hand.

    python tests/benchmarks/many_answers.py pictures
    python tests/benchmarks/many_answers.py texts --count 10000
    python tests/benchmarks/many_answers.py sounds --count 1000

Whole processes in turn. Ours is `headstart predict RUN DATA --jsonl --out DIR` with a probe that the benchmark trains
first, after one job that is not counted: that one held the engine equal to stock layers, which is done once a model.
The control (`many_answers_by_hand.py`) reads the same files, runs the same graph in OpenVINO's own queue with a stream
a core, and writes the same lines. Answers are compared. Memory is the peak of RssAnon of our process, at the count and
at a tenth of it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kept import Kept, Measured
from over_seeds import records_of
from peaks import TIMES, peak_of
from picture_folders import picture_folder
from processes import HEADSTART, HERE, PYTHON, environment
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

SAME = 0.99
"""Share of answers that must be the same: two classes may be as likely but for rounding."""
ENGINE = "engines/openvino"


@dataclass(frozen=True)
class Field:
    """`train` and `data` write what is learned from and so many samples to answer, once, and give the path; `flags` are
    those of `fit`, `hand` what the control needs to know of reading."""

    noun: str
    network: str
    count: int
    train: Callable[[Path], Path]
    data: Callable[[Path, int], Path]
    flags: tuple[str, ...]
    hand: Mapping[str, Any]


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    field = FIELDS[given.field]
    given.count = given.count or field.count
    given.out = given.out or Path(f"runs/bench-many-{given.field}")
    kept = Kept(given.out / "measured.jsonl")
    found = compare(field, given, kept)
    settings = f"whole processes on {given.backend}, {given.rounds} rounds in turn, {os.cpu_count()} cores"
    write_ratios(given.json or FOUND / f"many-{given.field}.json", found, settings=settings)
    show_ratios(found, title=f"Many answers: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("field", choices=sorted(FIELDS))
    parser.add_argument("--out", type=Path, help="data, runs and measurements: runs/bench-many-FIELD")
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/many-FIELD.json")
    parser.add_argument("--backend", default="torch", choices=("jax", "torch"))
    parser.add_argument("--count", type=int, metavar="N", help="samples")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    return parser.parse_args()


def compare(field: Field, given: argparse.Namespace, kept: Kept) -> list[Ratio]:
    """The job beside the control, and its memory beside that of a tenth."""
    variables = environment(HEADSTART_CACHE=given.out / "cache", KERAS_BACKEND=given.backend)
    run = given.out / f"run-{given.backend}"
    if not (run / "result.json").exists():
        shutil.rmtree(run, ignore_errors=True)
        command = (HEADSTART, "fit", field.train(given.out), *field.flags, "--strategy", "probe", "--out", run)
        done(command, variables)
    many, few = (field.data(given.out, size) for size in (given.count, given.count // TIMES))
    job = handed(field, run, many, given)
    key = f"{given.backend}/{given.count}"
    if not (given.out / f"warm-{given.backend}").exists():
        answered(run, many, given, variables)  # as many, so that it takes the engine that the others take
        (given.out / f"warm-{given.backend}").touch()
    ours, theirs, fewer = [], [], []
    for number in range(given.rounds):
        ours.append(kept.once(f"{key}/{number}/ours", lambda: answered(run, many, given, variables)))
        theirs.append(kept.once(f"{key}/{number}/by hand", lambda: by_hand(job, given)))
        fewer.append(kept.once(f"{key}/{number}/tenth", lambda: answered(run, few, given, variables)))
    answered(run, many, given, variables)
    by_hand(job, given)
    same = agreement(given.out / "ours" / "answers.jsonl", given.out / "by-hand.jsonl")
    rates = {
        side: [given.count / each["wall"] for each in found] for side, found in (("ours", ours), ("by hand", theirs))
    }
    told = "; ".join(f"{side} {middle(values, 1)}" for side, values in rates.items())
    peak = statistics.median(each["RssAnon"] for each in fewer)
    what = f"headstart predict, {given.count} {field.noun}, {field.network}, {given.backend}, float32"
    return [
        Ratio(
            "L4",
            what,
            "read by hand and OpenVINO with a stream a core",
            tuple(other["wall"] / own["wall"] for own, other in zip(ours, theirs, strict=True)),
            f"A second: {told}. {100 * same:.1f} % of answers are the same.",
            holds=same >= SAME,
        ),
        Ratio(
            "L4m",
            what,
            f"itself at {given.count // TIMES}",
            tuple(each["RssAnon"] / peak for each in ours),
            f"{middle([each['RssAnon'] for each in ours], 0, ' MiB')} anonymous against {peak:.0f} MiB.",
        ),
    ]


def done(command: tuple[Any, ...], variables: Mapping[str, str]) -> None:
    """Run a command that is not measured. Stops the benchmark where it fails."""
    process = subprocess.run(list(map(str, command)), env=dict(variables), capture_output=True, text=True, check=False)
    if process.returncode != 0:
        sys.exit(f"exit code {process.returncode}: {' '.join(map(str, command))}\n{process.stderr[-4000:]}")


def answered(run: Path, data: Path, given: argparse.Namespace, variables: Mapping[str, str]) -> Measured:
    """Seconds and peaks of our process, whose answers lie below `ours`."""
    out = given.out / "ours"
    shutil.rmtree(out, ignore_errors=True)
    return peak_of((HEADSTART, "predict", run, data, "--jsonl", "--out", out), variables, given.out / "told.txt")


def by_hand(job: Path, given: argparse.Namespace) -> Measured:
    """Seconds of the control."""
    started = time.perf_counter()
    done((PYTHON, HERE / "many_answers_by_hand.py", job, given.out / "by-hand.jsonl"), environment())
    return {"wall": round(time.perf_counter() - started, 2)}


def agreement(ours: Path, theirs: Path) -> float:
    """The share of answers that are the same, in their order."""
    own, other = ([json.loads(line)["prediction"] for line in path.open(encoding="utf-8")] for path in (ours, theirs))
    return float(np.mean([mine == his for mine, his in zip(own, other, strict=True)]))


def handed(field: Field, run: Path, data: Path, given: argparse.Namespace) -> Path:
    """What the control gets: the graph of the backbone, the head's numbers, the names of classes, and what to read."""
    path = given.out / f"job-{given.backend}.json"
    os.environ["KERAS_BACKEND"] = given.backend
    from headstart.artefact import Artefact
    from headstart.engine.features.export import Exporters
    from headstart.registry import load_registry

    registry = load_registry()
    artefact = Artefact.load(run / "artefact", registry=registry)
    stop = len(artefact.network.stages) - 1
    graph = given.out / f"graph-{given.backend}"
    if not (graph / "graph.xml").exists():
        graph.mkdir(parents=True, exist_ok=True)
        with Exporters(registry) as exporters:
            exporters.export(registry.get("engines", ENGINE), graph, artefact=run / "artefact", stop=stop)
    kernel, bias = artefact.network.stages[stop].model.get_weights()
    np.savez(given.out / "head.npz", kernel=kernel, bias=bias)
    document = {
        "field": given.field,
        "data": str(data.resolve()),
        "graph": str(graph.resolve()),
        "head": str((given.out / "head.npz").resolve()),
        "classes": list(artefact.task.labels()["classes"]),
        "assets": str((run / "artefact" / "assets").resolve()),
        **field.hand,
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def picture_data(out: Path, count: int) -> Path:
    """Pictures of Fashion-MNIST."""
    return picture_folder("fashion", count, out / "data").resolve()


def text_data(out: Path, count: int) -> Path:
    """Movie sentences in a table, from the first again where there are fewer."""
    path = out / "data" / f"sentences-{count}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = [record.payload for record in records_of("movie_sentences")]
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("id", "text"))
            rows.writerows((number, texts[number % len(texts)]) for number in range(count))
    return path


def sound_data(out: Path, count: int) -> Path:
    """Clips of `accents`, from the first again where there are fewer."""
    folder = out / "data" / f"clips-{count}"
    if not (folder / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        files = [Path(record.payload) for record in records_of("accents")]
        for number in range(count):
            shutil.copyfile(files[number % len(files)], folder / f"{number:05d}.flac")
        (folder / ".complete").touch()
    return folder.resolve()


SECONDS = 5
FIELDS: Mapping[str, Field] = {
    "pictures": Field(
        "pictures",
        "lite0 at 224 px",
        10_000,
        lambda out: picture_folder("fashion", 1500, out / "data").resolve(),
        picture_data,
        ("--backbone", "efficientnet_lite/lite0"),
        {"size": 224},
    ),
    "texts": Field(
        "movie sentences",
        "MiniLM",
        10_000,
        lambda out: Path("movie_sentences"),
        text_data,
        ("--limit", "1000", "--backbone", "hf_text/all_minilm_l6"),
        {"tokens": 256},
    ),
    "sounds": Field(
        "clips of 2 to 4 s",
        f"Whisper tiny.en in windows of {SECONDS} s",
        1_000,
        lambda out: Path("accents"),
        sound_data,
        ("--limit", "300", "--backbone", "whisper/tiny_en", "--set", f"input.seconds={SECONDS}"),
        {"rate": 16_000, "samples": SECONDS * 16_000},
    ),
}


if __name__ == "__main__":
    main()
