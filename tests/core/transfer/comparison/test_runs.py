"""A whole comparison of tiny runs in this process: what cells keep, and what the page says of them."""

import collections
import csv
import dataclasses
import json

import pytest

from headstart.errors import DataError
from headstart.transfer.comparison.cells import KEPT, Measured, finished
from headstart.transfer.comparison.comparing import Comparison, conclude
from headstart.transfer.comparison.measuring import job_of, run_cell
from headstart.transfer.comparison.planning import Asked, make_design
from headstart.transfer.comparison.plots import draw_png

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="module")
def design(small_registry, backend):
    asked = Asked(
        data="digits",
        backbones=("small/net",),
        strategies=("full",),
        seeds=(0, 1),
        fractions=(0.5, 1.0),
        epochs=2,
        flags={"weights": "none", "limit": 90, "image_size": 16, "engine": "native", "backend": backend},
    )
    return make_design(asked, small_registry)


@pytest.fixture(scope="module")
def folder(design, small_registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    for cell in design.cells():
        run_cell(job_of(design, cell, folder), small_registry)
    return folder


def test_each_cell_keeps_what_it_measured_and_is_not_run_again(design, folder, small_registry):
    found = finished(design, folder)
    assert [*found] == [*design.cells()]
    measured = [*found.values()]
    assert {each.metric for each in measured} == {"accuracy"}
    assert len({each.judged_on for each in measured}) == 1
    assert {each.samples["train"] for each in measured} == {29, 58}
    assert all(len(each.curve) == 2 and each.curve[0][0] < each.curve[1][0] for each in measured)
    assert all(set(each.classes) == set("0123456789") for each in measured)
    assert Measured.of(json.loads(json.dumps(measured[0].document()))) == measured[0]
    file = folder / "cells" / measured[0].cell.name / KEPT
    before = file.stat().st_mtime_ns
    assert run_cell(job_of(design, measured[0].cell, folder), small_registry) == measured[0]
    assert file.stat().st_mtime_ns == before


def test_stages_are_compared_on_all_labels_and_whole_runs_are_kept_there_alone(design, folder):
    for cell, each in finished(design, folder).items():
        is_whole, here = cell.fraction == 1.0, folder / "cells" / cell.name
        assert (here / "artefact").is_dir() == is_whole
        assert not (here / "checkpoints").exists()
        assert bool(each.similarity) == (is_whole and cell.arm == "full")
        if each.similarity:
            assert [*each.similarity] == ["low", "middle", "top"]
            assert all(0.3 < value <= 1.0001 for value in each.similarity.values())
            assert each.similarity["top"] < 0.99999  # it was trained


def test_the_document_and_the_page_say_the_verdict(design, folder):
    comparison = conclude(design, folder, jobs=1)
    document = Comparison.load(folder).document
    assert document == json.loads(json.dumps(comparison.document))
    assert [arm["name"] for arm in document["arms"]] == ["scratch", "full"]
    assert document["samples"] == {"train 50 %": 29, "train 100 %": 58, "val": 14, "test": 18}
    assert len(document["cells"]) == 8
    assert document["threads"] == design.threads
    page = (folder / "report" / "report.html").read_text("utf-8")
    assert document["verdict"]["line"] in page
    rows = [*csv.DictReader((folder / "cells" / "full-100-0" / "split.csv").read_text("utf-8").splitlines())]
    sides = {side: [row["target"] for row in rows if row["split"] == side] for side in ("train", "test")}
    counts = collections.Counter(sides["train"])
    commonest = min(name for name in counts if counts[name] == max(counts.values()))
    share = sides["test"].count(commonest) / len(sides["test"])
    assert document["baseline"] == {"majority_accuracy": pytest.approx(share)}
    assert f"Baseline majority accuracy, without a model: {share:.4f}" in page
    for name in ("curves", "details"):
        assert (folder / "report" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert document["verdict"]["line"] in repr(comparison)


def test_a_picture_has_no_place_for_what_was_not_measured(design, folder):
    document = conclude(design, folder).document

    def width(**left_out):
        return int.from_bytes(draw_png({**document, **left_out}, "details", 50)[16:20], "big")

    assert document["classes"]
    assert document["similarity"]
    assert [width(), width(similarity=[]), width(similarity=[], classes=[])] == [840, 560, 280]


def test_cells_that_were_judged_on_other_samples_are_not_compared(design, folder, tmp_path):
    for cell, each in finished(design, folder).items():
        there = tmp_path / "cells" / cell.name
        there.mkdir(parents=True)
        changed = dataclasses.replace(each, judged_on="other" if cell.seed else each.judged_on)
        (there / KEPT).write_text(json.dumps(changed.document()), "utf-8")
    with pytest.raises(DataError, match="not judged on the same samples"):
        conclude(design, tmp_path)
