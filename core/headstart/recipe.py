"""The recipe: the complete description of a run, each value with its origin.

    recipe = build_recipe(flags={"epochs": 5}, file=Path("recipe.toml"), sets=["strategy.backbone_rate=1e-4"])
    recipe.epochs, recipe.origins["epochs"]  # 5, "flag --epochs"

A flag wins over `--set`, which wins over the file, which wins over the default. Nothing is looked up here:
names, plugin options and their types are the business of `recipes.resolve.resolve_recipe`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from headstart.errors import Problem
from headstart.options import Bounds, Text, convert, says_none
from headstart.recipes.tables import FIT, OPTION_TABLES, split_key, unknown_key

MAX_SEED = 2**32 - 1
DEFAULT = "default"


def setting(default: Any, help: str, *, low: float | None = None, high: float | None = None) -> Any:
    """Declare one scalar of a recipe, with the values it accepts."""
    return field(default=default, metadata={"option": Bounds(help=help, low=low, high=high)})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to run. None means that the choice is made when the recipe is resolved."""

    data: str | None = setting(None, "A dataset's name, a path, or KIND:PATH.")
    backbone: str | None = setting(None, "The pretrained network to start from.")
    weights: str | None = setting(None, "imagenet, none, or a weights file.")
    backend: str | None = setting(None, "jax or torch.")
    task: str | None = setting(None, "What is predicted; what suits the data's targets if left out.")
    strategy: str | None = setting(None, "The plan of training phases.")
    train: tuple[str, ...] | None = setting(None, "The backbone's stages that learn; the strategy's own if left out.")
    head: str | None = setting(None, "The new layers on top, such as linear or mlp:512.")
    augment: tuple[str, ...] = setting(("none",), "How training samples vary.")
    views: int | None = setting(
        None, "Augmented views of each training sample that are computed once and kept.", low=1, high=64
    )
    epochs: int | None = setting(None, "Passes over the training data; the strategy's own if left out.", low=1)
    batch_size: int = setting(32, "Samples a step.", low=1, high=65536)
    learning_rate: float | None = setting(None, "Peak rate of the backbone, or of a head that learns alone.", high=1)
    limit: int | None = setting(None, "Records in all, stratified, before the split.", low=1)
    seed: int = setting(0, "Fixes initial weights, order and augmentation.", low=0, high=MAX_SEED)
    split_seed: int = setting(0, "Fixes which records are held out.", low=0, high=MAX_SEED)
    engine: str = setting("auto", "What runs the frozen part: auto, native, openvino or onnxruntime.")
    precision: str = setting("float32", "Arithmetic of the backbone: float32, bfloat16, or auto: where it is faster.")
    training_precision: str = setting(
        "auto", "Arithmetic of stages that learn: float32, bfloat16, or auto: that of `precision` on accelerators."
    )
    batch_norm: str = setting(
        "frozen",
        "The backbone's BatchNorm statistics: frozen, re-estimated (once, on the training "
        "data) or trainable, which lets dropout in the backbone's stages that learn draw too.",
    )
    deterministic: bool = setting(False, "Only operations that give the same bits each time, on accelerators too.")
    checkpoint_every: int | None = setting(
        None, "Steps between two checkpoints; one at each epoch's end if left out.", low=1
    )
    threads: int | None = setting(None, "Processor threads; all that there are if left out.", low=1, high=1024)
    out: str | None = setting(None, "The run's folder.")
    reporters: tuple[str, ...] | None = setting(None, "Who tells about the run; the usual ones if left out.")
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options of what is chosen, by table: `dataset`, `backbone`, `input`, `task`, `strategy`,
    `augmentation.NAME`, `reporter.NAME`.
    """
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each value came from, by key (`epochs`, `strategy.backbone_rate`); a key that is not there:
    default.
    """
    problems: tuple[Problem, ...] = field(default=(), repr=False)
    """What is wrong so far. Resolving raises these together with all that it finds itself."""

    def origin(self, key: str) -> str:
        """Where the value of `key` came from: `flag --epochs`, `--set`, `file recipe.toml` or `default`."""
        return self.origins.get(key, DEFAULT)

    def table(self, name: str) -> Mapping[str, Any]:
        """The options of one table; empty where nothing was chosen."""
        return self.options.get(name, {})


SETTINGS: tuple[str, ...] = tuple(each.name for each in fields(Recipe) if "option" in each.metadata)
"""The names of a recipe's scalars, in order; in a file they stand in the table [fit]."""


