"""The recipe: the complete description of a run, each value with its origin.

`recipes.build.build_recipe` makes one of flags, a file and `--set`s. Nothing is looked up here: names, plugin options
and their types are the business of `recipes.resolve.resolve_recipe`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from headstart.data.shares import SplitShares
from headstart.errors import Problem
from headstart.options import Bounds, convert, says_none, unquoted
from headstart.shown import Shown
from headstart.specs import AUTO, BACKENDS, PRECISIONS

MAX_SEED = 2**32 - 1
DEFAULT = "default"
PRETRAIN = "pretrain"
"""The origin of what `headstart pretrain` sets where nothing else is said."""
NONE = "none"
"""`--weights none`: random weights. `--augment none`: training samples do not vary."""
FIT = "fit"
"""The table of the settings."""
OPTION_TABLES: Mapping[str, str] = {
    "dataset": "datasets",
    "backbone": "backbones",
    "input": "inputs",
    "task": "tasks",
    "strategy": "strategies",
    "augmentation": "augmentations",
    "reporter": "reporters",
}
"""Tables of options, and the kind of offer that each is for."""
OWN_TABLES: Mapping[str, type] = {"split": SplitShares}
"""Tables of options that are of no offer, and what declares them."""
TABLES = (*OWN_TABLES, *OPTION_TABLES)
NAMED_TABLES = ("augmentation", "reporter")
"""Those of which there is one for each name that is used, such as [augmentation.classic]."""
KIND = "kind"
"""The one key of [input] that is no option: it names the input kind, where several could read the data."""


@dataclass(frozen=True, kw_only=True)
class Setting(Bounds):
    """What is declared of one scalar. `example` stands in the starter recipe where there is no default; `given_by` is
    how it is given on the command line, where that is not by the flag of its name; `left_to_strategy` says that None
    leaves it to the strategy's own options."""

    default: Any
    example: Any = None
    given_by: str | None = None
    left_to_strategy: bool = False


def setting(default: Any, help: str, **declared: Any) -> Any:
    """Declare one scalar of a recipe: its default, its sentence, and the fields of `Setting`."""
    return field(default=default, metadata={"option": Setting(help=help, default=default, **declared)})


