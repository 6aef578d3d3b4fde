"""L1: `headstart predict` on one picture, beside the imports that it cannot do without.

    python tests/benchmarks/one_picture.py

Whole processes in turn, with what the compilers of the backends keep between runs: `import torch`, `import keras` on
the backend, and the answer to one picture by a run that the benchmark makes first. Seconds are of the wall; memory is
the peak of RssAnon and RssFile together, as `peaks.py` reads it.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from kept import Kept, Measured
from peaks import watch
from picture_folders import picture_folder
from processes import HEADSTART, PYTHON, environment, timed
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

SECONDS, MEGABYTES = 0.5, 100
"""What an answer may take beyond the import of Keras."""


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    found = [ratio for backend in given.backends for ratio in compare(backend, given, kept)]
    settings = f"whole processes, {given.rounds} rounds in turn after one that is not counted; lite0 at 224 px"
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"One picture: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-one-picture"), help="pictures, runs, measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "one_picture.json", help="where the ratios go")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    return parser.parse_args()


def compare(backend: str, given: argparse.Namespace, kept: Kept) -> Sequence[Ratio]:
    """The answer beside both imports."""
    data = picture_folder("fashion", 300, given.out / "data")
    run = given.out / f"run-{backend}"
    variables = environment(HEADSTART_CACHE=given.out / "cache", KERAS_BACKEND=backend)
    if not (run / "result.json").exists():
        command = (HEADSTART, "fit", data, "--backbone", "efficientnet_lite/lite0", "--strategy", "probe")
        timed((*command, "--out", run, "--json"), variables)
    picture = sorted(data.rglob("*.png"))[0]
    commands = {
        "import torch": (PYTHON, "-c", "import torch"),
        "import keras": (PYTHON, "-c", "import keras"),
        "predict": (HEADSTART, "predict", run, picture),
    }
    taken: dict[str, list[Measured]] = {name: [] for name in commands}
    for number in range(given.rounds + 1):
        for name, command in commands.items():
            measured = kept.once(f"{backend}/{number}/{name}", lambda command=command: process(command, variables))
            if number:  # the first fills the compilers' caches
                taken[name].append(measured)
    beyond = {
        field: [own[field] - theirs[field] for own, theirs in zip(taken["predict"], taken["import keras"], strict=True)]
        for field in ("wall", "memory")
    }
    told = "; ".join(
        ", ".join(
            (
                f"{name} {middle([each['wall'] for each in found], 2, ' s')}",
                middle([each["memory"] for each in found], 0, " MB"),
            )
        )
        for name, found in taken.items()
    )
    what = f"headstart predict of one picture, lite0 at 224 px, {backend}, float32"
    note = f"beyond import keras: {middle(beyond['wall'], 2, ' s')}, {middle(beyond['memory'], 0, ' MB')}; {told}."
    return (
        Ratio("L1", what, f"import keras and {SECONDS} s", over(taken, "import keras", "wall", SECONDS), note),
        Ratio("L1m", what, f"import keras and {MEGABYTES} MB", over(taken, "import keras", "memory", MEGABYTES), note),
        Ratio("L1", what, "import torch", over(taken, "import torch", "wall", 0), counts=False),
    )


def over(taken: dict[str, list[Measured]], control: str, field: str, allowed: float) -> tuple[float, ...]:
    """Of each round: what the answer took over what its control took and what is allowed beyond that."""
    return tuple(
        own[field] / (theirs[field] + allowed) for own, theirs in zip(taken["predict"], taken[control], strict=True)
    )


def process(command: Sequence[str | Path], variables: dict[str, str]) -> Measured:
    """Seconds and the peak of memory in MB of a process."""
    started = time.perf_counter()
    running = subprocess.Popen(list(map(str, command)), env=variables, stdout=subprocess.DEVNULL)
    peaks = watch(running)
    if running.returncode != 0:
        raise SystemExit(f"exit code {running.returncode}: {' '.join(map(str, command))}")
    return {"wall": time.perf_counter() - started, "memory": sum(peaks.values())}


if __name__ == "__main__":
    main()
