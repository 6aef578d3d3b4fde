"""Sources put in order on real data: features computed once, kept, and trained on without computing them again."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from headstart.cache import open_cache
from headstart.errors import DataError, EngineRefusal, InterruptedRunError, UsageError
from headstart.runs.fitting import run_recipe
from headstart.transfer.ranking import jobs as module
from headstart.transfer.ranking.jobs import Stated, rank
from headstart.transfer.ranking.report import write_ranking

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache that holds nothing yet."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def others(tmp_path_factory, pictures_of):
    """Pictures of three other digits."""
    return pictures_of(tmp_path_factory.mktemp("others") / "pictures", ("3", "4", "5"), each=20)


def entries(kind):
    return {entry.digest for entry in open_cache().entries() if entry.kind == kind}


def ranked(data, registry, *sources, **settings):
    return rank(f"image_folder:{data}", backbone=sources, registry=registry, **settings)


@pytest.fixture(scope="module")
def both(others, finished, small_registry):
    """A random network and a run on other digits, on these."""
    return ranked(others, small_registry, "small/net", str(finished.run.path))


def test_every_source_has_every_score_that_is_defined_and_the_reason_for_others(both, finished):
    random, run = sorted(both.rows, key=lambda row: row.candidate.run is not None)

    everywhere = {"probe", "knn", "logme", "h_score", "transrate", "gbc", "n_leep"}
    assert set(random.scores) == everywhere
    assert set(run.scores) == everywhere | {"leep", "nce"}
    assert random.refused == {name: "the source's own head is not at hand" for name in ("leep", "nce")}
    for row in both.rows:
        assert row.problem is None
        assert row.rate > 0
        for found in row.scores.values():
            low, high = found.interval
            assert low <= found.value <= high
            assert np.isfinite([low, high]).all()
    assert run.candidate.source_accuracy == finished.run.result["metrics"]["test"]["accuracy"]
    assert both.samples["train"] + both.samples["val"] == 48
    assert {name: each.value for name, each in both.baselines.items()} == pytest.approx({"probe": 1 / 3, "knn": 1 / 3})
    assert both.recommended in both.rows


def test_leep_is_that_of_what_the_run_answers_itself(both, finished, others):
    """The run's own answers, from raw pictures on, in place of its head on cached features."""
    (row,) = (each for each in both.rows if each.candidate.run is not None)
    files = sorted(others.rglob("*.png"))
    answers = finished.run.artefact.predict(files, top_k=3)
    told = np.array([[dict((e["label"], e["probability"]) for e in a["top_k"])[c] for c in "012"] for a in answers])
    kept = _looked_at(others, row, finished.run.registry)
    true = np.array([int(file.parent.name) - 3 for file in files])
    told, true = told[kept], true[kept]
    joint = np.eye(3)[true].T @ told
    expected = np.log(np.einsum("rz,rz->r", told, (joint / joint.sum(axis=0))[true])).mean()
    assert expected < -0.01
    assert row.scores["leep"].value == pytest.approx(expected, abs=1e-4)


def _looked_at(data, row, registry):
    """Places, among the sorted files, of the records of train and val."""
    from headstart.recipes.build import build_recipe
    from headstart.recipes.resolve import make_ready
    from headstart.runs.planning import lay_ground

    recipe = build_recipe(flags={"data": f"image_folder:{data}", "backbone": row.candidate.backbone})
    ground = lay_ground(make_ready(recipe, registry), data)
    keys = [str(file.relative_to(data)) for file in sorted(data.rglob("*.png"))]
    inside = {each.key for each in ground.data.split.rows if each.split != "test"}
    return [place for place, key in enumerate(keys) if key in inside]


def test_a_run_that_was_trained_on_the_data_is_listed_and_passed_over(finished, small_registry):
    found = ranked(finished.pictures, small_registry, "small/net", str(finished.run.path))
    (run,) = (row for row in found.rows if row.candidate.run is not None)

    assert run.met == 48
    assert found.recommended.candidate.name == "small/net"
    assert "met some of these records before" in found.reason


def test_a_fit_of_what_is_recommended_computes_no_feature_again(others, small_registry, own_cache, tmp_path):
    found = ranked(others, small_registry, "small/net", seed=3)
    kept = entries("features")
    flags = {"data": f"image_folder:{others}", "out": str(tmp_path / "run"), "seed": 3, "reporters": ("json",)}
    stated = Stated(flags, sets=("strategy=probe",))

    def fitted(**changed):
        return run_recipe(stated.recipe(found.recommended.candidate, **changed), small_registry)

    run = fitted()

    assert len(kept) == 2  # of train and of val
    assert entries("features") == kept
    assert run.result["backbone"] == "small/net"
    assert run.result["split_hash"]

    fitted(out=str(tmp_path / "other"), seed=4)
    assert len(entries("features")) == 4  # other random weights: the control


def test_a_second_ranking_gives_the_same_without_computing_anything(others, small_registry, own_cache, monkeypatch):
    first = ranked(others, small_registry, "small/net")
    monkeypatch.setattr(module, "_computed", None)
    again = ranked(others, small_registry, "small/net")
    assert again.rows[0].scores == first.rows[0].scores
    assert (again.recommended.rate, again.reason) == (first.recommended.rate, first.reason)


