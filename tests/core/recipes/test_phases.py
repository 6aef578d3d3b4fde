"""A strategy is anybody's: what its phases must keep to is checked, and nothing else asks whose they are."""

from dataclasses import replace

import pytest

from headstart.errors import UsageError
from headstart.recipes.build import build_recipe
from headstart.recipes.phases import PhasePlanner
from headstart.registry import load_registry
from headstart.specs import LowRank, Phase, RateSetting, StrategyRequest
from headstart.testing import write_distribution

THEIRS = """
from headstart.hookspecs import hookimpl
from headstart.specs import LowRank, Phase, StrategySpec

@hookimpl
def register_strategies():
    return [StrategySpec(name="theirs/tops_first", summary="The top, by norms and by rank.", build="theirs:build")]

def build(request):
    top = request.stages[-1]
    rates = {top: 1e-3, "head": 1e-3}
    first = Phase(name="norms", train=(top, "head"), solver="gradient", roles=("gamma",), rates=rates)
    return [first, Phase(name="ranks", train=(top, "head"), solver="gradient", adapter=LowRank(2), rates=rates)]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    write_distribution(folder, "theirs", THEIRS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield load_registry()


def test_a_third_partys_strategy_is_planned_as_the_built_ins_are(registry, bound):
    flags = {"data": "digits", "strategy": "tops_first", "backbone": "lite0", "weights": "none", "backend": "torch"}
    phases = bound(build_recipe(flags=flags), registry).phases
    assert [(phase.name, phase.train) for phase in phases] == [("norms", ("top", "head")), ("ranks", ("top", "head"))]
    assert (phases[0].roles, phases[1].adapter) == (("gamma",), LowRank(2))


@pytest.mark.parametrize(
    ("data", "head", "topmost"),
    [
        ("digits", "linear", "top"),
        ("digits", "flatten", "block7"),
        ("masks:somewhere", "lr_aspp", "block5"),
        ("masks:somewhere", "fpn", "block7"),
        ("yolo:somewhere", "pyramid", "block7"),
    ],
)
def test_the_topmost_stages_are_those_that_the_head_depends_on(data, head, topmost, registry, bound):
    task = {"digits": "classification", "masks:somewhere": "segmentation", "yolo:somewhere": "detection"}[data]
    flags = {"data": data, "task": task, "head": head, "backbone": "lite0", "weights": "none", "backend": "torch"}
    for strategy in ("last_k", "gradual"):
        phases = bound(build_recipe(flags={**flags, "strategy": strategy}), registry).phases
        assert phases[1].train[-2:] == (topmost, "head")


GRADIENT = Phase(
    name="fine_tune",
    train=("low", "top", "head"),
    solver="gradient",
    rates={"low": 1e-4, "top": 1e-4, "head": 1e-3},
)
CLOSED = Phase(name="probe", train=("head",), solver="closed_form", strengths=(0.1, 1.0))


class Planned:
    """Stands where a registry does: the strategy's build gives `phases`."""

    def __init__(self, *phases):
        self.phases = phases

    def load_target(self, spec, target):
        return lambda request: self.phases


def plan(registry, *phases, batch_norm="frozen", only_mixing=(), solvable=True):
    spec = registry.get("strategies", "lp_ft")
    request = StrategyRequest(
        options=spec.options(),
        stages=(),
        train=None,
        solvable=solvable,
        augmented=False,
        views=None,
        epochs=None,
        learning_rate=None,
    )
    return PhasePlanner(spec, request, Planned(*phases), batch_norm, only_mixing).plan(("low", "top"))


@pytest.mark.parametrize(
    "phase",
    [
        CLOSED,
        GRADIENT,
        replace(GRADIENT, roles=("gamma", "beta"), clip=1.0, l2_sp=0.1, average=0.99),
        replace(GRADIENT, adapter=LowRank(4, 1.0), rate_factors=(0.3, 1.0)),
        replace(GRADIENT, pick=2, wise_ft=(0.0, 1.0)),
        replace(GRADIENT, train=("head",), average=0.9, wise_ft=(0.5,)),
        replace(GRADIENT, optimizer="sgd", momentum=0.9, schedule="constant", warmup=0.0),
        replace(GRADIENT, optimizer="rmsprop", clip=1.0, l2_sp=0.1, average=0.99, rate_factors=(0.3, 1.0)),
        replace(GRADIENT, optimizer="adam", adapter=LowRank(4, 1.0)),
    ],
)
def test_a_phase_that_can_be_carried_out_is_planned(registry, phase):
    assert plan(registry, CLOSED, phase) == (CLOSED, phase)


