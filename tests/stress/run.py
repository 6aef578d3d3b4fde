"""`make stress`: every figure of crash safety in full, on both backends.

    python tests/stress/run.py [--quick] [--backend jax] [--only R4]
    python tests/stress/run.py --table --write      # nothing is run; BENCHMARKS.md gets what was measured last

A line each: the promise, what was tried, how often, how often it failed, and whether that is as it should be; where a
bug was planted, failures are what is wanted. The exit code is 1 where one is not.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parent))

from ratios import machine
from rich.console import Console
from rich.table import Table
from rig import faults, kernel, kills, losses, random_kills, repeats, resumes, signals
from rig.disk import full_disk
from rig.figures import COLUMNS, Figure, read_figures, replaced, told_in_rows, write_figures
from rig.locks import races
from sections import markdown_table, with_section
from sweep import ROOT

BACKENDS = ("jax", "torch")
PUBLISHED = Path(__file__).with_name("figures.json")
"""What BENCHMARKS.md tells, from which another checkout goes on."""
RANDOM_MOMENTS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0)
"""Seconds after the start of a run of a larger network at which it is interrupted."""

Measure = Callable[[Path], Iterable[Figure]]


@dataclass(frozen=True)
class Sizes:
    """How often each thing is tried."""

    kills: int = 200
    points: Sequence[resumes.Point] = resumes.POINTS
    signals: Sequence[resumes.Point] = signals.POINTS
    moments: Sequence[float] = RANDOM_MOMENTS
    repeats: int = 5
    races: int = 20


QUICK = Sizes(6, resumes.POINTS[6:15:4], signals.POINTS[::9], RANDOM_MOMENTS[3:6:2], 2, 5)


def of_the_file_system(sizes: Sizes) -> Iterator[tuple[str, Measure]]:
    """What needs no backend."""
    yield "R1", lambda at: [kills.at_every_call(at / "sound")]
    yield "R1", lambda at: [kills.at_every_call(at / bug, bug) for bug in ("in place", "old ones first")]
    yield "R2", lambda at: [losses.after_every_call(at, dice=20)]
    yield "R2", lambda at: [losses.after_every_call(_made(at / part), left_out=part, dice=0) for part in losses.PARTS]
    yield "R2", lambda at: [losses.files_after_every_call(at, dice=20)]
    yield (
        "R2",
        lambda at: [
            losses.files_after_every_call(_made(at / part), left_out=part, dice=0) for part in losses.FILE_PARTS
        ],
    )
    yield "R3", lambda at: [faults.at_every_call(at), faults.at_every_call(at, "silently")]
    if kernel.can_trace():
        yield "R3", lambda at: [kernel.refusals(at)]
    yield "R3", lambda at: full_disk(at)
    yield "R14", lambda at: races(at, sizes.races)


def of_a_backend(backend: str, sizes: Sizes) -> Iterator[tuple[str, Measure]]:
    """What runs the whole."""
    yield "R1", lambda at: [random_kills.killed_at_random(at, backend, sizes.kills)]
    yield "R1", lambda at: [random_kills.killed_at_random(at, backend, 20, bug="in place")]
    yield "R4", lambda at: [resumes.resumed_everywhere(at, backend, sizes.points)]
    yield "R4", lambda at: resumes.planted_bugs(at, backend)
    yield "R5", lambda at: [signals.delivered(at, backend, sizes.signals)]
    yield "R5", lambda at: [signals.at_random_moments(at, backend, sizes.moments)]
    yield "R5", lambda at: [signals.unheard(at, backend)]
    yield "R12", lambda at: [repeats.repeated(at, backend, sizes.repeats), repeats.other_seed(at, backend)]
    yield "R13", lambda at: [repeats.diverged(at, backend), repeats.unwatched(at, backend)]


def measured(work: Iterable[tuple[str, Measure]], only: Sequence[str]) -> Iterator[Figure]:
    """Each figure as it is there, in a scratch folder that goes afterwards."""
    for promise, measure in work:
        if only and promise not in only:
            continue
        scratch = Path(tempfile.mkdtemp(prefix="headstart-stress-"))
        try:
            for figure in measure(scratch):
                _tell(figure)
                yield figure
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def measured_on(backend: str, sizes: Sizes, only: Sequence[str]) -> list[Figure]:
    """The figures of a backend, in a process of its own."""
    return list(measured(of_a_backend(backend, sizes), only))


def main() -> int:
    """Measure, print and write. What was not measured this time stays as it was in the file of `--json`, or without
    one as it was published."""
    asked = _arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell; runs inherit that
    figures = read_figures(asked.json) or read_figures(PUBLISHED)
    for found in () if asked.table else all_measured(asked.backend, QUICK if asked.quick else Sizes(), asked.only):
        figures = replaced(figures, found)
        write_figures(figures, asked.json)
    _print_table(figures)
    if asked.write:
        _write(figures)
    return int(not all(figure.holds for figure in figures))


def all_measured(chosen: Sequence[str], sizes: Sizes, only: Sequence[str]) -> Iterator[list[Figure]]:
    """Those that need no backend where none is chosen, then those of each backend, as they are done.

    A backend has a process of its own, since a process has one.
    """
    if not chosen:
        yield list(measured(of_the_file_system(sizes), only))
    backends = chosen or BACKENDS
    with ProcessPoolExecutor(len(backends), get_context("spawn"), max_tasks_per_child=1) as pool:
        done = as_completed([pool.submit(measured_on, backend, sizes, only) for backend in backends])
        yield from (each.result() for each in done)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a look in a quarter of an hour")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="only what runs on it; can be repeated")
    parser.add_argument("--only", action="append", default=[], metavar="R4", help="a promise; can be repeated")
    parser.add_argument("--json", type=Path, default=Path("runs/stress/figures.json"))
    parser.add_argument("--table", action="store_true", help="run nothing: print what is there")
    parser.add_argument("--write", action="store_true", help="put the table into BENCHMARKS.md, and JSON beside this")
    return parser.parse_args()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _tell(figure: Figure) -> None:
    state = "as it should be" if figure.holds else "NOT as it should be"
    planted = f" (planted: {figure.planted})" if figure.planted else ""
    line = f"{figure.promise} {figure.backend} {figure.what}{planted}: {len(figure.failures)} of {figure.count} failed"
    print(f"{line}, {state}", flush=True)
    if not figure.holds:
        print("\n".join(f"  - {failure}" for failure in figure.failures[:5]), flush=True)


def _print_table(figures: Sequence[Figure]) -> None:
    table = Table(*COLUMNS)
    for row in told_in_rows(figures):
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 150).print(table)


def _write(figures: Sequence[Figure]) -> None:
    told = (
        "## Crash safety, counted\n",
        "`make stress`: each promise with how often it was tried and how often it failed. Where a bug was planted, "
        f"failures are what is wanted: they show that the check can see it. {machine()}.\n",
        markdown_table(COLUMNS, told_in_rows(figures)),
    )
    page = ROOT / "BENCHMARKS.md"
    page.write_text(with_section(page.read_text(encoding="utf-8"), "stress", "\n".join(told)), encoding="utf-8")
    write_figures(figures, PUBLISHED)


if __name__ == "__main__":
    sys.exit(main())
