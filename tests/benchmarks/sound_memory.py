"""A6: the peak of anonymous memory of `headstart fit` and `headstart evaluate` at N clips and at ten times as many.

    python tests/benchmarks/sound_memory.py

Read as `peaks.py` says. Clips of 3 s are written first; the engine is named, so that both sizes run in the same one.
"""

from __future__ import annotations

import argparse
import shutil
import wave
from pathlib import Path

import numpy as np
from kept import Kept, Measured
from peaks import few_and_many, peak_of
from processes import HEADSTART, environment
from ratios import FOUND, Ratio, show_ratios, write_ratios

RATE, SECONDS, SIDE = 16_000, 3, 96
DONE = ".complete"


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    found = [compare(verb, backend, given, kept) for backend in given.backends for verb in ("fit", "evaluate")]
    settings = (
        f"probe of EfficientNet-Lite0 on spectrograms of {SECONDS} s at {SIDE} px, engine {given.engine}, float32; "
        f"{given.rounds} rounds"
    )
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Memory of sounds: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-sound-memory"), help="data, runs and measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "sound-memory.json", help="where the ratios go")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--count", type=int, default=300, metavar="N", help="clips; then ten times as many")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    return parser.parse_args()


def compare(verb: str, backend: str, given: argparse.Namespace, kept: Kept) -> Ratio:
    """Few and many clips in turn."""
    return few_and_many(
        "A6",
        f"headstart {verb}, {{many}} clips of {SECONDS} s, EfficientNet-Lite0, {backend}",
        noun="clips",
        count=given.count,
        rounds=given.rounds,
        key=f"{backend}/{given.engine}/{{count}}/{{number}}/{verb}",
        kept=kept,
        measure=lambda count: peak(verb, count, backend, given),
    )


def peak(verb: str, count: int, backend: str, given: argparse.Namespace) -> Measured:
    """Peaks in MiB over one command; `evaluate` scores the run that `fit` left, on all its splits."""
    run, cache = given.out / f"run-{backend}-{count}", given.out / "cache"
    if verb == "fit":
        for left in (run, cache):
            shutil.rmtree(left, ignore_errors=True)
        command: list[str | Path] = [HEADSTART, "fit", clips(given.out / "data", count), "--strategy", "probe"]
        command += ["--backbone", "efficientnet_lite/lite0", "--image-size", str(SIDE), "--backend", backend]
        command += ["--engine", given.engine, "--precision", "float32", "--out", run, "--reporter", "json"]
    else:
        command = [HEADSTART, "evaluate", run, "--split", "all", "--backend", backend]
    return peak_of(command, environment(HEADSTART_CACHE=cache), given.out / "stderr.txt")


def clips(under: Path, count: int) -> Path:
    """A folder of so many clips in three classes, written once: a tone of each class in noise."""
    folder = under / f"clips-{count}"
    if not (folder / DONE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        times = np.arange(RATE * SECONDS) / RATE
        for number in range(count):
            label = number % 3
            noise = np.random.default_rng(number).uniform(-0.3, 0.3, len(times))
            samples = noise + 0.1 * np.sin(2 * np.pi * 500 * (label + 1) * times)
            path = folder / "abc"[label] / f"{number:05d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
                file.writeframes(np.rint(32_000 * samples).astype("<i2").tobytes())
        (folder / DONE).touch()
    return folder


if __name__ == "__main__":
    main()
