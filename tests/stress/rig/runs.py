"""Runs of `headstart fit` in processes of their own, which can be told to end at a chosen event."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headstart.backend import cache_folder
from headstart.eventlog import read_events
from headstart.events import EpochDone, PhaseDone, PhaseStarted, WeightsAveraged, WentBack
from rig.warm import Ended, run_warm

HERE = Path(__file__).resolve().parents[1]
PLUGINS = (HERE / "plugin", HERE.parent / "small_plugin")
COMMAND = "from headstart_cli.main import run; run()"
LIMIT = 300
"""Seconds after which a run is taken for one that hangs."""
TIMES = ("seconds", "resumed", "run", "path")
"""What a result may tell otherwise after a run was stopped, ..."""
MEASURED = ("seconds", "samples_per_second", "time")
"""Times, wherever they stand."""
HISTORY = (PhaseStarted, EpochDone, WeightsAveraged, WentBack, PhaseDone)
"""What tells of the training itself."""
LEFT = (" was left by ", " was cut short")
"""... and the warnings that say so."""

BASE = ("digits", "--task", "classification", "--backbone", "small/net", "--weights", "none", "--limit", "120",
        "--batch-size", "16", "--engine", "native", "--reporter", "stress", "--set", "threads=1")  # fmt: skip
RATE = ("--learning-rate", "3e-3")
CASES: Mapping[str, tuple[str, ...]] = {
    "lp_ft": ("--epochs", "3", *RATE, "--augment", "classic", "--augment", "mixup", "--set", "checkpoint_every=2"),
    "dropout": ("--strategy", "full", "--epochs", "3", *RATE, "--head", "mlp:16", "--set", "task.dropout=0.3",
                "--set", "task.balance=sampling", "--set", "strategy.average=0.9", "--set", "checkpoint_every=3"),
    "soup": ("--strategy", "soup", "--epochs", "2", *RATE, "--batch-norm", "re-estimated", "--head", "mlp:16",
             "--set", "task.dropout=0.3", "--set", "strategy.probe_epochs=1", "--set", "checkpoint_every=2"),
    "wise_ft": ("--strategy", "wise_ft", "--epochs", "2", *RATE, "--set", "checkpoint_every=2"),
    "gradual": ("--strategy", "gradual", "--epochs", "1", *RATE, "--batch-norm", "trainable",
                "--set", "strategy.steps=2", "--set", "checkpoint_every=3"),
    "lora": ("--strategy", "lora", "--epochs", "2", *RATE, "--set", "strategy.rank=2", "--set", "checkpoint_every=2"),
    "surgical": ("--strategy", "surgical", "--epochs", "2", *RATE),
    "unsaved": ("--strategy", "full", "--epochs", "3", *RATE),
    "long": ("--strategy", "full", "--learning-rate", "1e-3", "--set", "checkpoint_every=1"),
    "diverging": ("--strategy", "full", "--epochs", "30", "--learning-rate", "1e-2", "--set", "checkpoint_every=1"),
}  # fmt: skip
"""What is trained, by name."""


@dataclass(frozen=True)
class Stop:
    """Where a run is ended: at the `count`th event of a name, `delay` seconds later, by a signal."""

    event: str
    count: int = 1
    signal: str = "SIGKILL"
    delay: float = 0.0

    def __str__(self) -> str:
        late = f" and {self.delay} s" if self.delay else ""
        return f"{self.signal} at {self.event} {self.count}{late}"

    @property
    def wanted(self) -> dict[str, Any]:
        """For the reporter that does it."""
        return {"event": self.event, "count": self.count, "signal": self.signal, "delay": self.delay}


def run(arguments: Sequence[str], backend: str, wanted: Mapping[str, Any] | None = None, *, cache: Path) -> Ended:
    """Run `headstart ARGUMENTS` to its end; `wanted` is for the reporter `stress`. Imports are done beforehand."""
    return run_warm(arguments, _variables(backend, wanted, cache), list(map(str, PLUGINS)), LIMIT)


def start(
    arguments: Sequence[str], backend: str, *, cache: Path, environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    """Start `headstart ARGUMENTS` from nothing, with these variables too."""
    path = os.pathsep.join([*map(str, PLUGINS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-P", "-c", COMMAND, *arguments],
        env={**os.environ, **_variables(backend, None, cache), "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _variables(backend: str, wanted: Mapping[str, Any] | None, cache: Path) -> dict[str, str]:
    """Only compiled programs are shared by all runs."""
    return {
        "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "jax")),
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": "1",
        "HEADSTART_STRESS": json.dumps(dict(wanted or {})),
        "HEADSTART_CACHE": str(cache),
    }


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a process. One that takes too long is killed and told."""
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return Ended(-999, out, f"still there after {LIMIT} s; {err}")
    return Ended(process.returncode, out, err)


def fit(
    out: Path, case: str, backend: str, wanted: Mapping[str, Any] | None = None, *, more: Sequence[str] = ()
) -> Ended:
    """A run of a case into `out`, with `more` flags."""
    return run(["fit", *BASE, *CASES[case], *more, "--out", str(out)], backend, wanted, cache=cache_of(out))


def resume(out: Path, case: str, backend: str, wanted: Mapping[str, Any] | None = None) -> Ended:
    """Go on with the run in `out`, which needs no other flag; a run that was killed before it wrote its recipe does."""
    flags = () if (out / "recipe.toml").exists() else (*BASE, *CASES[case])
    return run(["fit", "--resume", *flags, "--out", str(out)], backend, wanted, cache=cache_of(out))


def cache_of(out: Path) -> Path:
    """The cache of a run's own."""
    return out.with_name(f"{out.name}-cache")


def outcome_of(out: Path) -> dict[str, str]:
    """What must be equal to the bit: digests of weights and predictions, and the numbers without times.

    The history is that of every phase and epoch, as reporters hear it: what the best epoch does not show is seen there.
    """
    digests = {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest()
        for name in ("artefact/weights.safetensors", "predictions.csv", "split.csv")
    }
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    numbers = {key: value for key, value in result.items() if key not in TIMES}
    numbers["lineage"] = [{**step, "run": ""} if "run" in step else step for step in result["lineage"]]  # its folder
    numbers["warnings"] = [told for told in result["warnings"] if not any(words in told for words in LEFT)]
    events = [event for event in read_events(out / "events.jsonl") if isinstance(event, HISTORY)]
    history = [{"event": type(event).__name__, **asdict(event)} for event in events]
    told = {"result.json": numbers, "history": history}
    return {**digests, **{name: json.dumps(_without_times(each), sort_keys=True) for name, each in told.items()}}


def differences(first: Mapping[str, str], second: Mapping[str, str]) -> str | None:
    """The names of what differs."""
    differing = [name for name in first if first[name] != second[name]]
    return f"differs: {', '.join(differing)}" if differing else None


def events_of(out: Path) -> list[dict[str, Any]]:
    """The events of a run, as they stand in its file; a last line that was cut short is left out."""
    lines = (out / "events.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def keys_of(out: Path, split: str) -> set[str]:
    """The keys of the samples of a split."""
    with (out / "split.csv").open(encoding="utf-8", newline="") as file:
        return {row["key"] for row in csv.DictReader(file) if row["split"] == split}


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in MEASURED}
    return [_without_times(inner) for inner in value] if isinstance(value, list) else value
