"""headstart evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins
from headstart_cli.output import cell, print_json, print_table, say

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder.")]
Data = Annotated[
    str | None, typer.Argument(help="Other labelled data, all of it scored. Default: the run's own test split.")
]
SplitName = Annotated[
    str, typer.Option("--split", metavar="NAME", help="train, val, test or all, of the run's own data.")
]
Predictions = Annotated[
    Path | None, typer.Option("--predictions", metavar="FILE", help="Write every answer to this CSV file.")
]


def evaluate(
    run: RunPath,
    data: Data = None,
    split: SplitName = "test",
    backend: BackendName = None,
    predictions: Predictions = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Score a run's model: on its own held-out samples, or on other data."""
    from headstart.registry import load_registry
    from headstart.run import Run

    opened = Run.load(run, registry=load_registry(disable=tuple(disable_plugin or ())))
    evaluation = opened.evaluate(data, split=split, backend=backend, predictions=predictions)
    if predictions is not None:
        say(f"answers written to {predictions}")
    if as_json:
        print_json(dict(evaluation.document))
        return
    for name, metrics in evaluation.document["metrics"].items():
        intervals = evaluation.document["intervals"].get(name, {})
        rows = [
            (
                metric,
                value,
                f"{cell(intervals[metric][0])} to {cell(intervals[metric][1])}" if metric in intervals else None,
            )
            for metric, value in metrics.items()
        ]
        title = f"{name}: {evaluation.document['samples'][name]:,} samples, on {evaluation.document['backend']}"
        print_table(("metric", "value", "95 % interval"), rows, title=title)