def build_recipe(*, flags: Mapping[str, Any], file: Path | None = None, sets: Sequence[str] = ()) -> Recipe:
    """A recipe from flags (by setting name, and `image_size`; None or empty: not given), a TOML file and
    `--set`s.

    What is wrong with keys and values is kept in `problems`, so that it is told together with the rest.
    Raises UsageError where the file cannot be read at all.
    """
    from headstart.recipes.file import read_recipe

    values = _Values()
    if file is not None:
        table, options = read_recipe(file)
        for key, value in table.items():
            values.add(key, value, f"file {file.name}")
        for name, chosen in options.items():
            for key, value in chosen.items():
                values.add(f"{name}.{key}", value, f"file {file.name}")
    values.add_sets(sets)
    values.add_flags(flags)
    return values.recipe()


@dataclass
class _Values:
    """Values by key, later ones over earlier ones, while a recipe is put together."""

    chosen: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, key: str, value: Any, origin: str) -> None:
        table, name = split_key(key)
        if table == FIT and name not in SETTINGS:
            self.problems.append(unknown_key(name, origin, SETTINGS))
            return
        self.chosen[key], self.origins[key] = value, origin

    def add_sets(self, sets: Sequence[str]) -> None:
        for written in sets:
            key, equals, text = written.partition("=")
            key = key.strip().removeprefix(f"{FIT}.").replace("-", "_" if "." not in key else "-")
            if not equals or not key:
                self.problems.append(Problem(f"--set {written}", "expected key=value", "as in --set epochs=5"))
            elif key != "image_size" and unknown_set(key):
                self.problems.append(unknown_key(key, "--set", SETTINGS))
            elif self.origins.get(key) == "--set" and self.chosen[key] != text:
                self.problems.append(Problem(f"--set {key}", f"given twice: {self.chosen[key]} and {text}"))
            else:
                self.add(key, Text(text.strip()), "--set")

    def add_flags(self, flags: Mapping[str, Any]) -> None:
        for name, value in flags.items():
            if value is None or (isinstance(value, (list, tuple)) and not value):
                continue
            key = "input.size" if name == "image_size" else name
            flag = "flag --" + FLAG_SPELLINGS.get(name, name.replace("_", "-"))
            if name == "data":
                flag = "argument DATA"
            self._refuse_contradiction(key, value, flag)
            self.add(key, value, flag)

    def _refuse_contradiction(self, key: str, value: Any, flag: str) -> None:
        if self.origins.get(key) == "--set" and not _same(key, self.chosen[key], value):
            message = f"{flag} says {value}, --set says {self.chosen[key]}"
            self.problems.append(Problem(key, message, "give it once"))

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
                self.problems.append(Problem(f"{name} ({self.origins[key]})", str(exc), help_of(name)))
        return Recipe(**settings, options=options, origins=dict(self.origins), problems=tuple(self.problems))


FLAG_SPELLINGS: Mapping[str, str] = {"reporters": "reporter"}
"""Flags that are not spelt like their setting."""

_HINTS: Mapping[str, Any] = get_type_hints(Recipe)
_BOUNDS: Mapping[str, Bounds] = {
    each.name: each.metadata["option"] for each in fields(Recipe) if "option" in each.metadata
}


NUMBERS = ("checkpoint_every", "epochs", "learning_rate", "limit", "threads", "views")
"""Settings that are a number or none. In others the word has its own meaning, as in `weights = "none"`."""


def unknown_set(key: str) -> bool:
    """Whether a key of `--set` is neither a setting nor in one of the option tables."""
    table, name = split_key(key)
    return name not in SETTINGS if table == FIT else table.partition(".")[0] not in OPTION_TABLES


def help_of(name: str) -> str:
    """The sentence of a setting."""
    return _BOUNDS[name].help


def default_of(name: str) -> Any:
    """The default of a setting."""
    return Recipe.__dataclass_fields__[name].default


def convert_setting(name: str, value: Any) -> Any:
    """The value of a setting as its type, within its bounds. Raises ValueError.

    Names that come in lists can be written with commas.
    """
    if says_none(value, _HINTS[name]) and name in NUMBERS:
        return None
    several = "tuple" in str(_HINTS[name])
    if several and isinstance(value, str) and not value.lstrip().startswith("["):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Path):
        value = str(value)
    converted = convert(value, _HINTS[name], _BOUNDS[name])
    if name == "learning_rate" and converted is not None and converted <= 0:
        raise ValueError(f"must be above 0, not {converted!r}")
    if isinstance(converted, str) and not converted.strip():
        raise ValueError("is empty")
    return converted


def _same(key: str, one: Any, other: Any) -> bool:
    """Whether two spellings of a value mean the same, as far as can be known before plugins are loaded."""
    if str(one) == str(other):
        return True
    try:
        return key in SETTINGS and convert_setting(key, one) == convert_setting(key, other)
    except ValueError:
        return False
