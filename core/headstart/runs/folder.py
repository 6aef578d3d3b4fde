"""A run's folder: where each file of the contract lies, and how a new one is claimed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headstart.atomic import explained
from headstart.errors import UsageError

RUNS = Path("runs")


@dataclass(frozen=True)
class RunFolder:
    """The files of a run below `path`."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as resolved."""
        return self.path / "recipe.toml"

    @property
    def split(self) -> Path:
        """Which sample is in which split."""
        return self.path / "split.csv"

    @property
    def events(self) -> Path:
        """What the run said."""
        return self.path / "events.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Complete states of what learns."""
        return self.path / "checkpoints"

    @property
    def artefact(self) -> Path:
        """The trained model."""
        return self.path / "artefact"

    @property
    def predictions(self) -> Path:
        """Answers for every evaluated sample."""
        return self.path / "predictions.csv"

    @property
    def result(self) -> Path:
        """The numbers."""
        return self.path / "result.json"

    @property
    def report(self) -> Path:
        """What reporters wrote."""
        return self.path / "report"

    @property
    def environment(self) -> Path:
        """Versions and hardware."""
        return self.path / "environment.json"

    @property
    def scratch(self) -> Path:
        """Large arrays while the run lasts; removed at its end."""
        return self.path / ".scratch"


def claim(out: str | None, *, stem: str) -> RunFolder:
    """Create a run's folder: `out`, or the first free `runs/STEM-N`.

    Raises UsageError where `out` holds something already, HeadstartError where it cannot be created.
    """
    if out is not None:
        return _claim_named(Path(out))
    with explained(RUNS):
        RUNS.mkdir(exist_ok=True)
        number = 1
        while True:
            path = RUNS / f"{stem}-{number}"
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
                continue
            return RunFolder(path)


def _claim_named(path: Path) -> RunFolder:
    if path.exists() and not path.is_dir():
        raise UsageError(f"--out {path} is a file", hint="choose a folder that does not exist yet")
    with explained(path):
        if path.is_dir() and any(path.iterdir()):
            raise UsageError(
                f"--out {path} is not empty", hint="choose another folder, or remove this one if it is no longer needed"
            )
        path.mkdir(parents=True, exist_ok=True)
    return RunFolder(path)
