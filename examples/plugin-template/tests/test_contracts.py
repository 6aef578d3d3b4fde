"""headstart's own checks of what a plugin offers: what each one asks is said where it fails."""

from pathlib import Path

from bars import write_bars
from headstart.testing import AugmentationContract, BackboneContract, DatasetContract, ReporterContract


class TestSteps(BackboneContract):
    name = "template/steps"


class TestArrays(DatasetContract):
    name = "template/arrays"

    def reference(self, folder: Path) -> Path:
        return write_bars(folder / "bars.npz")


class TestTurn(AugmentationContract):
    name = "template/turn"


class TestTable(ReporterContract):
    name = "template/table"
