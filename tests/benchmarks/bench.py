"""The rows of BENCHMARKS.md: each script that measures some of them, one after the other, then the table.

    python tests/benchmarks/bench.py                    # every row whose controls are here
    python tests/benchmarks/bench.py --only P1 P2 T3    # some rows
    python tests/benchmarks/bench.py --field masks      # those of a field
    python tests/benchmarks/bench.py --list             # measure nothing: the rows, and what measures them

What a script needs beyond the project, an environment of a control or a run of yours, is named where it is absent, and
the script is left out. A script that fails does not stop the others; the exit code is 1 then. How long each took is
told at the end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from goals import GOALS
from processes import HERE, PYTHON
from sweep import show

VENV = Path(sys.prefix)
CONTROLS: Mapping[str, tuple[Path, str]] = {
    "control": (VENV / "references" / "transformers" / "bin" / "python", "make .venv/.references"),
    "voices": (VENV / "references" / "voices" / "bin" / "python", "make .venv/.references"),
    "librosa": (VENV / "references" / "librosa" / "bin" / "python", "make .venv/.librosa"),
}
"""Pythons of controls by the option that names another one: where it is, and what brings it."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
ONE_CORE = ("taskset", "-c", "0")
"""XLA has threads of its own, which no variable limits."""


@dataclass(frozen=True)
class Job:
    """A script with its arguments, in which names in braces stand for options of ours; the rows that it measures."""

    field: str
    rows: tuple[str, ...]
    arguments: str
    backend: str | None = None
    one_thread: bool = False


def both(field: str, rows: tuple[str, ...], arguments: str, *, one_thread: bool = False) -> tuple[Job, Job]:
    """The same on PyTorch, and on JAX, whose rows end in j where there are such goals."""
    on_jax = tuple(f"{row}j" if f"{row}j" in GOALS else row for row in rows)
    return Job(field, rows, arguments, "torch", one_thread), Job(field, on_jax, arguments, "jax", one_thread)


JOBS = (
    Job("pictures", ("P7",), "startup.py"),
    Job("pictures", ("P8",), "memory.py"),
    Job("pictures", ("P8d",), "dense.py"),
    Job("pictures", ("L1", "L1m"), "one_picture.py"),
    Job("pictures", ("L4", "L4m"), "many_answers.py pictures"),
    Job("pictures", ("L0",), "busy.py"),
    *both("pictures", ("P6",), "heads.py"),
    *both("pictures", ("P3",), "extraction.py"),
    *both("pictures", ("P4", "P5"), "finetune.py"),
    Job("pictures", ("P1", "P1j", "P1c", "P2"), "cold.py"),
    Job("pictures", ("C1",), "side_by_side.py"),
    Job("pictures", ("R1", "R1v", "R2"), "rank_speed.py"),
    *both("texts", ("T1", "T2"), "text.py --control {control}"),
    Job("texts", ("T3",), "text_cold.py --control {control}"),
    Job("texts", ("T4",), "field_memory.py text"),
    Job("texts", ("L4", "L4m"), "many_answers.py texts"),
    *both("translations", ("M1", "M2", "M2c"), "translation.py {run} {pairs} --control {control}"),
    Job("translations", ("M3",), "field_memory.py pair"),
    *both("sounds", ("A1", "A3", "A5"), "speech.py --control {control} --voices {voices}", one_thread=True),
    *both("sounds", ("A2", "A4"), "sound_features.py --control {librosa}", one_thread=True),
    Job("sounds", ("A6",), "field_memory.py sound"),
    Job("sounds", ("L4", "L4m"), "many_answers.py sounds"),
    *both("boxes", ("D1",), "box_step.py"),
    *both("boxes", ("D2",), "box_answers.py"),
    Job("boxes", ("D3", "D3b"), "box_metric.py"),
    Job("boxes", ("D4",), "field_memory.py box"),
    *both("masks", ("S1",), "mask_step.py"),
    *both("masks", ("S2",), "mask_answers.py"),
    Job("masks", ("S3", "S3b"), "mask_metric.py", "torch"),
    Job("masks", ("S4", "S4g"), "field_memory.py mask"),
)


def main() -> int:
    """Measure, and set the table out."""
    given = parse()
    chosen = list(chosen_jobs(given))
    if given.list:
        show(("rows", "field", "command"), [(" ".join(job.rows), job.field, told(job)) for job in chosen], title="Rows")
        return 0
    took: list[tuple[str, str, str]] = []
    for job in chosen:
        rows, begun = " ".join(job.rows), time.perf_counter()
        absent = missing(job, given)
        if absent:
            took.append((rows, "left out", absent))
            continue
        print(f"\n{rows}: {told(job)}", file=sys.stderr, flush=True)
        code = subprocess.run(command_of(job, given), env=variables_of(job), check=False).returncode
        took.append((rows, f"{time.perf_counter() - begun:.0f} s", f"exit code {code}" if code else ""))
    code = subprocess.run([PYTHON, HERE / "table.py"], check=False).returncode
    show(("rows", "took", "what went wrong"), took, title="Scripts")
    return 1 if code or any(wrong.startswith("exit") for _, _, wrong in took) else 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rows = [row for row in GOALS if any(row in job.rows for job in JOBS)]
    fields = list(dict.fromkeys(job.field for job in JOBS))
    parser.add_argument("--only", nargs="+", choices=rows, metavar="ROW", help="some rows alone")
    parser.add_argument("--field", choices=fields, help="the rows of a field alone")
    parser.add_argument("--list", action="store_true", help="measure nothing: what would run")
    parser.add_argument("--run", type=Path, help="a translator of yours, which M1 and M2 measure")
    parser.add_argument("--pairs", type=Path, help="a table of its pairs")
    for name, (place, _) in CONTROLS.items():
        parser.add_argument(f"--{name}", type=Path, default=place, metavar="PYTHON", help=f"{place}")
    return parser.parse_args()


def chosen_jobs(given: argparse.Namespace) -> Iterator[Job]:
    """Those of the rows and of the field that are asked for."""
    for job in JOBS:
        asked = given.only is None or any(row in given.only for row in job.rows)
        if asked and given.field in (None, job.field):
            yield job


def missing(job: Job, given: argparse.Namespace) -> str:
    """What a script needs and is not there, with what brings it; else nothing."""
    for name in ("run", "pairs"):
        if f"{{{name}}}" in job.arguments and getattr(given, name) is None:
            return f"--{name} names none"
    for name, (_, brings) in CONTROLS.items():
        place = getattr(given, name)
        if f"{{{name}}}" in job.arguments and not place.exists():
            return f"{place} is absent: `{brings}` brings it"
    return ""


def command_of(job: Job, given: argparse.Namespace) -> list[str]:
    """The command line of a script."""
    script, *arguments = job.arguments.format_map(vars(given)).split()
    pinned = ONE_CORE if job.one_thread and job.backend == "jax" else ()
    return [*pinned, str(PYTHON), str(HERE / script), *arguments]


def variables_of(job: Job) -> dict[str, str]:
    """The environment of a script: its backend, or none."""
    found = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    return {
        **found,
        **(ONE_THREAD if job.one_thread else {}),
        **({"KERAS_BACKEND": job.backend} if job.backend else {}),
    }


def told(job: Job) -> str:
    """A script as one would call it."""
    return f"KERAS_BACKEND={job.backend} {job.arguments}" if job.backend else job.arguments


if __name__ == "__main__":
    sys.exit(main())
