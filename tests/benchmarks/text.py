"""T1 and T2: texts a second through a frozen sentence encoder, and a step that trains all of it.

    KERAS_BACKEND=torch python tests/benchmarks/text.py --control .venv/references/transformers/bin/python
    KERAS_BACKEND=jax python tests/benchmarks/text.py --control .venv/references/transformers/bin/python

Ours is what `fit` runs: in T1 the prefix below the head, in the engine that `auto` takes, over rows of different
lengths; in T2 the engine's update of every weight. The controls (`text_control.py`) run in an environment that has
transformers: in T1 all texts sorted by their length, in the best of PyTorch, ONNX Runtime and OpenVINO, each at its
best batch; in T2 PyTorch by hand on transformers' model, on the same padded batch. Weights, tokens and float32 are the
same on both sides, and answers are compared. Tokenisation is left out, and told beside. The sides take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios
from text_sides import ENCODERS, Encoder, Extraction, Tokens, headed, open_encoder, our_step, read_texts, tokenised

HERE = Path(__file__).parent
BACKEND = keras.backend.backend()
CONTROL = Path(".venv/references/transformers/bin/python")
ENGINES = ("transformers on PyTorch", "ONNX Runtime", "OpenVINO")
SETS: dict[str, tuple[str, dict[str, Any]]] = {
    "movie sentences": ("text_sets/movie_sentences", {}),
    "package descriptions": ("text_sets/debian_sections", {"text": "full"}),
}
BATCH = 32


def main() -> None:
    """Measure, print and write the ratios."""
    given = parse()
    found: list[Ratio] = []
    for name in given.encoders:
        with Control(given.control, name) as control, tempfile.TemporaryDirectory() as scratch:
            if "T1" in given.rows:
                found += [extraction(control, texts, given, Path(scratch)) for texts in given.sets]
            if "T2" in given.rows:
                found += [training(control, length, given, Path(scratch)) for length in given.lengths]
    settings = (
        f"{BACKEND}, {given.count} texts a round (a quarter of the descriptions), training batches of {BATCH}, "
        f"float32, {given.rounds} rounds in turn, {threads()} threads, {given.clock} seconds, tokenisation left out"
    )
    write_ratios(given.json or FOUND / f"text-{BACKEND}.json", found, settings=settings)
    show_ratios(found, title=f"Text: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control", type=Path, default=CONTROL, help=f"Python with transformers ({CONTROL})")
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/text-BACKEND.json")
    parser.add_argument("--rows", nargs="+", default=["T1", "T2"], choices=("T1", "T2"))
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), choices=ENCODERS)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS, metavar="NAME")
    parser.add_argument("--lengths", nargs="+", type=int, default=[32, 64], help="tokens of a training batch")
    parser.add_argument("--engine", default="auto", help="of ours")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES, metavar="NAME")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="texts a round and side")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="processor on a busy machine")
    parser.add_argument("--quick", action="store_true", help="MiniLM, 200 sentences, three rounds")
    given = parser.parse_args()
    if given.quick:
        small = {"encoders": ["minilm"], "sets": ["movie sentences"], "lengths": [32], "count": 200, "rounds": 3}
        parser.set_defaults(**small, json=FOUND / "quick" / f"text-{BACKEND}.json")
        given = parser.parse_args()
    return given


def threads() -> int:
    """How many each side may use."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


class Control:
    """The process of `text_control.py` for one encoder."""

    def __init__(self, python: Path, name: str) -> None:
        self.encoder = open_encoder(name)
        weights = self.encoder.weights.parent if name == "minilm" else self.encoder.weights
        command = [python, HERE / "text_control.py", name, weights, threads()]
        self._process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

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