@pytest.mark.parametrize(
    ("phase", "told"),
    [
        (replace(GRADIENT, train=("low", "top")), "expected 'head' among stages"),
        (replace(GRADIENT, train=("low", "middle", "head")), "expected 'head' among stages"),
        (replace(GRADIENT, train=("low", "low", "head")), "one of them twice"),
        (replace(GRADIENT, rates={"head": 1e-3}), "lacks a rate for low, top"),
        (replace(GRADIENT, rates=GRADIENT.rates | {"top": 0.0}), "has a rate 0.0001, 0, 0.001; expected above 0"),
        (replace(GRADIENT, epochs=0), "has epochs 0; expected a whole number, at least 1"),
        (replace(GRADIENT, epochs=2.5), "has epochs 2.5; expected a whole number"),
        (replace(GRADIENT, views=-1), "has views -1; expected a whole number, 0 or above"),
        (replace(GRADIENT, patience=-3), "has patience -3; expected a whole number, 0 or above"),
        (replace(GRADIENT, strengths=(1.0,), refit=True), "nothing of it follows strengths and refit"),
        (replace(CLOSED, strengths=(0.0,)), "has strengths 0; expected above 0"),
        (replace(CLOSED, strengths=(-1.0,)), "has strengths -1; expected above 0"),
        (replace(CLOSED, strengths=(float("nan"),)), "has strengths nan; expected above 0"),
        (replace(GRADIENT, warmup=1.0), "has warmup 1.0"),
        (replace(GRADIENT, average=1.0), "has average 1.0; expected from 0 to below 1"),
        (replace(GRADIENT, clip=-1.0), "has clip -1.0"),
        (replace(GRADIENT, l2_sp=float("nan")), "has l2_sp nan"),
        (replace(GRADIENT, weight_decay=-0.1), "has weight_decay -0.1"),
        (replace(GRADIENT, rate_setting=RateSetting("--learning-rate", 0.0)), "expected of a value above 0"),
        (replace(GRADIENT, adapter=LowRank(0)), "expected of rank 1 or more"),
        (replace(GRADIENT, wise_ft=(0.5, 1.5)), "has wise_ft 0.5, 1.5; expected from 0 to 1"),
        (replace(GRADIENT, rate_factors=()), "has rate_factors ; expected one or more"),
        (replace(GRADIENT, rate_factors=(1.0, 0.0)), "has rate_factors 1, 0; expected one or more, above 0"),
        (replace(GRADIENT, pick=3), "picks 3 of the 2 stages low, top"),
        (replace(GRADIENT, roles=("gamma",), adapter=LowRank()), "has roles and an adapter"),
        (replace(GRADIENT, train=("head",), l2_sp=0.1), "has l2_sp, but trains the head alone"),
        (replace(GRADIENT, train=("head",), roles=("gamma",)), "has roles, but trains the head alone"),
        (replace(CLOSED, strengths=()), "needs strengths"),
        (replace(CLOSED, train=("top", "head")), "trains the head alone"),
        (replace(GRADIENT, optimizer="lion"), "has the optimizer 'lion'; expected one of adamw, adam, sgd, rmsprop"),
        (replace(GRADIENT, schedule="one_cycle"), "has the schedule 'one_cycle'; expected one of cosine, constant"),
        (replace(GRADIENT, optimizer="sgd", momentum=1.0), "has momentum 1.0; expected from 0 to below 1"),
        (replace(GRADIENT, momentum=0.9), "has momentum 0.9, which the optimizer adamw does not have"),
        (replace(CLOSED, optimizer="sgd", momentum=0.5), "nothing of it follows optimizer and momentum"),
        (replace(CLOSED, schedule="constant"), "nothing of it follows schedule"),
        (replace(CLOSED, average=0.9, rate_factors=(1.0, 2.0)), "nothing of it follows average and rate_factors"),
    ],
)
def test_a_phase_that_cannot_be_carried_out_is_refused_by_name(registry, phase, told):
    with pytest.raises(UsageError) as caught:
        plan(registry, phase)
    assert caught.value.message.startswith(f"strategy strategies/lp_ft: phase {phase.name!r} ")
    assert told in caught.value.message


def test_a_closed_form_of_a_head_that_the_task_cannot_solve_for_is_refused(registry):
    with pytest.raises(UsageError, match="is in closed form, and the task cannot solve for this head"):
        plan(registry, CLOSED, solvable=False)
    assert plan(registry, GRADIENT, solvable=False) == (GRADIENT,)


def test_a_solver_that_nobody_knows_is_refused(registry):
    with pytest.raises(UsageError, match="has the solver 'newton'; expected gradient or closed_form"):
        plan(registry, replace(GRADIENT, solver="newton"))


def test_scales_and_shifts_learn_around_statistics_that_stay(registry):
    phase = replace(GRADIENT, roles=("gamma", "beta"))
    with pytest.raises(UsageError, match=r"trains the gamma and beta alone.*received --batch-norm trainable"):
        plan(registry, phase, batch_norm="trainable")
    assert plan(registry, phase, batch_norm="re-estimated") == (phase,)
    assert plan(registry, GRADIENT, batch_norm="trainable") == (GRADIENT,)


def test_statistics_cannot_move_where_no_stage_learns(registry):
    alone = replace(GRADIENT, train=("head",), rates={"head": 1e-3})
    with pytest.raises(UsageError, match="--batch-norm trainable has nothing to act on"):
        plan(registry, alone, batch_norm="trainable")
    assert plan(registry, alone) == (alone,)
    assert len(plan(registry, alone, GRADIENT, batch_norm="trainable")) == 2


def test_views_that_only_mix_are_not_kept_for_a_head_in_closed_form(registry):
    closed = replace(CLOSED, views=4)
    assert plan(registry, closed, GRADIENT, only_mixing=("mixup",)) == (CLOSED, GRADIENT)
    assert plan(registry, closed, GRADIENT) == (closed, GRADIENT)
    with pytest.raises(UsageError, match="--augment mixup has nothing to act on"):
        plan(registry, closed, only_mixing=("mixup",))


def test_a_strategy_that_plans_nothing_for_a_new_head_is_refused(registry):
    with pytest.raises(UsageError, match="plans no phase for a head that is new"):
        plan(registry)
