"""headstart fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, Sets, registry_without
from headstart_cli.output import print_json, print_text
from headstart_cli.recipe_flags import ImageSize, InputFlags, flags_of

Data = Annotated[
    str | None, typer.Argument(help="A dataset's name, a path, or KIND:PATH. A recipe can hold it instead.")
]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", metavar="FILE", help="A recipe to start from.")]
Backbone = Annotated[
    str | None, typer.Option("--backbone", metavar="REF", help="The pretrained network to start from.")
]
Weights = Annotated[
    str | None, typer.Option("--weights", metavar="imagenet|none|FILE", help="Its weights; default: published.")
]
Task = Annotated[str | None, typer.Option("--task", metavar="NAME", help="What is predicted.")]
Strategy = Annotated[str | None, typer.Option("--strategy", metavar="NAME", help="The plan of phases.")]
Train = Annotated[str | None, typer.Option("--train", metavar="STAGE,...", help="The backbone's stages that learn.")]
Head = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="linear|mlp[:512,...]|flatten[:512,...]|pretrained",
        help="The layers on top: new ones, with widths of hidden layers; flatten is on all of the top map, not its "
        "mean. Or those of the weights.",
    ),
]
HeadFrom = Annotated[
    str | None,
    typer.Option(
        "--head-from", metavar="RUN", help="A finished run whose head goes on: its classes stay, new ones are added."
    ),
]
Augment = Annotated[
    list[str] | None,
    typer.Option("--augment", metavar="NAME", help="How training samples vary. Can be repeated."),
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
        "--engine", metavar="auto|native|openvino|onnxruntime", help="What runs the frozen part. Default: auto."
    ),
]
Precision = Annotated[
    str | None,
    typer.Option("--precision", metavar="float32|bfloat16|auto", help="Arithmetic of the backbone; float32."),
]
BatchNorm = Annotated[
    str | None,
    typer.Option(
        "--batch-norm", metavar="frozen|re-estimated|trainable", help="The backbone's BatchNorm statistics; frozen."
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
        typer.Option("--reporter", metavar="NAME", help="Who tells about the run. Can be repeated."),
    ] = None,
    set_: Sets = None,
    input_flags: InputFlags = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out from its last checkpoint.")
    ] = False,
    continue_: Annotated[
        str | None,
        typer.Option(
            "--continue", metavar="RUN", help="Go on with a finished run in a new one; what is not given is as it was."
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
    flags = flags_of(locals())
    from headstart.recipes.build import build_recipe

    registry = registry_without(disable_plugin)
    stated = build_recipe(flags=flags, file=recipe, sets=tuple(set_ or ()))
    if continue_ is not None:
        from headstart.runs.continuing import continued

        stated = continued(stated, continue_, registry, resume=resume)
    if dry_run:
        from headstart_cli.dry_run import show

        show(stated, registry, as_json=as_json)
        return
    from headstart.runs.fitting import run_recipe

    run = run_recipe(stated, registry, resume=resume)
    if as_json:
        print_json(dict(run.result))
    else:
        print_text(str(run.path))
