"""An option that was set and that the plan does not read is refused, whoever wrote the strategy or the task."""

import numpy as np
import pytest

from headstart.engine.linear.rows import Part, Rows
from headstart.errors import RecipeError
from headstart.recipes.build import build_recipe
from headstart.recipes.file import write_recipe
from headstart.recipes.resolve import bind_to, resolve_recipe
from headstart.registry import load_registry
from headstart.specs import TaskRequest
from headstart.testing import write_distribution

UNREAD = """
from dataclasses import dataclass
from typing import Literal

from headstart.errors import UsageError
from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import Phase, StrategySpec

@dataclass(frozen=True)
class Options:
    solved: bool = option(True, "Whether the head is solved for.")
    free: float = option(2.0, "A rate without bounds.")
    capped: int = option(5, "Epochs, three at most.")
    idle: int = option(1, "Read by nobody.")
    switch: bool = option(False, "Read by nobody.")
    either: Literal["left", "right"] = option("left", "Read by nobody.")
    several: tuple[float, ...] = option((), "Read by nobody.", low=0.0)
    maybe: float | None = option(None, "Read by nobody.", low=0.0, high=1.0)
    least: int = option(1, "Read by nobody, and not above most.", low=0, high=9)
    most: int = option(5, "Read by nobody, and not below least.", low=0, high=9)
    note: str = option("", "Anything.")
    sure: float = option(0.5, "What it is does not matter, but it must not be 0.", low=0.0, high=1.0)
    fragile: float = option(0.5, "What it is does not matter, but nothing is divided by 0.", low=0.0, high=1.0)

    def __post_init__(self):
        if self.least > self.most:
            raise ValueError("least is above most")

@hookimpl
def register_strategies():
    return [StrategySpec(name="unread/heads", summary="A head.", build="unread:build", options=Options)]

def build(request):
    options = request.options
    if options.sure == 0.0:
        raise UsageError("not so sure")
    1 / options.fragile
    if options.solved:
        return [Phase(name="solve", train=("head",), solver="closed_form", strengths=(1.0,))]
    epochs = max(1, min(options.capped, 3))
    return [Phase(name="learn", train=("head",), solver="gradient", rates={"head": abs(options.free)}, epochs=epochs)]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    write_distribution(folder, "unread", UNREAD)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield load_registry()


def resolve(registry, *sets, form=None, **flags):
    given = {"data": "digits", "backbone": "lite0", "weights": "none", "backend": "torch", **flags}
    resolved = resolve_recipe(build_recipe(flags=given, sets=sets), registry)
    return bind_to(resolved, registry, task=registry.default_task(form or "class"), medium="image")


def refusal(registry, *sets, **flags):
    """What is said of the one problem that there is."""
    with pytest.raises(RecipeError) as caught:
        resolve(registry, *sets, **flags)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    "option", ["epochs=5", "head_rate=0.1", "patience=1", "weight_decay=0.5", "clip=0.0", "epochs=1", "epochs=1000"]
)
def test_a_probe_that_solves_its_head_has_no_use_for_what_training_needs(registry, option):
    problem = refusal(registry, f"strategy.{option}", strategy="probe")
    name, _, value = option.partition("=")
    assert problem.where == f"strategy.{name} (--set)"
    assert problem.message == f"{value} has nothing to act on: whatever it is, the phases are probe (closed form)"
    assert problem.hint.startswith("leave it out")
    assert resolve(registry, f"strategy.{option}", strategy="probe", head="mlp").phases[0].solver == "gradient"


@pytest.mark.parametrize(
    ("option", "flags"),
    [
        ("probe_epochs=50", {}),
        ("head_rate=0.01", {}),
        ("weakest=0.01", {"head": "mlp"}),
        ("strengths=3", {"head": "mlp"}),
        ("stages=2", {"strategy": "surgical", "train": ("top",)}),
        ("layer_decay=0.5", {"strategy": "last_k"}),
        ("head_factor=2.0", {"train": ("head",)}),
    ],
)
def test_an_option_of_a_part_that_the_plan_lacks_is_refused(registry, option, flags):
    problem = refusal(registry, f"strategy.{option}", **flags)
    assert problem.where == f"strategy.{option.partition('=')[0]} (--set)"
    assert "has nothing to act on" in problem.message


@pytest.mark.parametrize(
    ("option", "flags"),
    [
        ("probe_epochs=50", {"head": "mlp"}),
        ("weakest=0.01", {}),
        ("stages=2", {"strategy": "surgical"}),
        ("layer_decay=0.5", {}),
        ("k=2", {"strategy": "last_k"}),
        ("steps=20", {"strategy": "gradual"}),
        ("rate_factors=[1.0, 2.0]", {"strategy": "soup"}),
        ("shares=[0.5, 1.0]", {"strategy": "wise_ft"}),
        ("average=0.9", {}),
        ("backbone_rate=1e-5", {}),
    ],
)
def test_an_option_that_acts_is_taken(registry, option, flags):
    name, _, _ = option.partition("=")
    options = resolve(registry, f"strategy.{option}", **flags).options["strategy"]
    assert getattr(options, name) != getattr(type(options), name)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "rmsprop"])
def test_a_momentum_is_of_sgd_alone(registry, optimizer):
    sets = (f"strategy.optimizer={optimizer}", "strategy.momentum=0.9")
    problem = refusal(registry, *sets)
    assert problem.where == "strategy.momentum (--set)"
    assert problem.message == (
        "0.9 has nothing to act on: whatever it is, the phases are probe (closed form), "
        f"fine_tune (gradient, {optimizer})"
    )
    assert "optimizer" in problem.hint
    assert resolve(registry, "strategy.optimizer=sgd", sets[1]).phases[-1].momentum == 0.9


@pytest.mark.parametrize("option", ["optimizer=sgd", "schedule=constant", "warmup=0.0"])
def test_a_head_that_is_solved_for_has_no_optimizer(registry, option):
    problem = refusal(registry, f"strategy.{option}", strategy="probe")
    assert "has nothing to act on" in problem.message
    assert resolve(registry, f"strategy.{option}", strategy="probe", head="mlp").phases[0].solver == "gradient"


def test_all_of_them_come_in_one_message(registry):
    with pytest.raises(RecipeError) as caught:
        resolve(registry, "strategy.epochs=5", "strategy.clip=0.5", strategy="probe")
    assert [problem.where for problem in caught.value.problems] == ["strategy.clip (--set)", "strategy.epochs (--set)"]


def test_the_file_that_an_option_came_from_is_named(registry, tmp_path):
    (tmp_path / "mine.toml").write_text("[strategy]\nepochs = 5\n")
    flags = {"data": "digits", "backbone": "lite0", "weights": "none", "backend": "torch", "strategy": "probe"}
    with pytest.raises(RecipeError, match=r"strategy\.epochs .file mine\.toml.: 5 has nothing to act on"):
        resolve_recipe(build_recipe(flags=flags, file=tmp_path / "mine.toml"), registry)


@pytest.mark.parametrize("flags", [{"strategy": "probe", "head": "mlp"}, {"strategy": "lp_ft"}])
def test_a_flag_may_stand_for_an_option_of_the_recipe(registry, flags):
    rate = "strategy.head_rate=0.1" if flags["strategy"] == "probe" else "strategy.backbone_rate=0.1"
    resolved = resolve(registry, "strategy.epochs=5", rate, epochs=3, learning_rate=1e-3, **flags)
    assert resolved.phases[-1].epochs == 3


@pytest.mark.parametrize("flags", [{"strategy": "probe"}, {"head": "mlp"}, {"strategy": "surgical", "train": ("top",)}])
def test_a_recipe_that_states_every_value_resolves_again(registry, flags, tmp_path, bound):
    resolved = resolve(registry, **flags)
    write_recipe(resolved.recipe, tmp_path / "recipe.toml")
    again = bound(build_recipe(flags={}, file=tmp_path / "recipe.toml"), registry)
    assert again.phases == resolved.phases


@pytest.mark.parametrize(
    "option",
    ["idle=2", "switch=true", "either=right", "several=[1.0]", "maybe=0.5", "most=4", "free=3.0", "capped=9"],
)
def test_a_third_partys_option_is_refused_by_what_its_plan_reads(registry, option):
    problem = refusal(registry, f"strategy.{option}", strategy="heads")
    assert problem.where == f"strategy.{option.partition('=')[0]} (--set)"
    assert "has nothing to act on: whatever it is, the phases are solve" in problem.message


def test_a_number_without_bounds_is_taken_where_it_is_read(registry):
    resolved = resolve(registry, "strategy.solved=false", "strategy.capped=9", "strategy.free=3.0", strategy="heads")
    assert (resolved.phases[0].epochs, resolved.phases[0].rates) == (3, {"head": 3.0})


@pytest.mark.parametrize("option", ["note=mine", "sure=0.7", "fragile=0.7"])
def test_text_and_what_a_plan_fails_at_for_another_value_are_taken(registry, option):
    assert resolve(registry, f"strategy.{option}", strategy="heads").phases[0].name == "solve"


@pytest.mark.parametrize(
    ("option", "form"),
    [
        ("label_smoothing=0.1", "class"),
        ("dropout=0.2", "class"),
        ("label_smoothing=0.1", "labels"),
        ("dropout=0.2", "labels"),
        ("dropout=0.2", "number"),
        ("dropout=0.2", None),
    ],
)
def test_what_training_alone_reads_of_a_task_is_refused_where_nothing_is_trained(registry, option, form):
    problem = refusal(registry, f"task.{option}", strategy="probe", form=form)
    name, _, value = option.partition("=")
    assert problem.where == f"task.{name} (--set)"
    assert problem.message == (
        f"{value} has nothing to act on: training by gradient alone reads it, and probe solves this head in closed form"
    )
    assert problem.hint == "leave it out, or use --strategy lp_ft"
    assert resolve(registry, f"task.{option}", form=form).phases
    assert resolve(registry, f"task.{option}", form=form, strategy="probe", head="mlp").phases


def test_what_a_solved_head_reads_of_a_task_is_taken(registry):
    resolved = resolve(registry, "task.balance=logit_adjustment", "task.tau=2.0", strategy="probe")
    assert resolved.options["task"].tau == 2.0


def test_logit_adjustments_share_without_logit_adjustment_is_refused(registry):
    for sets in (("task.tau=2.0",), ("task.tau=2.0", "task.balance=sampling")):
        message = refusal(registry, *sets).message
        assert message.startswith("task.tau=2.0 has nothing to act on: task.balance is ")
        assert "--set task.balance=logit_adjustment" in message


VALUES = {"classification": ["a", "b"], "multilabel": [("a", "b"), ("b",)], "regression": [0.5, 2.0]}


@pytest.mark.parametrize("name", VALUES)
def test_no_head_that_is_solved_depends_on_what_its_task_says_training_alone_reads(registry, name):
    spec = registry.get("tasks", name)
    features = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    solved = []
    for value in (0.0, 0.4):
        options = spec.options(**dict.fromkeys(spec.gradient_options, value))
        task = registry.load_target(spec, spec.build)(TaskRequest(options, targets=VALUES[name] * 20))
        rows = Rows((Part((features,), task.encode(VALUES[name] * 20, [{}] * 40, [""] * 40)),))
        solved.append([(each.solver, each.weights["kernel"].tolist()) for each in task.solve(rows, (0.1, 1.0))])
    assert solved[0] == solved[1]
