"""Strategies are plans: phases as plain data, made without any framework."""

from __future__ import annotations

import subprocess
import sys
from typing import get_type_hints

import pytest

from headstart.errors import UsageError
from headstart.specs import LowRank, Optimizer, RateSchedule, StrategyRequest
from headstart_plugins.strategies import (
    ContrastiveOptions,
    FullOptions,
    LpFtOptions,
    ProbeOptions,
    ScratchOptions,
    _build,
    register_strategies,
)
from headstart_plugins.strategies._build import as_is, contrastive, full, lp_ft, probe, scratch

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


def test_contrastive_teaches_all_stages_by_pairs_and_then_fits_the_head():
    teach, head = contrastive(request(ContrastiveOptions(), epochs=4, family="transformer"))
    assert (teach.name, teach.contrast, teach.epochs) == ("contrast", 1.0, 4)
    assert teach.rates == dict.fromkeys((*STAGES, "head"), 1e-4)
    assert (head.name, head.train, head.solver, head.refit) == ("head", ("head",), "closed_form", True)
    _, by_gradient = contrastive(request(ContrastiveOptions(probe_epochs=3), solvable=False))
    assert (by_gradient.solver, by_gradient.train, by_gradient.epochs) == ("gradient", ("head",), 3)
    with pytest.raises(UsageError, match="patience=3 has nothing to act on"):
        contrastive(request(ContrastiveOptions(patience=3)))
    with pytest.raises(UsageError, match="contrastive fits a new head"):
        contrastive(request(ContrastiveOptions(), head_fitted=True))


def test_as_is_has_no_phase_and_nothing_to_set():
    fitted = {"head_fitted": True, "solvable": False}
    assert as_is(request(None, **fitted)) == ()
    for changes, told in (
        ({}, "a new head knows nothing"),
        ({**fitted, "train": ("stage2",)}, "as_is trains nothing"),
        ({**fitted, "epochs": 3}, "--epochs has nothing to act on"),
        ({**fitted, "learning_rate": 1e-3}, "--learning-rate has nothing to act on"),
        ({**fitted, "augmented": True}, "--augment has nothing to act on"),
        ({**fitted, "views": 0}, "--views has nothing to act on"),
    ):
        with pytest.raises(UsageError, match=told):
            as_is(request(None, **changes))


def test_scratch_is_the_only_default_from_scratch():
    assert [spec.name for spec in register_strategies() if spec.default_from_scratch] == ["strategies/scratch"]


@pytest.mark.parametrize(("family", "rate"), [("cnn", 1e-3), ("transformer", 5e-4)])
def test_scratch_trains_everything_at_one_rate_from_random_weights(family, rate):
    (phase,) = scratch(request(ScratchOptions(), family=family, augmented=True))
    assert phase.rates == dict.fromkeys((*STAGES, "head"), rate)
    assert (phase.train, phase.solver, phase.epochs, phase.views) == ((*STAGES, "head"), "gradient", 30, 0)
    assert (phase.warmup, phase.weight_decay, phase.patience) == (0.1, 0.05, 0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"train": ("stage2",)}, "trains every stage"), ({"views": 2, "augmented": True}, "--views 2 has nothing")],
)
def test_scratch_refuses_what_would_leave_something_random(changes, told):
    with pytest.raises(UsageError, match=told):
        scratch(request(ScratchOptions(), **changes))


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


TRAINING = [spec for spec in register_strategies() if spec.short_name != "as_is"]
WITHOUT_A_HEAD = {"probe", "full", "scratch", "contrastive"}
BUILT_ON_A_HEAD = [spec for spec in TRAINING if spec.short_name not in WITHOUT_A_HEAD]


@pytest.mark.parametrize("spec", BUILT_ON_A_HEAD, ids=lambda spec: spec.short_name)
def test_a_head_that_comes_trained_is_not_fitted_first(spec):
    build, options = getattr(_build, spec.short_name), spec.options()
    first, *others = build(request(options, solvable=False))
    assert first.train == ("head",)
    assert list(build(request(options, solvable=False, head_fitted=True))) == others


def test_views_have_nothing_to_act_on_without_the_phase_of_a_head_where_everything_learns():
    trained = {"solvable": False, "head_fitted": True, "augmented": True, "views": 3}
    with pytest.raises(UsageError, match="--views 3 has nothing to act on: every stage learns"):
        lp_ft(request(LpFtOptions(), **trained))
    assert [phase.views for phase in lp_ft(request(LpFtOptions(), train=("stage2",), **trained))] == [3]


def test_probe_of_a_head_without_closed_form_trains_it_by_gradient():
    (phase,) = probe(request(ProbeOptions(), solvable=False))
    assert (phase.solver, phase.epochs, phase.rates, phase.strengths) == ("gradient", 20, {"head": 1e-3}, ())
    (mine,) = probe(request(ProbeOptions(), solvable=False, epochs=7, learning_rate=0.02))
    assert (mine.epochs, mine.rates) == (7, {"head": 0.02})


