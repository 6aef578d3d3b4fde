"""What the rates of a phase follow, and the value of it that a plan stands for."""

import pytest

from headstart.errors import UsageError
from headstart.options import NoOptions
from headstart.recipes.build import build_recipe
from headstart.recipes.rate_setting import RateSetting, rate_setting
from headstart.registry import load_registry
from headstart.specs import Phase, StrategyRequest


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
    found = resolved.planner.rate_setting(resolved.backbone.stages, place)
    assert found == RateSetting(name, pytest.approx(value, rel=1e-12))


def test_a_closed_form_follows_none(registry, bound):
    given = {"data": "digits", "backbone": "lite0", "weights": "none", "backend": "torch"}
    resolved = bound(build_recipe(flags=given), registry)
    assert resolved.planner.rate_setting(resolved.backbone.stages, 0) is None


REQUEST = StrategyRequest(NoOptions(), ("low", "top"), None, True, False, None, None, None)


def refused(request):
    raise UsageError("no rate is taken")


@pytest.mark.parametrize(
    ("rates", "value"),
    [
        (lambda rate: {"top": rate or 1e-3, "head": 3 * (rate or 1e-3)}, 1e-3),
        (lambda rate: {"top": 1e-3, "head": 1e-3}, None),
        (lambda rate: {"top": rate or 1e-3, "head": 1e-3}, None),
        (lambda rate: {"top": (rate or 1e-3) ** 2}, None),
        (lambda rate: {"top": 1e-3 + (rate or 1e-3)}, None),
        (lambda rate: {"top": 1e-3} if rate is None else {"low": rate}, None),
        (lambda rate: {"top": 1e-3} if rate is None else refused(rate), None),
    ],
    ids=["in proportion", "fixed", "one of two", "squared", "and more", "of another stage", "refused"],
)
def test_only_what_all_rates_are_in_proportion_to_counts(rates, value):
    def build(request):
        planned = rates(request.learning_rate)
        return [Phase(name="tune", train=tuple(planned), solver="gradient", rates=planned)]

    expected = None if value is None else RateSetting("--learning-rate", pytest.approx(value))
    assert rate_setting(build, REQUEST, 0) == expected
