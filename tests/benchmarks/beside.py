"""This checkout beside another one, such as the commit before: the rows of BENCHMARKS.md that a change may not cost.

    git clone . /tmp/before && git -C /tmp/before checkout COMMIT && make -C /tmp/before .venv/.dev
    python tests/benchmarks/beside.py --before /tmp/before

Both checkouts have environments of their own (`.venv`), and run their own scripts. Whole processes take turns, before
and after, round by round:

    P1, P2   `headstart fit` by probe on Fashion-MNIST at 224 px, with an empty cache and with the one it left
    P4, P5   `finetune.py`: a training step, and an epoch of the top quarter, each as a ratio to its own control
    P7       `headstart --help`
    P8       the peak of anonymous memory of `headstart fit` at N pictures and at ten times as many (`memory.py`)
    L0, L1   `busy.py` and `one_picture.py` of this checkout, in the environment of each: one checkout after the other,
             since each ratio is to a control of the same minute

A ratio above 1 says that this checkout is the faster, or the smaller, one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from picture_folders import picture_folder
from processes import environment, timed
from sweep import ROOT, show

ROWS = ("P1", "P4", "P7", "P8", "L0", "L1")


@dataclass(frozen=True)
class Side:
    """A checkout with its environment."""

    name: str
    path: Path

    def run(self, *command: str | Path, **variables: str | Path) -> tuple[float, dict]:
        """Seconds of a program of its environment, and the JSON that it printed, or nothing."""
        return timed((self.path / ".venv" / "bin" / command[0], *command[1:]), environment(**variables))


@dataclass(frozen=True)
class Beside:
    """Figures of both sides, one a round: seconds, or a ratio to a control; `is_better` "lower" or "higher"."""

    row: str
    what: str
    before: Sequence[float]
    after: Sequence[float]
    is_better: str = "lower"

    def cells(self) -> tuple[str, ...]:
        """For the table."""
        pairs = zip(self.before, self.after, strict=True)
        ratios = [before / after if self.is_better == "lower" else after / before for before, after in pairs]
        middle = (
            f"{statistics.median(each):.3g} ({min(each):.3g} to {max(each):.3g})" for each in (self.before, self.after)
        )
        return (self.row, self.what, *middle, f"{statistics.median(ratios):.3g}")


def main() -> int:
    """Measure in turn, and print the table row by row."""
    given = parse()
    sides = Side("before", given.before.resolve()), Side("after", ROOT)
    measures = {"P1": fits, "P4": steps, "P7": helps, "P8": peaks, "L0": busy, "L1": one_picture}
    found = [each for row in given.rows for each in measures[row](sides, given)]
    title = f"{sides[0].path} beside {sides[1].path}, {given.rounds} rounds in turn; a ratio above 1 is for the latter"
    show(("row", "what", "before", "after", "ratio"), [each.cells() for each in found], title=title)
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS, metavar="ROW")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--count", type=int, default=1200, metavar="N", help="pictures of P1")
    parser.add_argument(
        "--memory-count", type=int, default=500, metavar="N", help="pictures of P8; then ten times as many"
    )
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-beside"))
    return parser.parse_args()


def fits(sides: Sequence[Side], given: argparse.Namespace) -> Iterator[Beside]:
    """P1 and P2."""
    data = picture_folder("fashion", given.count, given.out / "data").resolve()
    for backend in given.backends:
        seconds: dict[tuple[str, str], list[float]] = {}
        for _ in range(given.rounds):
            for side in sides:
                cache, run = given.out / f"cache-{side.name}", given.out / f"run-{side.name}"
                shutil.rmtree(cache, ignore_errors=True)
                for row in ("P1", "P2"):
                    shutil.rmtree(run, ignore_errors=True)
                    command = ("headstart", "fit", data, "--backbone", "efficientnet_lite/lite0", "--strategy", "probe")
                    command += ("--backend", backend, "--out", run.resolve(), "--json")
                    wall, _ = side.run(*command, HEADSTART_CACHE=cache.resolve())
                    seconds.setdefault((row, side.name), []).append(wall)
                    print(f"{row} {backend} {side.name}: {wall:.1f} s", file=sys.stderr, flush=True)
        for row, what in (("P1", "an empty cache"), ("P2", "the cache that it left")):
            yield Beside(row, f"seconds of a probe, {backend}, {what}", *(seconds[row, side.name] for side in sides))


def steps(sides: Sequence[Side], given: argparse.Namespace) -> Iterator[Beside]:
    """P4 and P5, each side against its own controls in the same minute."""
    for backend in given.backends:
        ratios: dict[tuple[str, str], list[float]] = {}
        for number in range(given.rounds):
            for side in sides:
                file = (given.out / f"finetune-{backend}-{side.name}-{number}.json").resolve()
                script = side.path / "tests" / "benchmarks" / "finetune.py"
                command = (
                    "sh",
                    "-c",
                    f"{side.path}/.venv/bin/python {script} --rounds 3 --json {file} >&2 && echo {{}}",
                )
                timed(command, environment(KERAS_BACKEND=backend))
                for row in json.loads(file.read_text("utf-8"))["ratios"]:
                    key = f"{row['row']} against {row['against']}"
                    ratios.setdefault((key, side.name), []).append(statistics.median(row["ratios"]))
                print(f"P4 {backend} {side.name} done", file=sys.stderr, flush=True)
        for key in dict.fromkeys(key for key, _ in ratios):
            sided = (ratios[key, side.name] for side in sides)
            yield Beside(key.partition(" ")[0], f"{backend}, times {key.partition('against ')[2]}", *sided, "higher")


def helps(sides: Sequence[Side], given: argparse.Namespace) -> Iterator[Beside]:
    """P7."""
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(5 * given.rounds):
        for side in sides:
            command = ("sh", "-c", f"{side.path}/.venv/bin/headstart --help >&2 && echo {{}}")
            seconds[side.name].append(timed(command, environment())[0])
    yield Beside("P7", "seconds of headstart --help", *(seconds[side.name] for side in sides))


def peaks(sides: Sequence[Side], given: argparse.Namespace) -> Iterator[Beside]:
    """P8: how the peak grows with ten times the pictures."""
    for backend in given.backends:
        growth: dict[str, list[float]] = {side.name: [] for side in sides}
        for number in range(given.rounds):
            for side in sides:
                out = (given.out / f"memory-{side.name}-{number}").resolve()
                script = side.path / "tests" / "benchmarks" / "memory.py"
                found = Path(f"{out}-{backend}.json")
                flags = f"--rounds 1 --count {given.memory_count} --backends {backend} --out {out} --json {found}"
                timed(("sh", "-c", f"{side.path}/.venv/bin/python {script} {flags} >&2 && echo {{}}"), environment())
                growth[side.name].append(statistics.median(json.loads(found.read_text("utf-8"))["ratios"][0]["ratios"]))
                print(f"P8 {backend} {side.name}: {growth[side.name][-1]:.2f}", file=sys.stderr, flush=True)
        yield Beside(
            "P8",
            f"{backend}: peak at ten times over the peak at {given.memory_count}",
            *(growth[s.name] for s in sides),
        )


def busy(sides: Sequence[Side], given: argparse.Namespace) -> Iterator[Beside]:
    """L0: each side over its own controls."""
    yield from scripted("busy", [], sides, given)


def one_picture(sides: Sequence[Side], given: argparse.Namespace) -> Iterator[Beside]:
    """L1 and L1m: each side over its own controls."""
    yield from scripted("one_picture", ["--backends", *given.backends], sides, given)


def scripted(name: str, flags: Sequence[str], sides: Sequence[Side], given: argparse.Namespace) -> Iterator[Beside]:
    """Every ratio of a script of this checkout that knows of no way to run but the command line; less is better."""
    script = (ROOT / "tests" / "benchmarks" / f"{name}.py").resolve()
    medians: dict[tuple[str, str, str], list[float]] = {}
    for side in sides:
        out = (given.out / f"{name}-{side.name}").resolve()
        found = out.with_suffix(".json")
        told = " ".join([*flags, "--rounds", str(given.rounds), "--out", str(out), "--json", str(found)])
        timed(("sh", "-c", f"{side.path}/.venv/bin/python {script} {told} >&2 && echo {{}}"), environment())
        for each in json.loads(found.read_text("utf-8"))["ratios"]:
            key = each["row"], f"{each['what']}, over {each['against']}", side.name
            medians[key] = [statistics.median(each["ratios"])]
        print(f"{name} {side.name} done", file=sys.stderr, flush=True)
    for row, what in dict.fromkeys(key[:2] for key in medians):
        yield Beside(row, what, *(medians[row, what, side.name] for side in sides))


if __name__ == "__main__":
    sys.exit(main())