@pytest.mark.parametrize("changes", [{"train": ("stage2",)}, {"epochs": 3}, {"learning_rate": 0.1}])
def test_probe_refuses_what_it_would_not_use(changes):
    with pytest.raises(UsageError):
        probe(request(ProbeOptions(), **changes))


def test_lp_ft_solves_the_head_then_trains_everything_at_one_rate():
    first, second = lp_ft(request(LpFtOptions(), augmented=True))
    assert (first.solver, first.refit, first.views, first.train) == ("closed_form", False, 0, ("head",))
    assert (second.solver, second.train, second.epochs) == ("gradient", (*STAGES, "head"), 10)
    assert second.rates == {"stem": 3e-4, "stage1": 3e-4, "stage2": 3e-4, "head": 3e-4}
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


def test_gradients_of_a_head_that_learns_alone_are_clipped_too():
    assert [phase.clip for phase in lp_ft(request(LpFtOptions(), solvable=False))] == [1.0, 1.0]
    first, _ = lp_ft(request(LpFtOptions(clip=0.5, warmup=0.2), solvable=False))
    assert (first.clip, first.warmup) == (0.5, 0.2)
    (alone,) = probe(request(ProbeOptions(clip=0.3), solvable=False))
    assert alone.clip == 0.3


def test_the_users_rate_is_that_of_a_head_that_learns_alone():
    (phase,) = full(request(FullOptions(), train=("head",), learning_rate=1e-2))
    assert phase.rates == {"head": 1e-2}


def test_full_is_one_phase_over_everything():
    (phase,) = full(request(FullOptions(weight_decay=0.05)))
    assert (phase.train, phase.solver, phase.weight_decay) == ((*STAGES, "head"), "gradient", 0.05)


@pytest.mark.parametrize(("plan", "options"), [(lp_ft, LpFtOptions()), (full, FullOptions())])
def test_an_unknown_stage_is_refused_with_a_suggestion(plan, options):
    with pytest.raises(UsageError, match="stagge1") as caught:
        plan(request(options, train=("stagge1",)))
    assert "did you mean stage1?" in caught.value.hint


SPECS = {spec.short_name: spec for spec in TRAINING}
FROM_A_HEAD = sorted(SPECS.keys() - WITHOUT_A_HEAD)
NAMES_STAGES = sorted(SPECS.keys() - {"probe", "last_k", "scratch"})


def plan_of(name, chosen=None, **changes):
    """The phases of a strategy with the options `chosen`."""
    return getattr(_build, name)(request(SPECS[name].options(**(chosen or {})), **changes))


@pytest.mark.parametrize("name", FROM_A_HEAD)
def test_fine_tuning_starts_from_a_solved_head(name):
    first, *rest = plan_of(name)
    assert (first.solver, first.train, first.refit) == ("closed_form", ("head",), False)
    assert rest
    assert all(phase.solver == "gradient" and phase.clip == 1.0 and phase.average == 0.0 for phase in rest)


@pytest.mark.parametrize("name", FROM_A_HEAD)
def test_fine_tuning_starts_from_a_trained_head_where_none_can_be_solved_for(name):
    first = plan_of(name, solvable=False)[0]
    assert (first.solver, first.train) == ("gradient", ("head",))


@pytest.mark.parametrize("name", NAMES_STAGES)
def test_every_strategy_of_the_backbone_trains_the_named_stages_alone(name):
    last = [phase for phase in plan_of(name, train=("stage2", "stem")) if phase.train != ("head",)][-1]
    assert (last.train, last.pick) == (("stem", "stage2", "head"), 0)


@pytest.mark.parametrize("name", sorted(set(NAMES_STAGES) - {"lp_ft", "full", "soup"}))
def test_a_strategy_of_the_backbone_refuses_to_train_the_head_alone(name):
    with pytest.raises(UsageError, match=f"{name} trains the backbone; received --train head"):
        plan_of(name, train=("head",))


@pytest.mark.parametrize("name", FROM_A_HEAD)
def test_the_users_rate_epochs_and_rules_reach_every_fine_tuning(name):
    chosen = {"clip": 0.5, "average": 0.99, "weight_decay": 0.2, "warmup": 0.3, "patience": 2, "head_factor": 2.0}
    for phase in plan_of(name, chosen, epochs=3, learning_rate=2e-4)[1:]:
        assert (phase.epochs, phase.clip, phase.average, phase.weight_decay) == (3, 0.5, 0.99, 0.2)
        assert (phase.warmup, phase.patience) == (0.3, 2)
        assert (max(phase.rates.values()), phase.rates["head"]) == (4e-4, 4e-4)
        assert phase.rates[phase.train[-2]] <= 2e-4


