"""A recipe from what the user gives.

    recipe = build_recipe(flags={"epochs": 5}, file=Path("recipe.toml"), sets=["strategy.backbone_rate=1e-4"])
    recipe.epochs, recipe.origins["epochs"]  # 5, "flag --epochs"

A flag wins over `--set`, which wins over the file, which wins over the default: that of `headstart pretrain` where a
recipe is for training from scratch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headstart.errors import Problem
from headstart.options import Text
from headstart.recipe import FIT, NONE, PRETRAIN, SETTINGS, TABLES, Recipe, convert_setting, split_key
from headstart.recipes.file import read_recipe, verify_form
from headstart.specs import AUTO
from headstart.suggest import suggestion


def build_recipe(
    *,
    flags: Mapping[str, Any],
    file: Path | None = None,
    sets: Sequence[str] = (),
    presets: Mapping[str, Any] | None = None,
) -> Recipe:
    """A recipe from flags (by name with underscores; None or empty: not given), a TOML file and `--set`s; all of these
    win over `presets`, whose origin is PRETRAIN.

    A flag that is no setting is kept in `flags`: which option of the input kind it stands for is looked up later. What
    is wrong with keys and values is kept in `problems`, so that it is told together with the rest. Raises UsageError
    where the file cannot be read at all.
    """
    values = _Values()
    for name, value in (presets or {}).items():
        values.add(name, value, PRETRAIN)
    if file is not None:
        for table, chosen in read_recipe(file).items():
            for key, value in chosen.items():
                values.add(key if table == FIT else f"{table}.{key}", value, f"file {file.name}")
    values.add_sets(sets)
    values.add_flags(flags)
    return values.recipe()


def pretraining_recipe(
    strategy: str, *, flags: Mapping[str, Any], file: Path | None = None, sets: Sequence[str] = ()
) -> Recipe:
    """As `build_recipe`, for training from scratch by the plan `strategy`: random weights, samples that vary, BatchNorm
    statistics that learn, where nothing else is said.

    Published weights are a problem of the recipe, and so is the head of a run, which was learned on others: starting
    from them is `headstart fit`.
    """
    presets = {"weights": NONE, "strategy": strategy, "augment": (AUTO,), "batch_norm": "trainable"}
    recipe = build_recipe(flags=flags, file=file, sets=sets, presets=presets)
    learned = {"weights": None if recipe.weights == NONE else recipe.weights, "head_from": recipe.head_from}
    hint = "leave it out; `headstart fit` is what starts from weights"
    wrong = [
        Problem(f"{key} ({recipe.origin(key)})", f"pretraining begins with random weights, received {value}", hint)
        for key, value in learned.items()
        if value is not None
    ]
    return replace(recipe, problems=(*recipe.problems, *wrong))


def recipe_of_run(file: Path) -> Recipe:
    """The recipe that a run wrote. Raises PluginError for one of another form."""
    verify_form(file)
    return build_recipe(flags={}, file=file)


@dataclass
class _Values:
    """Values by key, later ones over earlier ones, while a recipe is put together."""

    chosen: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    flags: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, key: str, value: Any, origin: str) -> None:
        table, name = split_key(key)
        if table == FIT and name not in SETTINGS:
            near = f"options have a table, as in strategy.NAME or task.NAME; {suggestion(name, SETTINGS)}"
            self.problems.append(Problem(f"{name} ({origin})", "no such setting", near))
        elif table != FIT and table.partition(".")[0] not in TABLES:
            hint = suggestion(table, (FIT, *TABLES))
            self.problems.append(Problem(f"{key} ({origin})", f"no such table: {table}", hint))
        else:
            self.chosen[key], self.origins[key] = value, origin

    def add_sets(self, sets: Sequence[str]) -> None:
        for written in sets:
            key, equals, text = written.partition("=")
            key = key.strip().removeprefix(f"{FIT}.").replace("-", "_" if "." not in key else "-")
            if not equals or not key:
                self.problems.append(Problem(f"--set {written}", "expected key=value", "as in --set epochs=5"))
            elif self.origins.get(key) == "--set" and self.chosen[key] != text:
                self.problems.append(Problem(f"--set {key}", f"given twice: {self.chosen[key]} and {text}"))
            else:
                self.add(key, Text(text.strip() or text), "--set")  # a space alone is meant

    def add_flags(self, flags: Mapping[str, Any]) -> None:
        for name, value in flags.items():
            if value is None or (isinstance(value, (list, tuple)) and not value):
                continue
            flag = f"flag --{name.replace('_', '-')}"
            if name not in SETTINGS:
                self.flags[name], self.origins[name] = value, flag
                continue
            flag = SETTINGS[name].given_by or flag
            if self.origins.get(name) == "--set" and not _same(name, self.chosen[name], value):
                message = f"{flag} says {value}, --set says {self.chosen[name]}"
                self.problems.append(Problem(name, message, "give it once"))
            self.add(name, value, flag)

    def recipe(self) -> Recipe:
        """Convert the settings to their types and gather the options by table."""
        settings: dict[str, Any] = {}
        options: dict[str, dict[str, Any]] = {}
        for key, value in self.chosen.items():
            table, name = split_key(key)
            if table != FIT:
                options.setdefault(table, {})[name] = value
                continue
            try:
                settings[name] = convert_setting(name, value)
            except ValueError as exc:
                self.problems.append(Problem(f"{name} ({self.origins[key]})", str(exc), SETTINGS[name].help))
        return Recipe(
            **settings,
            options=options,
            origins=dict(self.origins),
            flags=dict(self.flags),
            problems=tuple(self.problems),
        )


def _same(key: str, one: Any, other: Any) -> bool:
    """Whether two spellings of a value mean the same, as far as can be known before plugins are loaded."""
    if str(one) == str(other):
        return True
    try:
        return bool(convert_setting(key, one) == convert_setting(key, other))
    except ValueError:
        return False
