"""A whole fit with an engine: pinned in the recipe, told in the result, checked, and the same answers."""

import json
import os
from dataclasses import replace

import pytest

from headstart.engine.features.decision import EngineDecision
from headstart.engine.features.extractor import FeatureExtractor
from headstart.errors import EngineRefusal, HeadstartError, UsageError
from headstart.run import Run
from headstart.runs import reloading
from headstart.runs.evaluation import score
from headstart.runs.fitting import fit

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


STOCK = "stock"


def on_stock_layers(run):
    """The metrics on test of a run's artefact by itself."""
    (samples,), _ = run.data.own("test", is_refitted=False)
    return score(run.artefact.predictor, samples).metrics


@pytest.fixture
def probe(finished, small_registry, tmp_path):
    """Fits a probe on the pictures of the finished run."""

    def run(name, **settings):
        return fit(
            f"image_folder:{finished.pictures}",
            backbone="small/net",
            weights="none",
            reporters=("json",),
            out=str(tmp_path / name),
            registry=small_registry,
            **{"strategy": "probe", **settings},
        )

    return run


def test_a_run_in_openvino_gives_the_answers_of_a_native_one(probe):
    pytest.importorskip("openvino")
    native, other = probe("native", engine="native"), probe("openvino", engine="openvino")

    assert other.result["engine"]["name"] == "openvino"
    assert 0 < other.result["engine"]["measured"]["openvino float32"]["largest_difference"] <= 1e-4
    for split, metrics in native.result["metrics"].items():
        assert other.result["metrics"][split] == pytest.approx(metrics, abs=1e-3)
    assert (native.result["engine"]["answers"], other.result["engine"]["answers"]) == (
        STOCK,
        "engines/openvino float32",
    )
    assert on_stock_layers(other) == pytest.approx(other.result["metrics"]["test"], abs=1e-4)


def test_test_is_scored_on_the_layers_that_were_held_equal_and_evaluated_at_once(probe, monkeypatch):
    monkeypatch.setattr("headstart.runs.reloading.FEW", 1)
    run = probe("lowered", engine="native", seed=7)

    assert run.result["engine"]["answers"] == "engines/native float32"
    assert on_stock_layers(run) == pytest.approx(run.result["metrics"]["test"], abs=1e-4)
    monkeypatch.setattr("headstart.run.activate", None)  # no backend is asked for
    assert run.evaluate().document["metrics"]["test"] == run.result["metrics"]["test"]


def test_a_second_run_answers_a_few_samples_on_stock_layers_and_scores_none(probe, monkeypatch):
    monkeypatch.setattr("headstart.runs.reloading.FEW", 1)
    first = probe("first", engine="native", seed=7)
    monkeypatch.setattr("headstart.runs.reloading.predictor_in_engine", lambda *_: pytest.fail("it is known"))
    asked = []
    true = reloading.reloaded_answers
    monkeypatch.setattr(reloading, "reloaded_answers", lambda *args: asked.append(args[2]) or true(*args))
    second = probe("second", engine="native", seed=7)

    assert asked == [reloading.RELOADED_STOCK]
    assert second.result["metrics"] == first.result["metrics"]
    assert second.result["engine"]["answers"] == "engines/native float32"
    assert second.folder.predictions.read_bytes() == first.folder.predictions.read_bytes()