def extraction(control: Control, texts: str, given: argparse.Namespace, scratch: Path) -> Ratio:
    """T1 on one set of texts."""
    encoder = control.encoder
    dataset, options = SETS[texts]
    count = given.count if texts == "movie sentences" else given.count // 4
    raw = read_texts(encoder.registry, dataset, count, **options)
    started = time.process_time()
    tokens = tokenised(encoder, raw)
    reading = time.process_time() - started
    ours = Extraction(encoder, tokens, engine=given.engine, scratch=scratch)
    opened = {engine: opened for engine in given.engines if "absent" not in (opened := _open(control, engine, tokens))}
    sides: dict[str, Callable[[], float]] = {"ours": lambda: spent(ours.run, given.clock)}
    key = "seconds" if given.clock == "wall" else "processor"
    for engine in opened:
        sides[engine] = lambda engine=engine: control.ask("extract", engine=engine)[key]  # type: ignore[misc]
    rates = {side: [count / each for each in seconds] for side, seconds in in_turn(sides, given.rounds).items()}
    best = max(opened, key=lambda engine: float(np.median(rates[engine])))
    theirs = vectors_of(control, best)
    apart = float(np.abs(ours.run() - theirs).max())
    told = "; ".join(f"{side} {middle(values, 1)}" for side, values in rates.items())
    batches = ", ".join(f"{engine} {each['batch']}" for engine, each in opened.items())
    return Ratio(
        row="T1" if BACKEND == "torch" else "T1j",
        what=f"{encoder.name}, {count} {texts} of {_lengths(tokens)} tokens, float32, {BACKEND}",
        against=f"{best}, the best of {len(opened)}",
        ratios=tuple(own / other for own, other in zip(rates["ours"], rates[best], strict=True)),
        note=f"Texts a second: {told}. Ours ran in {ours.decided.engine}, controls on batches of {batches}. Vectors "
        f"differ by at most {apart:.1e} (deviation {theirs.std():.3f}). Tokenisation "
        f"{1e6 * reading / count:.0f} us a text.",
        holds=apart <= 1e-4,
    )


def _open(control: Control, engine: str, tokens: Tokens) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file, ids=tokens.tensors["ids"], types=tokens.tensors["types"], used=tokens.lengths.used)
        file.flush()
        control.ask("texts", file=file.name)
    opened = control.ask("open", engine=engine)
    if "absent" in opened:
        print(f"{engine} left out: {opened['absent']}")
    return opened


def vectors_of(control: Control, engine: str) -> np.ndarray:
    """What a control gives for its rows (row, width)."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        control.ask("extract", engine=engine, answers=file.name)
        return np.asarray(np.load(file.name))


def _lengths(tokens: Tokens) -> str:
    """The middle and the range."""
    used = tokens.lengths.used
    return f"{int(np.median(used))} [{used.min()}, {used.max()}]"


def training(control: Control, length: int, given: argparse.Namespace, scratch: Path) -> Ratio:
    """T2 on one batch of sentences that are about `length` tokens long."""
    encoder = control.encoder
    tokens = batch_of(encoder, length)
    network, task = headed(encoder, tokens)
    step = our_step(network, task, encoder.registry)
    classes, mask = np.arange(BATCH, dtype=np.int32) % 2, np.ones(BATCH, np.float32)
    kernel = np.asarray(keras.ops.convert_to_numpy(network.stages[-1].model.trainable_variables[0]))
    file = scratch / "batch.npz"
    np.savez(file, **tokens.tensors, classes=classes, kernel=kernel)
    expected = control.ask("prepare_step", file=str(file))["loss"]
    loss = step(tokens.tensors, {"class": classes}, mask).loss
    key = "seconds" if given.clock == "wall" else "processor"
    sides = {
        "ours": lambda: spent(lambda: step(tokens.tensors, {"class": classes}, mask), given.clock),
        "by hand": lambda: control.ask("step", times=1)[key][0],
    }
    seconds = in_turn(sides, 3 * given.rounds)
    told = "; ".join(f"{side} {middle(values, 3, ' s')}" for side, values in seconds.items())
    least = min(seconds["by hand"]) / min(seconds["ours"])
    return Ratio(
        row="T2" if BACKEND == "torch" else "T2j",
        what=f"a step on the whole of {encoder.name}, batch {BATCH} x {length} tokens, float32",
        against="PyTorch by hand on transformers: scaled_dot_product_attention, fused AdamW",
        ratios=tuple(theirs / ours for ours, theirs in zip(seconds["ours"], seconds["by hand"], strict=True)),
        note=f"{told}. Fastest rounds: {least:.2f}. First losses {loss:.5f} and {expected:.5f}.",
        holds=abs(loss - expected) <= 1e-4,
    )


def batch_of(encoder: Encoder, length: int) -> Tokens:
    """The BATCH sentences that fill `length` tokens best, padded to that."""
    tokens = tokenised(encoder, read_texts(encoder.registry, "text_sets/movie_sentences", 1000))
    fitting = np.flatnonzero(tokens.lengths.used <= length)
    rows = fitting[np.argsort(tokens.lengths.used[fitting], kind="stable")][-BATCH:]
    return Tokens({name: array[rows, :length] for name, array in tokens.tensors.items()}, tokens.lengths.only(rows))


def spent(run: Callable[[], Any], clock: str) -> float:
    """Seconds of a call."""
    read = time.perf_counter if clock == "wall" else time.process_time
    started = read()
    run()
    return read() - started


def in_turn(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side in each round: A, B, C, A, B, C, ... after one call of each to warm up."""
    for side in sides.values():
        side()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            seconds[name].append(side())
    return seconds


if __name__ == "__main__":
    main()
