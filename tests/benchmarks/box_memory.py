"""D4: the peak of anonymous memory of `headstart fit` and `headstart evaluate` on pictures with boxes, at N pictures
and at ten times as many.

    python tests/benchmarks/box_memory.py

Drawn scenes of 96 pixels; one epoch of everything of NanoDet with random weights, with validation, the test and
predictions; then all splits are scored again. Metrics keep what was matched, some tens of bytes a box. Read as
`peaks.py` says.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

from kept import Kept, Measured
from peaks import few_and_many, peak_of
from processes import HEADSTART, environment
from ratios import FOUND, Ratio, show_ratios, write_ratios


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    found = [compare(verb, backend, given, kept) for backend in given.backends for verb in ("fit", "evaluate")]
    settings = f"NanoDet at half of its width, scenes of {given.size} px, float32; {given.rounds} rounds"
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Memory of boxes: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-box-memory"), help="data, runs and measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "box-memory.json", help="where the ratios go")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--count", type=int, default=500, metavar="N", help="pictures; then ten times as many")
    parser.add_argument("--size", type=int, default=96, metavar="PIXELS")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    return parser.parse_args()


def compare(verb: str, backend: str, given: argparse.Namespace, kept: Kept) -> Ratio:
    """Few and many pictures in turn."""
    return few_and_many(
        "D4",
        f"headstart {verb}, {{many}} scenes at {given.size} px, NanoDet, {backend}",
        noun="pictures",
        count=given.count,
        rounds=given.rounds,
        key=f"{backend}/{given.size}/{{count}}/{{number}}/{verb}",
        kept=kept,
        measure=lambda count: peak(verb, count, backend, given),
    )


def peak(verb: str, count: int, backend: str, given: argparse.Namespace) -> Measured:
    """Peaks in MiB over one command; `evaluate` scores the run that `fit` left, on all its splits."""
    run, cache = given.out / f"run-{backend}-{count}", given.out / "cache"
    if verb == "fit":
        for left in (run, cache):
            shutil.rmtree(left, ignore_errors=True)
        command: list[str | Path] = [HEADSTART, "fit", scenes(count, given), "--backbone", "nanodet/coco"]
        command += ["--weights", "none", "--set", "backbone.width=0.5", "--head", "plain", "--strategy", "scratch"]
        command += ["--epochs", "1", "--image-size", str(given.size), "--backend", backend, "--engine", "native"]
        command += ["--out", run, "--reporter", "json"]
    else:
        command = [HEADSTART, "evaluate", run, "--split", "all", "--backend", backend]
    return peak_of(command, environment(HEADSTART_CACHE=cache), given.out / "stderr.txt")


def scenes(count: int, given: argparse.Namespace) -> Path:
    """A folder of drawn scenes."""
    folder: Path = given.out / "data" / f"scenes-{given.size}-{count}"
    if not folder.exists():
        command = [HEADSTART, "datasets", "make", "stamp_scenes", "--out", folder]
        command += ["--set", f"scenes={count}", "--set", f"size={given.size}"]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return folder


if __name__ == "__main__":
    main()