TUTORIAL = {"optimizer": "sgd", "momentum": 0.9, "schedule": "constant", "warmup": 0.0, "clip": 0.0}
"""As much of an optimizer as the tutorials of Keras choose."""


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_strategy_trains_by_the_optimizer_and_the_schedule_that_are_chosen(name):
    phases = plan_of(name, TUTORIAL, solvable=False)
    for phase in phases:
        assert {key: getattr(phase, key) for key in TUTORIAL} == TUTORIAL
        assert phase.weight_decay == 0.0
        assert phase.rates[phase.train[-2 if len(phase.train) > 1 else -1]] == 1e-3


@pytest.mark.parametrize("name", sorted(SPECS))
def test_adamw_falls_as_a_cosine_unless_something_else_is_chosen(name):
    for phase in plan_of(name, solvable=False):
        assert (phase.optimizer, phase.momentum, phase.schedule, phase.warmup) == ("adamw", 0.0, "cosine", 0.1)
        assert phase.weight_decay == (0.05 if name == "scratch" else 0.01)


def test_adam_and_rmsprop_have_adamws_rates_and_no_decay_unless_one_is_named():
    for optimizer in ("adam", "rmsprop"):
        phases = plan_of("lp_ft", {"optimizer": optimizer}, solvable=False)
        assert [(phase.rates["head"], phase.weight_decay) for phase in phases] == [(1e-3, 0.0), (3e-4, 0.0)]
        named = plan_of("lp_ft", {"optimizer": optimizer, "weight_decay": 0.01}, solvable=False)
        assert [phase.weight_decay for phase in named] == [0.01, 0.01]


def test_a_named_rate_wins_over_that_of_sgd():
    sgd = {"optimizer": "sgd"}
    assert plan_of("lp_ft", sgd)[1].rates["stage2"] == 1e-2  # Keras' own default
    assert plan_of("lp_ft", sgd, learning_rate=1e-4)[1].rates["stage2"] == 1e-4
    assert plan_of("lp_ft", {**sgd, "head_rate": 0.2}, solvable=False)[0].rates == {"head": 0.2}
    assert plan_of("lp_ft", {**sgd, "backbone_rate": 0.3})[1].rates["stage2"] == 0.3
    with pytest.raises(UsageError, match="no rate is known to suit backbones of the family 'mixer'"):
        plan_of("lp_ft", sgd, family="mixer")


def test_the_choices_are_those_of_a_phase():
    hints = get_type_hints(SPECS["lp_ft"].options)
    assert (hints["optimizer"], hints["schedule"]) == (Optimizer, RateSchedule)


@pytest.mark.parametrize("name", [name for name in SPECS if name not in ("as_is", "probe")])
@pytest.mark.parametrize("family", ["cnn", "transformer", "recurrent"])
def test_every_strategy_has_a_rate_for_families_that_are_offered(name, family):
    assert all(rate > 0 for phase in plan_of(name, family=family) for rate in phase.rates.values())


def test_rates_suit_the_family_of_the_backbone():
    cnn, transformer = (plan_of("lp_ft", family=family)[1].rates for family in ("cnn", "transformer"))
    assert cnn == pytest.approx({"stem": 3e-4, "stage1": 3e-4, "stage2": 3e-4, "head": 3e-4})
    assert transformer == pytest.approx({"stem": 1e-4 * 0.75**2, "stage1": 1e-4 * 0.75, "stage2": 1e-4, "head": 1e-4})


def test_a_named_rate_and_decay_win_over_the_familys():
    rates = plan_of("lp_ft", {"backbone_rate": 1e-5, "layer_decay": 0.5}, family="transformer")[1].rates
    assert rates == pytest.approx({"stem": 2.5e-6, "stage1": 5e-6, "stage2": 1e-5, "head": 1e-5})
    assert plan_of("lp_ft", {"backbone_rate": 1e-5}, learning_rate=2e-5)[1].rates["stage2"] == 2e-5


def test_depth_counts_from_the_top_of_the_backbone_whatever_learns():
    rates = plan_of("discriminative", train=("stem",))[1].rates
    assert rates == pytest.approx({"stem": 3e-4 * 0.75**2, "head": 3e-4})


def test_discriminative_rates_fall_with_depth_in_any_family():
    for family in ("cnn", "transformer"):
        rates = plan_of("discriminative", {"layer_decay": 0.5}, family=family)[1].rates
        assert rates["stem"] * 4 == pytest.approx(rates["stage1"] * 2) == pytest.approx(rates["stage2"])


