"""headstart fit, and headstart pretrain: the same flags, other defaults."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from headstart_cli import completion
from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, Sets, registry_without
from headstart_cli.output import print_json, print_text, say
from headstart_cli.recipe_flags import ImageSize, InputFlags, flags_of

Data = Annotated[
    str | None,
    typer.Argument(
        help="A dataset's name, a path, or KIND:PATH. A recipe can hold it instead.", autocompletion=completion.data
    ),
]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", metavar="FILE", help="A recipe to start from.")]
Backbone = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        metavar="REF",
        help="The pretrained network to start from.",
        autocompletion=completion.backbones_or_runs,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="imagenet|none|FILE",
        help="Its weights; default: published.",
        autocompletion=completion.weights,
    ),
]
Task = Annotated[
    str | None,
    typer.Option("--task", metavar="NAME", help="What is predicted.", autocompletion=completion.offers("tasks")),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        "--strategy", metavar="NAME", help="The plan of phases.", autocompletion=completion.offers("strategies")
    ),
]
Train = Annotated[str | None, typer.Option("--train", metavar="STAGE,...", help="The backbone's stages that learn.")]
Head = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="linear|mlp[:512,...]|flatten[:512,...]|pretrained|...",
        help="The layers on top: new ones, with widths of hidden layers; flatten is on all of the top map, not its "
        "mean. Or those of the weights, or others of the task: `headstart tasks NAME` lists them.",
        autocompletion=completion.words("linear", "mlp:512", "flatten:512", "pretrained"),
    ),
]
HeadFrom = Annotated[
    str | None,
    typer.Option(
        "--head-from",
        metavar="RUN",
        help="A finished run whose head goes on: its classes stay, new ones are added.",
        autocompletion=completion.runs,
    ),
]
Augment = Annotated[
    list[str] | None,
    typer.Option(
        "--augment",
        metavar="NAME",
        help="How training samples vary; auto: as suits the data. Can be repeated.",
        autocompletion=completion.offers("augmentations", "auto"),
    ),
]
Views = Annotated[
    int | None,
    typer.Option("--views", metavar="K", help="Augmented views of the frozen part that are computed once and kept."),
]
BatchSize = Annotated[int | None, typer.Option("--batch-size", metavar="N", help="Samples a step.")]
LearningRate = Annotated[
    float | None,
    typer.Option("--learning-rate", metavar="X", help="Peak rate: of the backbone where it learns, else the head."),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", help="Records in all, stratified, before the split."),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Weights, order and augmentation.")]
SplitSeed = Annotated[int | None, typer.Option("--split-seed", metavar="N", help="Which records are held out.")]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="auto|native|openvino|onnxruntime",
        help="What runs the frozen part. Default: auto.",
        autocompletion=completion.offers("engines", "auto"),
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="float32|bfloat16|auto",
        help="Arithmetic of the backbone; float32.",
        autocompletion=completion.words("float32", "bfloat16", "auto"),
    ),
]
BatchNorm = Annotated[
    str | None,
    typer.Option(
        "--batch-norm",
        metavar="frozen|re-estimated|trainable",
        help="The backbone's BatchNorm statistics; frozen.",
        autocompletion=completion.words("frozen", "re-estimated", "trainable"),
    ),
]
Deterministic = Annotated[
    bool | None, typer.Option("--deterministic", help="The same bits each time, on accelerators too; slower there.")
]


def fit(
    data: Data = None,
    recipe: RecipeFile = None,
    backbone: Backbone = None,
    weights: Weights = None,
    backend: BackendName = None,
    task: Task = None,
    strategy: Strategy = None,
    train: Train = None,
    head: Head = None,
    head_from: HeadFrom = None,
    augment: Augment = None,
    views: Views = None,
    epochs: Annotated[int | None, typer.Option("--epochs", metavar="N", help="Epochs of the gradient phase.")] = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    image_size: ImageSize = None,
    limit: Limit = None,
    seed: Seed = None,
    split_seed: SplitSeed = None,
    engine: Engine = None,
    precision: Precision = None,
    batch_norm: BatchNorm = None,
    deterministic: Deterministic = None,
    out: Annotated[str | None, typer.Option("--out", metavar="DIR", help="The run's folder; new or empty.")] = None,
    reporters: Annotated[
        list[str] | None,
        typer.Option(
            "--reporter",
            metavar="NAME",
            help="Who tells about the run. Can be repeated.",
            autocompletion=completion.offers("reporters"),
        ),
    ] = None,
    set_: Sets = None,
    input_flags: InputFlags = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out from its last checkpoint.")
    ] = False,
    continue_: Annotated[
        str | None,
        typer.Option(
            "--continue",
            metavar="RUN",
            help="Go on with a finished run in a new one; what is not given is as it was.",
            autocompletion=completion.runs,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, and stop.")] = False,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Fine-tune a pretrained backbone on your data.

    Writes a run folder: recipe, split, events, checkpoints, the trained artefact, predictions, numbers and reports.
    """
    _train(locals(), from_scratch=False)


@functools.wraps(fit, assigned=("__module__", "__annotations__"))  # its flags, and so its signature
def pretrain(**given: Any) -> None:
    """Train a backbone from random weights on your data: as fit, by defaults that suit it.

    They are --weights none, --strategy scratch, --batch-norm trainable and --augment auto; each can be overridden.
    """
    _train(given, from_scratch=True)


def _train(given: Mapping[str, Any], *, from_scratch: bool) -> None:
    """Carry out what the flags of a verb say; `given` are its parameters by name."""
    flags = flags_of(given)
    from headstart.recipes.build import build_recipe, pretraining_recipe

    registry = registry_without(given["disable_plugin"])
    build = build_recipe
    if from_scratch:
        build = functools.partial(pretraining_recipe, registry.strategy_from_scratch().name)
    stated = build(flags=flags, file=given["recipe"], sets=tuple(given["set_"] or ()))
    if given["continue_"] is not None:
        from headstart.runs.continuing import continued

        stated = continued(stated, given["continue_"], registry, resume=given["resume"])
    if given["dry_run"]:
        from headstart_cli.dry_run import show

        show(stated, registry, as_json=given["as_json"])
        return
    from headstart.runs.fitting import run_recipe
    from headstart.runs.resuming import is_finished

    done = given["resume"] and is_finished(stated)
    run = run_recipe(stated, registry, resume=given["resume"])
    if done:
        say(f"{run.path} is finished, so nothing was done; --continue {run.path} trains it further, in a new folder")
    if given["as_json"]:
        print_json(dict(run.result))
    else:
        print_text(str(run.path))
