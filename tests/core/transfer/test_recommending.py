"""What a ranking recommends, how sure it is, and which sources it looks at."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from headstart.errors import PluginError, UsageError
from headstart.registry import load_registry
from headstart.specs import Baseline, Scored
from headstart.transfer.ranking.candidates import candidates_here, distinct, named_candidate
from headstart.transfer.ranking.recommending import chance, deciding, in_order, recommend
from headstart.transfer.ranking.rows import Found, Row
from headstart.transfer.ranking.scoring import with_interval


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture
def probe(registry):
    return registry.get("scores", "probe")


@pytest.fixture
def row(registry):
    """A source with this probe score, resamples of this deviation around it, and what else is given."""

    def made(name, value, deviation=0.01, seed=0, **fields):
        resampled = tuple(value + deviation * np.random.default_rng(seed).normal(size=60))
        scores = {"probe": Found(value, (value - 2 * deviation, value + 2 * deviation), resampled)}
        scores |= {other: Found(number, (number, number)) for other, number in fields.pop("others", {}).items()}
        candidate = replace(named_candidate("efficientnet_lite/lite0", registry), name=name, backbone=name)
        return Row(candidate, scores=scores, **fields)

    return made


def test_the_highest_score_is_recommended_with_how_sure_that_is(row, probe):
    rows = in_order([row("b", 0.80, seed=1), row("a", 0.90, seed=2)], probe)
    best, reason, sure = recommend(rows, probe)

    assert [each.candidate.name for each in rows] == ["a", "b"]
    assert best.candidate.name == "a"
    assert sure > 0.999
    assert "a has the highest probe, 0.900 (0.880 to 0.920)" in reason
    assert "surely better than b (+0.100, chance over 99%)" in reason  # resamples make nothing certain


@pytest.mark.parametrize(("share", "told"), [(0.79, True), (0.7, False)])
def test_what_is_not_surely_better_than_answering_blindly_is_told(row, probe, share, told):
    best = row("a", 0.80)
    found = replace(best.scores["probe"], baseline=Baseline(share, "always the commonest class"))
    reason = recommend([replace(best, scores={"probe": found})], probe)[1]
    assert ("that is not surely better than 0.790, which is always the commonest class" in reason) is told


def test_what_two_sources_have_in_common_does_not_make_them_less_sure(row, probe):
    alike = recommend(in_order([row("a", 0.82, 0.05), row("b", 0.80, 0.05)], probe), probe)
    apart = recommend(in_order([row("a", 0.82, 0.05), row("b", 0.80, 0.05, seed=1)], probe), probe)

    assert alike[2] > 0.99
    assert 0.5 < apart[2] < 0.7
    assert "perhaps better" in apart[1]


def test_the_chance_is_that_of_the_normal_distribution():
    noise = np.random.default_rng(0).normal(size=60)
    one, other = Found(0.9, (0, 1), tuple(noise)), Found(0.8, (0, 1), (0.0,) * 60)
    assert chance(one, other) == pytest.approx(NormalDist().cdf(0.1 / noise.std(ddof=1)))
    assert chance(one, one) == 0.5


def test_a_faster_source_that_cannot_be_told_from_the_best_is_named(row, probe):
    rows = in_order([row("slow", 0.81, 0.05, 1, rate=10.0), row("fast", 0.80, 0.05, 2, rate=35.0)], probe)
    assert "fast cannot be told from it and computes 3.5 times as many samples a second" in recommend(rows, probe)[1]


def test_of_equal_sources_the_faster_is_taken(row, probe):
    rows = in_order([row("slow", 0.8, rate=10.0), row("fast", 0.8, rate=20.0)], probe)
    assert recommend(rows, probe)[0].candidate.name == "fast"


def test_scores_that_would_take_another_source_are_named(row, probe):
    rows = [row("a", 0.9, others={"knn": 0.7, "logme": 1.0}), row("b", 0.8, others={"knn": 0.8, "logme": 0.5})]
    assert "; knn would take b" in recommend(rows, probe)[1]


def test_a_run_that_met_the_records_is_passed_over(row, probe):
    rows = in_order([row("knows", 0.99, met=40), row("new", 0.8)], probe)
    best, reason, _ = recommend(rows, probe)

    assert best.candidate.name == "new"
    assert "knows met some of these records before and is passed over" in reason
    assert recommend(rows[:1], probe)[0] is None


def test_without_a_score_nothing_is_recommended_and_the_reason_is_told(row, probe):
    bare = replace(row("a", 0.5), scores={}, refused={"probe": "its features are all zero"})
    best, reason, sure = recommend([bare], probe)
    assert (best, sure) == (None, None)
    assert reason == "scores/probe says nothing of any source: its features are all zero"


def test_intervals_end_at_the_bounds_of_a_score_and_numbers_that_are_none_are_the_plugins_fault(registry, probe):
    found = with_interval(Scored(0.99, np.random.default_rng(0).normal(0.9, 0.05, 60)), probe, registry)
    assert found.interval[1] == 1.0
    assert 0.85 < found.interval[0] < 0.95
    assert with_interval(Scored(1.0, np.ones(60), (0.8, 1.0)), probe, registry).interval == (0.8, 1.0)
    with pytest.raises(PluginError, match="gave nan for finite features"):
        with_interval(Scored(float("nan"), np.zeros(60)), probe, registry)
    with pytest.raises(PluginError, match=r"gave 0\.5, nan for finite features"):
        with_interval(Scored(0.5, np.zeros(60), baseline=Baseline(float("nan"), "the mean")), probe, registry)


def test_a_score_that_is_not_there_is_refused_with_its_neighbours(registry):
    with pytest.raises(UsageError, match="no score is named 'prob'") as told:
        deciding(registry, "prob")
    assert "probe" in told.value.hint
    assert deciding(registry, None).name == "scores/probe"


def test_sources_are_what_lies_here_and_others_are_listed_and_never_fetched(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEADSTART_WEIGHTS", "")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    found, absent = candidates_here(registry, "image", runs=tmp_path / "runs", backend="jax")

    here = {each.name for each in found}
    assert "nanodet/coco" not in here  # of the others, what is installed is
    missing = {each.name: each for each in absent}
    assert missing["nanodet/coco"].get == "headstart weights get nanodet/coco"
    assert missing["keras_applications/vgg16:imagenet"].reason == "not here"
    assert not any("hf_text" in name for name in (*missing, *here))
    assert not (tmp_path / "home").exists()

    placed = tmp_path / "home" / "weights" / "nanodet" / "coco" / "coco"
    placed.mkdir(parents=True)
    for name in ("nanodet.json", "nanodet.bin"):
        (placed / name).write_bytes(b"")
    again, _ = candidates_here(registry, "image", runs=tmp_path / "runs", backend="jax")
    assert {each.name for each in again} - here == {"nanodet/coco"}


def test_what_a_backend_refuses_is_listed_with_the_reason(registry, tmp_path):
    _, absent = candidates_here(registry, "image", runs=tmp_path, backend="torch")
    (refused,) = (each for each in absent if each.name.startswith("keras_applications/nasnetmobile"))
    assert refused.reason.startswith("does not run on torch")


def test_a_source_named_twice_is_refused(registry):
    twice = [named_candidate("efficientnet_lite/lite0", registry)] * 2
    with pytest.raises(UsageError, match="named twice"):
        distinct(twice)


def test_a_set_of_weights_is_named_behind_a_colon_and_random_ones_are_none(registry):
    whole, random, edges = (
        named_candidate(ref, registry)
        for ref in ("efficientnet_lite/lite0", "efficientnet_lite/lite0:none", "vgg16:hed_bsds500")
    )
    assert whole.weights_flag == "imagenet"
    assert (random.backbone, random.weights_flag, random.weights) == ("efficientnet_lite/lite0", "none", None)
    assert (edges.name, edges.weights_flag) == ("vgg16:hed_bsds500", "hed_bsds500")
    assert len(distinct([whole, random])) == 2
    with pytest.raises(UsageError, match="has no weights 'imagnet'") as told:
        named_candidate("efficientnet_lite/lite0:imagnet", registry)
    assert "imagenet" in told.value.hint
