"""What the rates of a phase follow, and the value of it that a plan stands for."""

from dataclasses import replace

import pytest

from headstart.recipes.build import build_recipe
from headstart.registry import load_registry
from headstart.specs import RateSetting, StrategyRequest
from headstart.testing import write_distribution


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.mark.parametrize(
    ("place", "flags", "sets", "name", "value"),
    [
        (1, {"learning_rate": 2e-3, "train": ("stem",)}, ("layer_decay=0.5",), "--learning-rate", 2e-3),
        (1, {"train": ("stem", "block3")}, ("layer_decay=0.5", "backbone_rate=0.01"), "--learning-rate", 0.01),
        (1, {"learning_rate": 2e-3, "head": "mlp", "train": ("head",)}, (), "--learning-rate", 2e-3),
        (0, {"learning_rate": 2e-3, "head": "mlp"}, ("head_rate=0.25",), "strategy.head_rate", 0.25),
        (0, {"strategy": "probe", "head": "mlp"}, ("head_rate=0.25",), "--learning-rate", 0.25),
        (4, {"strategy": "gradual", "learning_rate": 2e-3}, ("layer_decay=0.5",), "--learning-rate", 2e-3),
    ],
)
def test_what_a_phase_follows_has_the_value_that_the_recipe_gives_it(registry, bound, place, flags, sets, name, value):
    given = {"data": "digits", "backbone": "lite0", "weights": "none", "backend": "torch", **flags}
    stated = build_recipe(flags=given, sets=[f"strategy.{each}" for each in sets])
    resolved = bound(stated, registry)
    assert resolved.phases[place].rate_setting == RateSetting(name, pytest.approx(value, rel=1e-12))


def test_a_closed_form_follows_none(registry, bound):
    given = {"data": "digits", "backbone": "lite0", "weights": "none", "backend": "torch"}
    resolved = bound(build_recipe(flags=given), registry)
    assert resolved.phases[0].rate_setting is None


PACED = """
from headstart.hookspecs import hookimpl
from headstart.specs import Phase, RateSetting, StrategySpec

@hookimpl
def register_strategies():
    return [StrategySpec(name="paced/tops", summary="The top, then the head.", build="paced:build")]

def build(request):
    rate = request.learning_rate or 1e-3
    tops = {"top": rate, "head": 3 * rate}
    setting = RateSetting("--learning-rate", rate)
    return [
        Phase(name="tops", train=("top", "head"), solver="gradient", rates=tops, rate_setting=setting),
        Phase(name="fixed", train=("head",), solver="gradient", rates={"head": 1e-3}),
    ]
"""


def test_a_third_partys_phase_says_what_it_follows_and_one_that_says_nothing_follows_none(tmp_path, monkeypatch, bound):
    write_distribution(tmp_path, "paced", PACED)
    monkeypatch.syspath_prepend(tmp_path)
    given = {"data": "digits", "backbone": "lite0", "weights": "none", "backend": "torch", "strategy": "tops"}
    for flags, value in (({}, 1e-3), ({"learning_rate": 2e-3}, 2e-3)):
        phases = bound(build_recipe(flags=given | flags), load_registry()).phases
        assert [phase.rate_setting for phase in phases] == [RateSetting("--learning-rate", value), None]


@pytest.mark.parametrize("family", ["cnn", "transformer"])
@pytest.mark.parametrize("solvable", [True, False])
def test_all_rates_of_the_built_ins_are_in_proportion_to_the_setting_that_they_name(registry, family, solvable):
    for spec in registry.specs("strategies"):
        if spec.short_name == "as_is":  # which trains nothing
            continue
        options = spec.options()
        request = StrategyRequest(options, ("low", "top"), None, solvable, False, None, None, None, family)
        build = registry.load_target(spec, spec.build)
        for place, phase in enumerate(build(request)):
            if phase.solver == "closed_form":
                assert phase.rate_setting is None
                continue
            setting = phase.rate_setting
            if setting.name == "--learning-rate":
                doubled = replace(request, learning_rate=2 * setting.value)
            else:
                option = setting.name.removeprefix("strategy.")
                doubled = replace(request, options=replace(options, **{option: 2 * setting.value}))
            twice = {stage: 2 * rate for stage, rate in phase.rates.items()}
            assert build(doubled)[place].rates == pytest.approx(twice, rel=1e-12)