@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe(Shown):
    """What to run. None means that the choice is made when the recipe is resolved."""

    data: str | None = setting(
        None, "A dataset's name, a path, or KIND:PATH.", example="./photos", given_by="argument DATA"
    )
    backbone: str | None = setting(None, "The pretrained network to start from.", example="NAME")
    weights: str | None = setting(None, "imagenet, none, or a weights file.", example="imagenet")
    backend: str | None = setting(None, "jax or torch.", choices=BACKENDS, example="jax")
    task: str | None = setting(
        None, "What is predicted; what suits the data's targets if left out.", example="classification"
    )
    strategy: str | None = setting(None, "The plan of training phases.", example="NAME")
    train: tuple[str, ...] | None = setting(
        None,
        "The backbone's stages that learn; the strategy's own if left out.",
        example=("STAGE",),
        left_to_strategy=True,
    )
    head: str | None = setting(
        None,
        "The layers on top: linear, mlp:512,256 (hidden layers), flatten:512 (on all of the top map, not its mean); "
        "pretrained: those that come with the weights; others as the task has them.",
        example="mlp:512",
    )
    head_from: str | None = setting(
        None, "A finished run whose head goes on in the new one, for what both know.", example="runs/mine"
    )
    augment: tuple[str, ...] = setting((NONE,), "How training samples vary; auto: what suits the data.")
    views: int | None = setting(
        None,
        "Augmented views of each training sample that are computed once and kept.",
        low=1,
        high=64,
        example=4,
        left_to_strategy=True,
    )
    epochs: int | None = setting(
        None, "Passes over the training data; the strategy's own if left out.", low=1, example=10, left_to_strategy=True
    )
    batch_size: int = setting(32, "Samples a step.", low=1, high=65536)
    learning_rate: float | None = setting(
        None, "Peak rate of the backbone, or of a head that learns alone.", high=1, example=0.001, left_to_strategy=True
    )
    limit: int | None = setting(None, "Records in all, stratified, before the split.", low=1, example=1000)
    seed: int = setting(0, "Fixes initial weights, order and augmentation.", low=0, high=MAX_SEED)
    split_seed: int = setting(0, "Fixes which records are held out.", low=0, high=MAX_SEED)
    engine: str = setting(AUTO, "What runs the frozen part: auto, native, openvino or onnxruntime.")
    precision: str = setting(
        "float32",
        "Arithmetic of the backbone: float32, bfloat16, or auto: where it is faster.",
        choices=(*PRECISIONS, AUTO),
    )
    training_precision: str = setting(
        AUTO,
        "Arithmetic of stages that learn: float32, bfloat16, or auto: that of `precision` on accelerators.",
        choices=(*PRECISIONS, AUTO),
    )
    batch_norm: str = setting(
        "frozen",
        "The backbone's BatchNorm statistics: frozen, re-estimated (once, on the training "
        "data) or trainable, which lets dropout in the backbone's stages that learn draw too.",
        choices=("frozen", "re-estimated", "trainable"),
    )
    deterministic: bool = setting(False, "Only operations that give the same bits each time, on accelerators too.")
    checkpoint_every: int | None = setting(
        None,
        "Steps between two checkpoints, beside one at each epoch's end; if left out, at the ends of epochs alone, of "
        "short ones with large weights not at each.",
        low=1,
        example=100,
    )
    threads: int | None = setting(
        None, "Processor threads; all that there are if left out.", low=1, high=1024, example=2
    )
    out: str | None = setting(None, "The run's folder.", example="runs/mine")
    reporters: tuple[str, ...] | None = setting(
        None, "Who tells about the run; the usual ones if left out.", example=("NAME",), given_by="flag --reporter"
    )
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options by table: `split`, and those of what is chosen: `dataset`, `backbone`, `input`, `task`, `strategy`,
    `augmentation.NAME`, `reporter.NAME`.
    """
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each value came from, by key (`epochs`, `strategy.backbone_rate`); a key that is not there:
    default.
    """
    flags: Mapping[str, Any] = field(default_factory=dict)
    """Flags that are no settings, by name with underscores: aliases such as `image_size` for an option of the input
    kind, which resolving looks up."""
    problems: tuple[Problem, ...] = field(default=(), repr=False)
    """What is wrong so far. Resolving raises these together with all that it finds itself."""

    def facts(self) -> Mapping[str, Any]:
        """See `Shown`: what is not as it is by default, and the options."""
        chosen = {name: value for name in SETTINGS if (value := getattr(self, name)) != SETTINGS[name].default}
        return chosen | {table: dict(values) for table, values in self.options.items() if values}

    def origin(self, key: str) -> str:
        """Where the value of `key` came from: `flag --epochs`, `--set`, `file recipe.toml` or `default`."""
        return self.origins.get(key, DEFAULT)

    def table(self, name: str) -> Mapping[str, Any]:
        """The options of one table; empty where nothing was chosen."""
        return self.options.get(name, {})


SETTINGS: Mapping[str, Setting] = {
    each.name: each.metadata["option"] for each in fields(Recipe) if "option" in each.metadata
}
"""A recipe's scalars by name, in order; in a file they stand in the table FIT."""
LEFT_TO_THE_STRATEGY: tuple[str, ...] = tuple(name for name, each in SETTINGS.items() if each.left_to_strategy)
"""Settings that are None in a recipe whose strategy's options say it."""
_HINTS: Mapping[str, Any] = get_type_hints(Recipe)


def split_key(key: str) -> tuple[str, str]:
    """Table and name of a key: `epochs` is in `fit`, `input.size` is in `input`."""
    table, dot, name = key.rpartition(".")
    return (table, name) if dot else (FIT, name)


def convert_setting(name: str, value: Any) -> Any:
    """The value of a setting as its type, within its bounds. Raises ValueError.

    Names that come in lists can be written with commas.
    """
    hint = _HINTS[name]
    is_number = bool({int, float} & {*get_args(hint)})  # the word has its own meaning elsewhere: `weights = "none"`
    if is_number and says_none(value, hint):
        return None
    if "tuple" in str(hint) and isinstance(value, str) and not value.lstrip().startswith("["):
        value = [unquoted(part.strip()) for part in value.split(",") if part.strip()]
    if isinstance(value, Path):
        value = str(value)
    converted = convert(value, hint, SETTINGS[name])
    if name == "learning_rate" and converted is not None and converted <= 0:
        raise ValueError(f"must be above 0, not {converted!r}")
    if isinstance(converted, str) and not converted.strip():
        raise ValueError("is empty")
    return converted
