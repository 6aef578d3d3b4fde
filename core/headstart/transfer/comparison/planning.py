"""From what a comparison is asked for to its design: which arms there are, how each is trained, on how many labels."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.data.checks import raise_errors
from headstart.data.prepared import PreparedData
from headstart.data.split import Cut, try_split
from headstart.data.targets import build_target_kind, other_kind
from headstart.errors import DataError, HeadstartError, UsageError
from headstart.lists import in_line
from headstart.options import Text, describe_options
from headstart.recipe import FIT, MAX_SEED, NONE, SETTINGS, Recipe
from headstart.recipes.build import build_recipe, pretraining_recipe
from headstart.recipes.file import read_recipe, toml_item
from headstart.recipes.head_source import open_head_source
from headstart.recipes.resolve import BoundRecipe, bind, bind_to, make_ready
from headstart.registry import Registry
from headstart.runs.fitted_ahead import fit_and_prepare
from headstart.runs.planning import backbone_blueprint, check_weights_present, open_records, prepare_options
from headstart.specs import PRETRAINED, Phase, Records, StrategySpec, TargetKind, TaskSpec
from headstart.threads import available_threads
from headstart.transfer.comparison.cells import Arm, Design, share_name

ARMS = ("probe", "lp_ft", "full")
"""The strategies that are compared with scratch where none is named."""
SEEDS = (0, 1, 2)
FRACTIONS = (0.01, 0.03, 0.1, 0.3, 1.0)
OWN = ("out", "seed", "strategy", "backbone", "epochs", "threads", "reporters")
"""Settings of `headstart fit` that a comparison gives to each cell itself."""
STAND_IN = ("one", "two", "three", "four")
"""Stages in place of those that only a built network tells: how many phases there are does not depend on them."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a comparison is asked for. `flags` are those of `headstart fit` that all cells share, by name with
    underscores, `sets` its `--set key=value`; options of a strategy go to the arms that have them.
    """

    data: str
    backbones: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    seeds: tuple[int, ...] = SEEDS
    fractions: tuple[float, ...] | None = None
    epochs: int | None = None
    threads: int | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    sets: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Settings of a recipe that are the comparison's own."""

    @classmethod
    def from_recipe(cls, file: Path, **asked: Any) -> Asked:
        """What a recipe says, below what `asked`, the fields by name, says itself.

        The recipe's backbone and epochs stand for those of all arms, and its strategy is compared too; its seed, and
        where and to whom it reports, are left out. Raises UsageError for a file that cannot be read, RecipeError for
        tables that no recipe has.
        """
        tables = {name: dict(values) for name, values in read_recipe(file).items()}
        stated = tables.pop(FIT, {})
        sets = [
            f"{table}.{key}={toml_item(value).as_string()}"
            for table, rows in tables.items()
            for key, value in rows.items()
        ]
        one = {"data": stated.get("data"), "epochs": stated.get("epochs")}
        several = {"backbones": stated.get("backbone"), "strategies": stated.get("strategy")}
        own = {name: value for name, value in one.items() if value is not None}
        own |= {name: (value,) for name, value in several.items() if value is not None}
        if "strategies" in own:
            own["strategies"] = tuple(dict.fromkeys((*ARMS, *own["strategies"])))
        own |= {name: value for name, value in asked.items() if value not in (None, ())}
        if "data" not in own:
            raise UsageError(
                f"{file} names no data to compare on", hint="name a dataset, a path or KIND:PATH beside it"
            )
        flags = {name: value for name, value in stated.items() if name not in OWN and name != "data"}
        flags |= {name: value for name, value in asked.get("flags", {}).items() if value not in (None, (), [])}
        left_out = tuple(name for name in ("seed", "out", "threads", "reporters") if name in stated)
        return cls(**own | {"flags": flags, "sets": (*sets, *asked.get("sets", ())), "left_out": left_out})

    def __post_init__(self) -> None:
        for name in OWN:
            if self.flags.get(name) is not None:
                raise UsageError(f"{name} is the comparison's own", hint="leave it out")
        for seed in self.seeds:
            if not 0 <= seed <= MAX_SEED:
                raise UsageError(f"--seeds {seed}: expected whole numbers from 0 to {MAX_SEED}")
        for fraction in self.fractions or ():
            if not 0 < fraction <= 1:
                raise UsageError(
                    f"--fractions {fraction:g} is no share of train",
                    hint="expected shares such as 0.1,0.5,1 or 10%,50%",
                )

    def document(self) -> dict[str, Any]:
        """As plain values: what a comparison that goes on compares its flags with."""
        return {
            "data": self.data,
            "backbones": list(self.backbones),
            "strategies": list(self.strategies),
            "seeds": sorted(set(self.seeds)),
            "fractions": None if self.fractions is None else sorted(set(self.fractions)),
            "epochs": self.epochs,
            "threads": self.threads,
            **{name: str(value) for name, value in self.flags.items() if value not in (None, (), [])},
            "sets": list(self.sets),
        }


