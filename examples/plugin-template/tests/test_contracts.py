"""headstart's own checks of what a plugin offers: what each one asks is said where it fails."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from bars import write_bars
from headstart.specs import Change
from headstart.testing import (
    AugmentationContract,
    BackboneContract,
    DatasetContract,
    ReporterContract,
    TargetKindContract,
)


class TestSteps(BackboneContract):
    name = "template/steps"


class TestArrays(DatasetContract):
    name = "template/arrays"

    def reference(self, folder: Path) -> Path:
        return write_bars(folder / "bars.npz")


class TestTurn(AugmentationContract):
    name = "template/turn"


class TestPoint(TargetKindContract):
    name = "template/point"
    rubbish = ("0.5", "a b", "0.5 1.5")
    changes = (Change("matrix", ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))),)

    def targets(self, folder: Path) -> Sequence[str]:
        return ("0.25 0.5", "0.9 0.1", "0 1")

    def encoded(self, values: Sequence[tuple[float, float]]) -> Mapping[str, np.ndarray]:
        return {"point": np.array(values, np.float32)}


def test_a_point_moves_as_its_picture_does() -> None:
    from headstart.specs import TargetRequest

    from headstart_template._point import build

    left = {"point": np.array((0.25, 0.5), np.float32)}
    assert build(TargetRequest(None)).transform(left, TestPoint.changes, {})["point"].tolist() == [0.75, 0.5]


class TestTable(ReporterContract):
    name = "template/table"
