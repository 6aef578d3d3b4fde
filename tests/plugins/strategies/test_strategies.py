"""Strategies are plans: phases as plain data, made without any framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headstart.errors import UsageError
from headstart.specs import StrategyRequest
from headstart_plugins.strategies import FullOptions, LpFtOptions, ProbeOptions, register_strategies
from headstart_plugins.strategies._build import full, lp_ft, probe

STAGES = ("stem", "stage1", "stage2")


def request(options, **changes):
    values = {
        "stages": STAGES,
        "train": None,
        "solvable": True,
        "augmented": False,
        "views": None,
        "epochs": None,
        "learning_rate": None,
    }
    return StrategyRequest(options=options, **{**values, **changes})


def test_lp_ft_is_the_only_default():
    assert [spec.name for spec in register_strategies() if spec.default] == ["strategies/lp_ft"]


def test_probe_solves_a_path_of_strengths_and_refits():
    (phase,) = probe(request(ProbeOptions()))
    assert (phase.train, phase.solver, phase.refit, phase.views) == (("head",), "closed_form", True, 0)
    assert phase.strengths == (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


def test_probe_adds_cached_views_only_where_samples_vary():
    assert probe(request(ProbeOptions(), augmented=True))[0].views == 4
    assert probe(request(ProbeOptions(), views=2, augmented=True, solvable=False))[0].views == 2
    assert probe(request(ProbeOptions(), solvable=False))[0].views == 0


def test_views_are_kept_below_what_learns_and_nowhere_else():
    first, second = lp_ft(request(LpFtOptions(), augmented=True, views=3, train=("stage2",)))
    assert (first.views, second.views) == (3, 3)
    first, second = lp_ft(request(LpFtOptions(), augmented=True, views=3))
    assert (first.views, second.views) == (3, 0)
    assert full(request(FullOptions(), augmented=True, views=3, train=("stage1", "stage2")))[0].views == 3


@pytest.mark.parametrize("plan", [probe, lp_ft, full])
def test_views_of_samples_that_do_not_vary_are_refused(plan):
    options = {probe: ProbeOptions, lp_ft: LpFtOptions, full: FullOptions}[plan]()
    with pytest.raises(UsageError, match="do not vary"):
        plan(request(options, views=3))


@pytest.mark.parametrize("train", [None, ("stem",)])
def test_views_are_refused_where_everything_learns(train):
    with pytest.raises(UsageError, match="every stage learns"):
        full(request(FullOptions(), augmented=True, views=3, train=train))


def test_probe_of_a_head_without_closed_form_trains_it_by_gradient():
    (phase,) = probe(request(ProbeOptions(), solvable=False))
    assert (phase.solver, phase.epochs, phase.rates, phase.strengths) == ("gradient", 20, {"head": 1e-3}, ())
    (mine,) = probe(request(ProbeOptions(), solvable=False, epochs=7, learning_rate=0.02))
    assert (mine.epochs, mine.rates) == (7, {"head": 0.02})


@pytest.mark.parametrize("changes", [{"train": ("stage2",)}, {"epochs": 3}, {"learning_rate": 0.1}])
def test_probe_refuses_what_it_would_not_use(changes):
    with pytest.raises(UsageError):
        probe(request(ProbeOptions(), **changes))


def test_lp_ft_solves_the_head_then_trains_everything_with_the_head_faster():
    first, second = lp_ft(request(LpFtOptions(), augmented=True))
    assert (first.solver, first.refit, first.views, first.train) == ("closed_form", False, 0, ("head",))
    assert (second.solver, second.train, second.epochs) == ("gradient", (*STAGES, "head"), 5)
    assert second.rates == {"stem": 3e-4, "stage1": 3e-4, "stage2": 3e-4, "head": pytest.approx(9e-4)}
    assert (second.warmup, second.patience, second.views) == (0.1, 0, 0)


def test_the_users_rate_and_epochs_go_to_the_fine_tuning():
    phases = lp_ft(request(LpFtOptions(head_factor=10), learning_rate=1e-4, epochs=2))
    assert phases[1].epochs == 2
    assert phases[1].rates == {"stem": 1e-4, "stage1": 1e-4, "stage2": 1e-4, "head": pytest.approx(1e-3)}


def test_chosen_stages_are_trained_in_the_backbones_order():
    assert lp_ft(request(LpFtOptions(), train=("stage2", "stem")))[1].train == ("stem", "stage2", "head")
    assert full(request(FullOptions(), train=("stage2", "head")))[0].train == ("stage2", "head")


def test_lp_ft_starts_an_unsolvable_head_by_gradient():
    first, second = lp_ft(request(LpFtOptions(), solvable=False))
    assert (first.name, first.solver, first.train, first.epochs) == ("probe", "gradient", ("head",), 10)
    assert second.name == "fine_tune"


def test_full_is_one_phase_over_everything():
    (phase,) = full(request(FullOptions(weight_decay=0.05)))
    assert (phase.train, phase.solver, phase.weight_decay) == ((*STAGES, "head"), "gradient", 0.05)


@pytest.mark.parametrize(("plan", "options"), [(lp_ft, LpFtOptions()), (full, FullOptions())])
def test_an_unknown_stage_is_refused_with_a_suggestion(plan, options):
    with pytest.raises(UsageError, match="stagge1") as caught:
        plan(request(options, train=("stagge1",)))
    assert "did you mean stage1?" in caught.value.hint


def test_a_path_that_runs_backwards_is_refused():
    with pytest.raises(UsageError, match="above strongest"):
        probe(request(ProbeOptions(weakest=1.0, strongest=0.1)))


def test_planning_loads_neither_numpy_nor_a_framework():
    code = (
        "import sys, headstart_plugins.strategies._build\n"
        "print([name for name in ('numpy', 'keras', 'jax', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