def make_design(asked: Asked, registry: Registry) -> Design:
    """Everything that is known before the first cell runs. Reads the data, and keeps what was read for the cells.

    Raises RecipeError and UsageError for what is wrong before data is read, DataError for data that cannot be used, and
    for a share of train that has not one of each class.
    """
    settings = asked.document()
    asked = _with_head_source(asked, registry)
    scratch = registry.strategy_from_scratch()
    named = [registry.get("strategies", name) for name in asked.strategies or ARMS]
    if set(named) == {scratch}:
        raise UsageError(
            f"--strategy {scratch.short_name} is the control: there is nothing to compare it with",
            hint=f"name another one beside it, or none for {', '.join(ARMS)}",
        )
    strategies = [scratch, *(spec for spec in dict.fromkeys(named) if spec is not scratch)]
    backbones = asked.backbones or (None,)
    if asked.flags.get("weights") is not None and len(backbones) > 1:
        raise UsageError("--weights are those of one backbone", hint=f"name one; received {', '.join(asked.backbones)}")
    _verify_sets(asked, strategies)
    if asked.flags.get("task") is not None:
        _verify_begins_anew(registry.get("tasks", asked.flags["task"]))
    drafts = [
        _Draft(asked, registry, backbone, strategy) for backbone in dict.fromkeys(backbones) for strategy in strategies
    ]
    ready = [make_ready(draft.recipe(), registry) for draft in drafts]
    records = open_records(ready[0].resolved, registry)
    bound = [bind(each.resolved, registry, records) for each in ready]
    for each in bound:
        _verify_begins_anew(each.task)
        check_weights_present(each, registry)
    if asked.flags.get("head") is None and any(each.head == PRETRAINED for each in bound):
        new = bound[0].task.heads[0]
        anew = make_design(dataclasses.replace(asked, flags={**asked.flags, "head": new}), registry)
        told = f"every arm has a new {new}, since the losses of the published one are of another vocabulary"
        return dataclasses.replace(anew, settings=settings, notes=(told, *anew.notes))
    if len(tasks := dict.fromkeys(each.task.short_name for each in bound)) > 1:
        raise UsageError(f"the arms would learn different tasks: {', '.join(tasks)}", hint="name one with --task")
    if other := other_kind(records, registry.get("targets", bound[0].task.targets), registry):
        raise_errors([other])
    notes = [*_told_ahead(asked, bound)]
    arms = _arms(drafts, bound)
    data, kind = _read(bound[0], registry, records, notes.append)
    fractions, counts = _counted(asked, data, kind, records, bound[0], notes)
    cells = len(arms) * len(fractions) * len(set(asked.seeds))
    return Design(
        data=asked.data,
        task=bound[0].task.name,
        backend=ready[0].choice.name,
        arms=arms,
        seeds=tuple(sorted(set(asked.seeds))),
        fractions=fractions,
        samples=counts,
        threads=asked.threads or max(1, available_threads() // cells),
        settings=settings,
        notes=tuple(notes),
    )


def _with_head_source(asked: Asked, registry: Registry) -> Asked:
    """What the run whose head goes on brings for all arms, the control among them, where nothing else is named: its
    network, its task, and the form of its head."""
    if (ref := asked.flags.get("head_from")) is None:
        return asked
    source = open_head_source(ref, registry)
    own = {"task": source.task_spec.name, "head": source.blueprint.head}
    given = {name: value for name, value in asked.flags.items() if value is not None}
    return dataclasses.replace(asked, backbones=asked.backbones or (ref,), flags={**own, **given})


def _told_ahead(asked: Asked, bound: Sequence[BoundRecipe]) -> Iterator[str]:
    """What is known of a comparison before its data is read."""
    if asked.left_out:
        yield f"the recipe's {', '.join(asked.left_out)} left out: a comparison has its own"
    if len(set(asked.seeds)) == 1:
        yield "one seed: no interval, so that nothing that is seen is a finding; --seeds 3 or more has some"
    learned = {each.backbone.name for each in bound if each.weights is not None}
    if at_random := [name for name in dict.fromkeys(each.backbone.name for each in bound) if name not in learned]:
        told = f"{in_line(at_random)}: every arm begins with random weights, as scratch does: nothing is transferred"
        yield f"{told}; --backbone runs/NAME is a run that learned something"


def twin_of(arm: Arm) -> Arm:
    """The same training from random weights."""
    own = {
        name: value
        for name, value in arm.flags.items()
        if name != "head_from" and (name, value) != ("head", PRETRAINED)
    }
    return dataclasses.replace(arm, name=f"{arm.name} (random)", flags={**own, "weights": NONE}, twin=arm.name)


def recipe_of(flags: Mapping[str, Any], sets: Sequence[str], registry: Registry) -> Recipe:
    """The recipe of an arm by its flags; that from scratch has random weights and BatchNorm statistics that learn."""
    scratch = registry.strategy_from_scratch().name
    # flags that stand for options are words, whose type is looked up later
    flags = {
        name: Text(value) if isinstance(value, str) and name not in SETTINGS else value for name, value in flags.items()
    }
    if flags["strategy"] == scratch:
        return pretraining_recipe(scratch, flags=flags, sets=sets)
    return build_recipe(flags=flags, sets=sets)


@dataclass(frozen=True)
class _Draft:
    """An arm before it is known what its backbone is, and how many epochs it gets."""

    asked: Asked
    registry: Registry
    backbone: str | None
    strategy: StrategySpec

    @property
    def is_control(self) -> bool:
        """Whether it trains from scratch."""
        return self.strategy is self.registry.strategy_from_scratch()

    @property
    def sets(self) -> tuple[str, ...]:
        """The `--set`s: all but options that its strategy does not have. No solved head learns from val too, whose
        labels are none of the share of train."""
        has = {each.name for each in describe_options(self.strategy.options)}
        kept = [each for each in self.asked.sets if not each.startswith("strategy.") or _option(each) in has]
        return ("split.refit=false", *kept)

    def flags(self, epochs: int | None = None) -> dict[str, Any]:
        """Those of `headstart fit`, as plain values."""
        shared = {name: value for name, value in self.asked.flags.items() if value not in (None, (), [])}
        if self.is_control:  # what published weights come with is not for it
            of_weights = {"weights", "head_from", "batch_norm", *(["head"] if shared.get("head") == PRETRAINED else [])}
            shared = {name: value for name, value in shared.items() if name not in of_weights}
        if shared.get("batch_norm") == "trainable" and not self.strategy.trains_backbone:
            del shared["batch_norm"]  # no stage learns
        own = {"data": self.asked.data, "backbone": self.backbone, "strategy": self.strategy.name, "epochs": epochs}
        flags = {"augment": [NONE], **shared, **own, "reporters": ["json"]}
        plain = {name: [*value] if isinstance(value, tuple) else value for name, value in flags.items()}
        return {name: value for name, value in plain.items() if value is not None}

    def recipe(self, epochs: int | None = None) -> Recipe:
        """Its recipe."""
        return recipe_of(self.flags(epochs), self.sets, self.registry)

    def phases(self, bound: BoundRecipe, epochs: int) -> list[Phase]:
        """Its phases by gradient with these epochs, where it is otherwise as `bound`."""
        resolved = make_ready(self.recipe(epochs), self.registry).resolved
        return _by_gradient(bind_to(resolved, self.registry, task=bound.task, medium=bound.input.reads[0]))


def _arms(drafts: Sequence[_Draft], bound: Sequence[BoundRecipe]) -> tuple[Arm, ...]:
    """Every arm with its epochs over all phases by gradient: as many as are asked for, or else the most that any of the
    arms has by itself. Networks that are built alike share a control."""
    asked, registry = drafts[0].asked, drafts[0].registry
    budget = asked.epochs or max(sum(phase.epochs for phase in _by_gradient(each)) for each in bound)
    references = [str(draft.backbone or each.backbone.name) for draft, each in zip(drafts, bound, strict=True)]
    names = _names(references)
    found: list[Arm] = []
    for draft, each, reference in zip(drafts, bound, references, strict=True):
        network, short = _network(each, registry), draft.strategy.short_name
        if draft.is_control and any(arm.control and arm.network == network for arm in found):
            continue
        epochs, total = None, 0
        if _by_gradient(each):
            lengths = [phase.epochs for phase in draft.phases(each, budget)]
            following = lengths.count(budget) or 1
            others = sum(length for length in lengths if length != budget)  # of a head first, where none is solved for
            epochs = max(1, (budget - others) // following)
            total = sum(phase.epochs for phase in draft.phases(each, epochs))
        found.append(
            Arm(
                name=short if len(names) == 1 else f"{names[reference]} {short}",
                backbone=reference,
                network=network,
                strategy=short,
                flags=draft.flags(epochs),
                sets=draft.sets,
                control=draft.is_control,
                frozen=not draft.strategy.trains_backbone,
                epochs=total,
                trained=each.phases != (),
            )
        )
    return tuple(found)


def _verify_begins_anew(task: TaskSpec) -> None:
    """Raise UsageError for a task whose head only comes with weights: from random ones it cannot be learned."""
    if task.comes_trained:
        raise UsageError(
            f"{task.short_name} goes on from a head that comes trained with its backbone: there is no control from "
            "scratch to compare with",
            hint="`headstart fit` each, and `headstart evaluate` them on one test set",
        )


def _verify_sets(asked: Asked, strategies: Sequence[StrategySpec]) -> None:
    """Raise UsageError for a `--set` that no arm has, and for one of what the comparison varies itself."""
    known = {each.name for spec in strategies for each in describe_options(spec.options)}
    for written in asked.sets:
        key = written.partition("=")[0].strip()
        if key.startswith("strategy.") and _option(written) not in known:
            told = ", ".join(spec.short_name for spec in strategies)
            raise UsageError(
                f"--set {written}: none of the strategies {told} has that option",
                hint="`headstart strategies NAME` lists those of one",
            )
        if key in ("split.train", "split.refit", *OWN):
            raise UsageError(f"--set {written}: {key} is what a comparison varies itself", hint="use its own flags")


def _option(written: str) -> str:
    return written.partition("=")[0].strip().partition(".")[2].replace("-", "_")


def _by_gradient(bound: BoundRecipe) -> list[Phase]:
    """The phases that learn by gradient."""
    phases = bound.phases
    if phases is None:
        try:
            phases = bound.planner.plan(STAND_IN)
        except HeadstartError:  # it depends on stages by their names
            return []
    return [phase for phase in phases if phase.solver == "gradient"]


def _network(bound: BoundRecipe, registry: Registry) -> str:
    """What is built, without its weights: its builder, and all options of it and of what reads its samples."""
    options = {name: dataclasses.asdict(bound.options[name]) for name in ("backbone", "input")}
    return f"{registry.builder_of(bound.backbone).name} {options}"


def _names(references: Sequence[str]) -> dict[str, str]:
    """A short name for each backbone by its reference: the last part of it, numbered where two end alike."""
    found: dict[str, str] = {}
    for reference in dict.fromkeys(references):
        short = reference.rstrip("/").rpartition("/")[2].rpartition(":")[2] or reference
        alike = sum(each.partition(" #")[0] == short for each in found.values())
        found[reference] = f"{short} #{alike + 1}" if alike else short
    return found


def _read(
    bound: BoundRecipe, registry: Registry, records: Records, note: Callable[[str], None]
) -> tuple[PreparedData, TargetKind]:
    """The data as the cells will have it, with all of train, and the kind of its targets."""
    backbone = backbone_blueprint(bound, registry)
    kind, targets = backbone.kind(registry), build_target_kind(registry, bound.task.targets)
    with tempfile.TemporaryDirectory(prefix="headstart-compare-") as scratch:
        options = prepare_options(bound, backbone, kind, Path(scratch), note)
        folder = Path(scratch) / "fitted"
        _, data = fit_and_prepare(records, kind, targets, options, seed=bound.recipe.seed, folder=folder)
        return data, targets


def _counted(
    asked: Asked, data: PreparedData, kind: TargetKind, records: Records, bound: BoundRecipe, notes: list[str]
) -> tuple[tuple[float, ...], dict[str, int]]:
    """The fractions, and how many samples of train each of them has; those of the default that are too small are left
    out, with a note."""
    sides = data.split.counts
    if not sides["test"]:
        raise UsageError(
            "there is no test side to compare on: split.test is 0, and val chooses", hint="leave --set split.test=0 out"
        )
    trained = data.split.only("train").rows
    values = dict(zip(data.keys, data.values, strict=True))
    counts: dict[str, int] = {}
    used = []
    for fraction in sorted(set(asked.fractions or FRACTIONS)):
        shares = dataclasses.replace(bound.options["split"], train=fraction)
        tried = try_split(data.split.rows, Cut(0, shares), kind, values, tolerances=records.tolerances)
        errors = [finding for finding in tried.findings if finding.level == "error"]
        if errors and asked.fractions is not None:
            raise DataError(
                f"--fractions {fraction:g}: {errors[0].message}",
                hint=(errors[0].hint or "").replace("split.train=", "--fractions ") or "name larger shares",
            )
        if errors or tried.split is None:
            notes.append(f"{100 * fraction:g} % is left out: {errors[0].message if errors else 'nothing is left'}")
            continue
        count = tried.split.counts["train"]
        if count in counts.values():
            notes.append(f"{100 * fraction:g} % is left out: it is as many samples of train as a smaller share")
            continue
        counts[share_name(fraction)] = count
        used.append(fraction)
    if not used:
        raise DataError(
            f"none of the shares of {len(trained)} samples of train can be learned from", hint="add samples"
        )
    return tuple(used), {**counts, "val": sides["val"], "test": sides["test"]}


def jobs_that_fit(design: Design) -> int:
    """How many cells run at once: as many as this machine's cores hold with the threads of each; one on an accelerator,
    whose memory they would divide."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") != "" and Path("/dev/nvidia0").exists():
        return 1
    return max(1, min(len([*design.cells()]), available_threads() // design.threads))
