"""P1, P1j, P1c and P2: whole processes, from nothing to a trained head, beside what others would write.

    python tests/benchmarks/cold.py
    python tests/benchmarks/cold.py --quick

Ours is `headstart fit --strategy probe` with an empty cache (P1), and once more with the cache that it left (P2). The
controls are ten frozen epochs of plain Keras (`tutorial.py`) and PyTorch by hand with L-BFGS (`by_hand.py`, P1c), on
the same pictures, split and weights. Everything counts: imports, decoding, compilation, writing the cache, the
artefact, its reload and test. The sides take turns. The tutorial takes many minutes, so its rounds are counted apart.
What it draws, its head and the order of pictures, follows from a seed (`--tutorial-seed`).
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from cold_cases import CASES, Case, Prepared, prepare
from cold_report import Sides, ratios_of
from kept import Kept, Measured
from processes import HEADSTART, HERE, PYTHON, environment, timed
from ratios import FOUND, Ratio, show_ratios, write_ratios

EPOCHS = 10
FLAGS = "--engine auto --precision float32"
QUICK = {"count": 300, "rounds": 1, "epochs": 2, "backends": ["torch"]}


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    found: list[Ratio] = []
    for case in chosen(given.cases):
        ready = prepare(case, count=given.count, epochs=given.epochs, flags=tuple(given.flags.split()), out=given.out)
        for backend in given.backends:
            sides = measure(ready, backend, given, kept)
            found += ratios_of(ready, backend, sides, epochs=EPOCHS, run_epochs=given.epochs)
    settings = (
        f"whole processes; flags of ours: {given.flags}; {given.rounds} rounds of ours and of PyTorch by "
        f"hand in turn, {given.tutorial_rounds} of the tutorial at batch 32, drawn from seed {given.tutorial_seed} on"
    )
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Cold and second runs: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-cold"), help="pictures, runs and measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "cold.json", help="where the ratios go")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--cases", nargs="+", metavar="NAME", help=", ".join(case.name for case in CASES))
    parser.add_argument("--count", type=int, default=1500, metavar="N", help="pictures of Fashion-MNIST")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of ours, and of PyTorch by hand")
    parser.add_argument("--tutorial-rounds", type=int, default=1, metavar="N", help="of the tutorial's ten epochs")
    parser.add_argument("--tutorial-seed", type=int, default=0, metavar="N", help="of its first round; then N + 1")
    parser.add_argument(
        "--epochs", type=int, default=EPOCHS, help="of the tutorial; fewer (2 at least) are extrapolated"
    )
    parser.add_argument("--flags", default=FLAGS, metavar="TEXT", help=f'of ours: --flags="{FLAGS}" if not given')
    parser.add_argument("--quick", action="store_true", help=f"one case, {QUICK}")
    given = parser.parse_args()
    if given.quick:
        parser.set_defaults(**QUICK, cases=[CASES[0].name], json=FOUND / "quick" / "cold.json")
        given = parser.parse_args()
    return given


def chosen(names: Sequence[str] | None) -> list[Case]:
    """The cases by name; all without."""
    unknown = set(names or ()) - {case.name for case in CASES}
    if unknown:
        sys.exit(f"unknown case {', '.join(sorted(unknown))}; known: {', '.join(case.name for case in CASES)}")
    return [case for case in CASES if names is None or case.name in names]


def measure(ready: Prepared, backend: str, given: argparse.Namespace, kept: Kept) -> Sides:
    """Every round of every side, in turn."""
    sides = Sides([], [], [], [])
    key = f"{ready.folder.name}/{backend}/{given.flags.replace(' ', '_')}"
    for number in range(given.rounds):
        cache = ready.folder / f"cache-{backend}-{number}"
        once = kept.once(f"{key}/cold+second/{number}", lambda cache=cache: cold_and_second(ready, backend, cache))
        sides.cold.append(once["cold"])
        sides.second.append(once["second"])
        if backend == "torch" and "lite0" in ready.case.name:
            sides.by_hand.append(kept.once(f"{ready.folder.name}/by-hand/{number}", lambda: by_hand(ready)))
        if number < given.tutorial_rounds:
            seed = given.tutorial_seed + number
            name = f"{ready.folder.name}/{backend}/tutorial-{given.epochs}/seed-{seed}"
            sides.tutorial.append(kept.once(name, lambda seed=seed: tutorial(ready, backend, seed)))
    return sides


def cold_and_second(ready: Prepared, backend: str, cache: Path) -> Measured:
    """One run with an empty cache, and one with what it left there."""
    shutil.rmtree(cache, ignore_errors=True)
    both = {name: ours(ready, backend, cache) for name in ("cold", "second")}
    shutil.rmtree(cache, ignore_errors=True)
    return both


def ours(ready: Prepared, backend: str, cache: Path) -> Measured:
    """Seconds and accuracies of `headstart fit`."""
    run = ready.folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    command = (HEADSTART, "fit", *ready.flags, "--backend", backend, "--out", run, "--json")
    wall, result = timed(command, environment(HEADSTART_CACHE=cache))
    accuracies = {split: result["metrics"][split]["accuracy"] for split in ("val", "test")}
    engine = f"{result['engine']['name']} {result['engine']['precision']}" if "engine" in result else "unknown"
    parts = {name: round(value, 2) for name, value in result["seconds"].items()}
    return {"wall": round(wall, 3), **accuracies, "engine": engine, "parts": parts}


def tutorial(ready: Prepared, backend: str, seed: int) -> Measured:
    """Seconds, accuracies and epochs of the tutorial, drawn from `seed`."""
    variables = environment(KERAS_BACKEND=backend, KERAS_HOME=ready.folder / "keras")
    wall, told = timed((PYTHON, HERE / "tutorial.py", ready.job, "--seed", str(seed)), variables)
    return {"wall": round(wall, 3), **told}


def by_hand(ready: Prepared) -> Measured:
    """Seconds and accuracies of PyTorch by hand."""
    wall, told = timed((PYTHON, HERE / "by_hand.py", ready.job), environment())
    return {"wall": round(wall, 3), **told}


if __name__ == "__main__":
    main()