@pytest.mark.parametrize(
    ("count", "steps", "learning"),
    [(3, 4, [1, 2, 3]), (7, 4, [1, 3, 5, 7]), (8, 4, [2, 4, 6, 8]), (10, 3, [3, 6, 10]), (5, 1, [5]), (1, 4, [1])],
)
def test_gradual_unfreezes_more_of_the_top_in_each_step_and_all_in_the_last(count, steps, learning):
    stages = tuple(f"block{number}" for number in range(count))
    _, *unfrozen = plan_of("gradual", {"steps": steps}, stages=stages)
    assert [phase.train for phase in unfrozen] == [(*stages[count - number :], "head") for number in learning]
    assert len({phase.name for phase in unfrozen}) == len(unfrozen)


def test_gradual_keeps_views_in_the_steps_that_leave_a_prefix_frozen():
    assert [phase.views for phase in plan_of("gradual", augmented=True, views=2)] == [2, 2, 2, 0]


def test_epochs_of_gradual_are_those_of_each_step():
    assert [phase.epochs for phase in plan_of("gradual")[1:]] == [3, 3, 3]
    assert [phase.epochs for phase in plan_of("gradual", epochs=4)[1:]] == [4, 4, 4]


@pytest.mark.parametrize(("name", "roles"), [("norm_only", ("norm",)), ("bitfit", ("bias", "beta"))])
def test_few_weights_learn_by_their_roles_at_larger_rates(name, roles):
    few, everything = plan_of(name)[1], plan_of("lp_ft")[1]
    assert (few.roles, everything.roles) == (roles, ())
    assert few.rates["stem"] > everything.rates["stem"]
    assert len(set(plan_of(name, family="transformer")[1].rates.values()) - {few.rates["head"]}) <= 2


def test_lora_adapts_kernels_by_its_rank_and_scale():
    phase = plan_of("lora", {"rank": 4, "scale": 1.5})[1]
    assert (phase.adapter, phase.roles) == (LowRank(4, 1.5), ())
    assert plan_of("lp_ft")[1].adapter is None


def test_last_k_trains_the_topmost_stages():
    assert plan_of("last_k")[1].train == ("stage2", "head")
    assert plan_of("last_k", {"k": 2})[1].train == ("stage1", "stage2", "head")
    assert plan_of("last_k", {"k": 3})[1].train == (*STAGES, "head")


@pytest.mark.parametrize(("name", "option"), [("last_k", "k"), ("surgical", "stages")])
def test_more_stages_than_there_are_is_refused(name, option):
    with pytest.raises(UsageError, match=rf"strategy\.{option} is 4; this backbone has 3 stages"):
        plan_of(name, {option: 4})


def test_stages_that_the_head_takes_nothing_of_are_not_counted():
    idle = {"idle": ("stage2",)}
    assert plan_of("last_k", **idle)[1].train == ("stage1", "head")
    assert [phase.train for phase in plan_of("gradual", **idle)[1:]] == [("stage1", "head"), ("stem", "stage1", "head")]
    assert plan_of("lp_ft", **idle)[1].rates == plan_of("lp_ft")[1].rates
    told = r"k is 3; this backbone has 2 stages with weights that the head depends on"
    with pytest.raises(UsageError, match=told) as caught:
        plan_of("last_k", {"k": 3}, **idle)
    assert "strategy.k=2 or less" in caught.value.hint


def test_last_k_refuses_named_stages():
    with pytest.raises(UsageError, match="last_k trains the topmost stages; received --train stem"):
        plan_of("last_k", train=("stem",))


def test_surgical_picks_among_all_stages_unless_they_are_named():
    phase = plan_of("surgical", {"stages": 2})[1]
    assert (phase.train, phase.pick) == ((*STAGES, "head"), 2)


def test_l2_sp_pulls_and_the_others_do_not():
    assert plan_of("l2_sp", {"pull": 3.0})[1].l2_sp == 3.0
    assert {name for name in FROM_A_HEAD if any(phase.l2_sp for phase in plan_of(name))} == {"l2_sp"}


def test_soup_tries_each_rate_once_and_wise_ft_each_share():
    assert plan_of("soup")[1].rate_factors == (0.3, 1.0, 3.0)
    assert plan_of("soup", {"rate_factors": (2.0, 1.0, 2.0)})[1].rate_factors == (1.0, 2.0)
    assert plan_of("wise_ft")[1].wise_ft == (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(("name", "chosen"), [("soup", {"rate_factors": (1.0,)}), ("wise_ft", {"shares": (1.0, 1.0)})])
def test_nothing_to_choose_among_is_refused(name, chosen):
    with pytest.raises(UsageError, match=r"or more|some in between"):
        plan_of(name, chosen)
    assert plan_of("wise_ft", {"shares": (0.5,)})[1].wise_ft == (0.5,)  # beside 0 and 1, which are tried anyway


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