@pytest.mark.parametrize("wrong", ["stock_predictor", "predictor_in_engine"])
def test_a_reloaded_artefact_that_answers_otherwise_ends_the_run_wherever_it_does(probe, monkeypatch, tmp_path, wrong):
    """A planted fault: what stock layers give, or what they were lowered to, is off."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))  # or scores of the other tests are known
    monkeypatch.setattr("headstart.runs.reloading.FEW", 1)
    true = getattr(reloading, wrong)

    def off(predictor):
        run = predictor.forward
        plus = lambda batch: {name: array + 0.01 for name, array in run(batch).items()}  # noqa: E731
        return replace(predictor, forward=plus)

    def planted(*args):
        found = true(*args)
        return (off(found[0]), found[1]) if isinstance(found, tuple) else off(found)

    monkeypatch.setattr(reloading, wrong, planted)
    with pytest.raises(HeadstartError, match="the reloaded artefact answers differently"):
        probe(wrong, engine="native")


def test_weights_that_training_changed_are_held_against_stock_layers_again_or_these_answer(probe, monkeypatch):
    monkeypatch.setattr("headstart.runs.reloading.FEW", 1)
    settings = {"engine": "native", "strategy": "full", "epochs": 1}
    run = probe("lowered", **settings)
    assert run.result["engine"]["answers"] == "engines/native float32"
    assert on_stock_layers(run) == pytest.approx(run.result["metrics"]["test"], abs=1e-4)

    true = FeatureExtractor.measure

    def refused(extractor, *args, **kwargs):
        if extractor.artefact is not None:
            raise EngineRefusal("engines/native differs from the stock network")
        return true(extractor, *args, **kwargs)

    monkeypatch.setattr(FeatureExtractor, "measure", refused)
    told = probe("refused", seed=9, **settings).result
    assert told["engine"]["answers"] == STOCK
    assert any("stock layers answer instead" in each for each in told["warnings"])


def test_engine_precision_and_threads_are_pinned_in_the_recipe_and_it_runs_again(probe, small_registry, tmp_path):
    run = probe("first")
    pinned = run.recipe

    assert pinned.engine == f"engines/{run.result['engine']['name']}"
    assert pinned.precision == "float32"
    assert pinned.threads >= 1
    environment = json.loads(run.folder.environment.read_text())
    assert (environment["precision"], environment["threads"]) == ("float32", pinned.threads)

    again = fit(recipe=run.folder.recipe, out=str(tmp_path / "again"), registry=small_registry)
    assert again.result["metrics"] == run.result["metrics"]


def test_a_second_run_computes_no_feature_again(probe, monkeypatch):
    first = probe("first", engine="native")
    monkeypatch.setattr(
        "headstart.engine.features.extract.extract", lambda *_, **__: pytest.fail("it was computed before")
    )
    second = probe("second", engine="native")

    assert second.result["metrics"] == first.result["metrics"]


def test_another_augmentation_seed_is_another_view(probe, monkeypatch):
    settings = {"engine": "native", "augment": ("classic",), "views": 1}
    probe("first", **settings)
    monkeypatch.setattr("headstart.engine.features.extract.extract", _computed)
    with pytest.raises(_Computed):
        probe("second", seed=1, **settings)


class _Computed(Exception):
    pass


def _computed(*_, **__):
    raise _Computed


def test_an_engine_that_disagrees_and_was_asked_for_ends_the_run(probe, tmp_path):
    with pytest.raises(EngineRefusal, match="small/off differs"):
        probe("off", engine="small/off")
    assert not (tmp_path / "off" / "result.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == "jax", reason="XLA rounds otherwise for another batch size")
def test_layers_that_answer_otherwise_than_keras_own_are_left_out_and_the_run_says_so(probe, monkeypatch):
    """Here because nothing at all is allowed: convolutions that took in their norms differ by rounding."""
    with monkeypatch.context() as strict:  # first: what was found once to be alike is not compared again
        for bound in ("FLOAT32_TOLERANCE", "MOVES"):
            strict.setattr(f"headstart.engine.features.extractor.{bound}", 0.0)
        told = probe("strict", seed=5).result
    usual = probe("usual", seed=5).result
    assert any("layers as Keras has them are used instead of faster ones" in each for each in told["warnings"])
    assert not any("layers as Keras has them" in each for each in usual["warnings"])
    assert told["metrics"]["test"]["loss"] == pytest.approx(usual["metrics"]["test"]["loss"], abs=1e-4)


def test_an_engine_that_is_not_installed_is_known_before_any_data_is_read(probe):
    with pytest.raises(UsageError, match="no_such_module") as caught:
        probe("absent", engine="small/absent")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"engine": "nativ"}, "nativ"), ({"precision": "float16"}, "float16"), ({"threads": 0}, "threads")],
)
def test_odd_values_are_usage_errors(probe, settings, message):
    with pytest.raises(UsageError, match=message):
        probe("odd", **settings)


def test_a_run_is_opened_where_its_engine_is_not_installed(probe):
    run = probe("run", engine="native")
    text = run.folder.recipe.read_text()
    run.folder.recipe.write_text(text.replace("engines/native", "engines/gone"))

    assert Run.load(run.path, registry=run.registry).evaluate().document["metrics"]["test"]


def test_what_a_run_decided_about_its_engines_is_written_down_whole(probe):
    """A run that goes on obeys it: trying again, it might take another engine, or an export that does not pay."""
    run = probe("first", engine="native")
    decision = EngineDecision.of(run.folder.environment)
    measured = run.result["engine"]["measured"]["native float32"]["samples_per_second"]

    assert (decision.engine, decision.precision, decision.threads) == ("engines/native", "float32", run.recipe.threads)
    assert (decision.native_rate, decision.stock_layers, decision.exports) == (measured, False, False)
    assert {**decision.result(), "answers": STOCK} == run.result["engine"]
    assert EngineDecision.of(run.path / "absent.json") is None


def test_a_run_that_goes_on_obeys_its_decision_and_measures_nothing(probe, small_registry, monkeypatch):
    run = probe("first", engine="native", strategy="lp_ft", epochs=1)
    facts = json.loads(run.folder.environment.read_text())
    facts["engine"]["native_rate"] = 12345.0
    run.folder.environment.write_text(json.dumps(facts))
    (run.path / "result.json").unlink()
    monkeypatch.setattr("headstart.runs.execution.decide", lambda *_, **__: pytest.fail("it was decided before"))

    again = fit(out=str(run.path), resume=True, registry=small_registry)

    assert again.result["metrics"] == run.result["metrics"]
    assert EngineDecision.of(again.folder.environment).native_rate == 12345.0