def test_a_ranking_that_was_stopped_goes_on_with_the_sources_that_are_left(
    others, finished, small_registry, own_cache, monkeypatch
):
    computed = module._computed
    asked = []

    def stopped(plan, *rest):
        asked.append(plan.resolved.backbone.name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return computed(plan, *rest)

    monkeypatch.setattr(module, "_computed", stopped)
    sources = ("small/net", str(finished.run.path))
    with pytest.raises(InterruptedRunError, match=r"stopped at .*what was computed is kept"):
        ranked(others, small_registry, *sources)
    found = ranked(others, small_registry, *sources)
    assert asked == ["small/net", "runs/run", "runs/run"]
    assert len(found.rows) == 2


def test_a_second_ranking_in_a_new_process_loads_no_framework(others, small_registry, own_cache, small_plugin, backend):
    ranked(others, small_registry, "small/net")
    code = (
        "import sys, headstart\n"
        f"found = headstart.rank({f'image_folder:{others}'!r}, backbone=['small/net'], backend={backend!r})\n"
        "print(found.recommended.candidate.name, {'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules))"
    )
    variables = {**os.environ, "PYTHONPATH": str(small_plugin)}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "small/net set()", done.stderr


def test_a_source_that_fails_is_a_row_with_the_problem_and_the_others_are_ranked(
    others, finished, small_registry, own_cache, monkeypatch
):
    computed = module._computed

    def refused(plan, *rest):
        if plan.resolved.backbone.name == "small/net":
            raise EngineRefusal("it differs too much", hint="take another")
        return computed(plan, *rest)

    monkeypatch.setattr(module, "_computed", refused)
    found = ranked(others, small_registry, "small/net", str(finished.run.path))
    assert [row.problem for row in found.rows] == [None, "it differs too much (take another)"]
    assert found.recommended.candidate.run is not None
    with pytest.raises(EngineRefusal):
        ranked(others, small_registry, "small/net")


def test_numbers_have_the_scores_that_are_defined_for_them(small_registry, others, tmp_path):
    files = sorted(others.rglob("*.png"))
    lines = [f"{file},{int(file.parent.name) + 0.01 * place}" for place, file in enumerate(files)]
    table = tmp_path / "numbers.csv"
    table.write_text("path,label\n" + "\n".join(lines) + "\n")
    found = rank(str(table), backbone=["small/net"], task="regression", registry=small_registry)
    assert set(found.rows[0].scores) == {"probe", "knn", "logme"}
    assert "it is defined on classes; the task has numbers" in found.rows[0].refused["h_score"]
    assert {(each.value, each.says) for each in found.baselines.values()} == {(0.0, "always the mean")}


def test_a_task_that_no_score_is_defined_on_is_refused_at_the_first_source(small_registry, tmp_path, pictures_of):
    folder = pictures_of(tmp_path / "pictures", ("1", "2"), each=6)
    rows = [
        {"path": str(file), "boxes": {"corners": [[1, 1, 6, 6]], "classes": [file.parent.name]}}
        for file in folder.rglob("*.png")
    ]
    table = tmp_path / "boxes.jsonl"
    table.write_text("\n".join(json.dumps(row) for row in rows))
    told = []
    sources = ["efficientnet_lite/lite0:none", "mobilenet_v2/imagenet:none"]
    with pytest.raises(UsageError, match="cannot be ranked for the task detection"):
        rank(str(table), backbone=sources, registry=small_registry, image_size=64, on_row=told.append)
    assert told == []


def test_data_that_cannot_be_learned_from_ends_it_at_once(small_registry, tmp_path, pictures_of):
    alone = pictures_of(tmp_path / "one", ("7",), each=6)
    with pytest.raises(DataError, match="needs at least two classes"):
        ranked(alone, small_registry, "small/net")


def test_a_score_that_is_not_there_and_data_that_is_not_there_are_refused(small_registry, others):
    with pytest.raises(UsageError, match="no score is named"):
        ranked(others, small_registry, "small/net", by="nothing")
    with pytest.raises(UsageError, match="is named twice"):
        ranked(others, small_registry, "small/net", "small/net")


def test_the_report_is_whole_and_holds_nothing_from_elsewhere(both, tmp_path):
    files = write_ranking(both, tmp_path / "report")
    page = (tmp_path / "report" / "ranking.html").read_text()
    document = json.loads((tmp_path / "report" / "ranking.json").read_text())

    assert sorted(files) == ["html", "json", "plot"]
    assert document["recommended"] == both.recommended.candidate.name
    assert document["baselines"]["probe"] == {"value": pytest.approx(1 / 3), "says": "always the commonest class"}
    assert page.count("always the commonest class<br>") == 1
    assert page.count('<td class="number">0.333</td>') == 2
    assert {"name", "scores", "knn", "probe", "source_accuracy", "samples_per_second"} <= set(document["rows"][0])
    assert set(document["rows"][0]["scores"]["logme"]) == {"value", "ci95"}
    assert (tmp_path / "report" / "ranking.png").read_bytes().startswith(b"\x89PNG")
    for row in both.rows:
        assert row.candidate.name in page
    assert "http" not in page.replace("http-equiv", "")
    assert "NaN" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
