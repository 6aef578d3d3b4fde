"""headstart lr."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart_cli import fit as choices
from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, Sets, registry_without
from headstart_cli.output import message_console, print_heading, print_json, print_table, print_text, say
from headstart_cli.recipe_flags import ImageSize, InputFlags, flags_of

if TYPE_CHECKING:
    from headstart.runs.rate_test import RateTest

DEFAULT_PLOT = Path("runs") / "lr.png"


def lr(
    data: choices.Data = None,
    recipe: choices.RecipeFile = None,
    backbone: choices.Backbone = None,
    weights: choices.Weights = None,
    backend: BackendName = None,
    task: choices.Task = None,
    strategy: choices.Strategy = None,
    train: choices.Train = None,
    head: choices.Head = None,
    augment: choices.Augment = None,
    views: choices.Views = None,
    batch_size: choices.BatchSize = None,
    learning_rate: choices.LearningRate = None,
    image_size: ImageSize = None,
    limit: choices.Limit = None,
    seed: choices.Seed = None,
    split_seed: choices.SplitSeed = None,
    engine: choices.Engine = None,
    precision: choices.Precision = None,
    batch_norm: choices.BatchNorm = None,
    deterministic: choices.Deterministic = None,
    set_: Sets = None,
    input_flags: InputFlags = None,
    low: Annotated[float, typer.Option("--from", metavar="X", help="The lowest rate that is tried.")] = 1e-7,
    high: Annotated[float, typer.Option("--to", metavar="X", help="The highest one.", max=1.0)] = 1.0,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", help="Updates, each at a higher rate than the last.")
    ] = 100,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR|FILE.png", help="Where the plot goes. Default: runs/lr.png."),
    ] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Try rising rates on the first phase by gradient that trains the backbone, else on the head's.

    Draws the loss over the rate and suggests one, as the setting that it names takes it: --learning-rate in most cases.
    No run folder, no weights: only the plot is written.
    """
    flags = {name: value for name, value in flags_of(locals()).items() if name != "out"}
    from headstart.recipes.build import build_recipe
    from headstart.runs.rate_test import RateRange, draw_png, rate_test
    from headstart_cli.pictures import picture_file, write_picture

    sweep = RateRange(low, high, steps)
    plot = picture_file(out, DEFAULT_PLOT)
    registry = registry_without(disable_plugin)
    stated = build_recipe(flags=flags, file=recipe, sets=tuple(set_ or ()))
    with message_console().status("planning") as status:
        found = rate_test(
            stated,
            registry,
            sweep,
            on_progress=lambda activity, done, total: status.update(f"{activity}: {done} of {total}"),
        )
    write_picture(plot, draw_png(found))
    print_json({**found.document(), "plot": str(plot)}) if as_json else _show(found, plot)


def _show(found: RateTest, plot: Path) -> None:
    curve = found.curve
    print_heading(f"{found.backbone}, {found.strategy}, phase {found.phase}, on {found.backend}")
    print_table(
        (f"{found.setting} (peak rate)", "value"),
        [
            ("steepest fall of the loss: the suggestion", _rate(curve.steepest)),
            ("a tenth of the least loss' rate", _rate(curve.tenth)),
            ("the recipe's", _rate(found.planned)),
        ],
    )
    tried = f"{curve.rates[0]:.3g} to {curve.rates[-1]:.3g}" if len(curve.rates) else "none"
    print_text(f"{len(curve.rates)} steps, rates {tried}: {found.reason}")
    if curve.is_flat:
        print_text(
            "The loss does not fall clearly before it rises: too flat to suggest a rate. More --steps, or a larger "
            "--batch-size, make it smoother; where training starts near its end, nothing will"
        )
    print_text(f"Plot: {plot}")
    for warning in found.warnings:
        say(warning)


def _rate(value: float | None) -> str | None:
    return None if value is None else f"{value:.2g}"
