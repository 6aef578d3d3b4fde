"""What `fit --dry-run` shows: everything a run would do, and where each value came from."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart_cli.cache import in_words
from headstart_cli.output import cell, print_heading, print_json, print_table, print_text

if TYPE_CHECKING:
    from headstart.recipe import Recipe
    from headstart.registry import Registry


def show(stated: Recipe, registry: Registry, *, as_json: bool) -> None:
    """Plan the recipe without training or writing a run folder, and print the plan."""
    from headstart.lineage import told
    from headstart.recipes.resolve import make_ready
    from headstart.runs.planning import make_plan

    ready = make_ready(stated, registry)
    with tempfile.TemporaryDirectory() as scratch:
        plan = make_plan(ready, Path(scratch))
        from headstart.runs.outline import outline  # imports keras: after the plan chose its backend

        document = outline(plan)
    recipe = plan.resolved.recipe  # with the task that the data asked for
    if as_json:
        print_json({**document, "origins": dict(recipe.origins)})
        return
    print_heading("What would run")
    keys = ("data", "backbone", "weights", "backend", "task", "head", "strategy", "augment")
    choices = [(key, document[key], recipe.origin(key)) for key in keys]
    inherited = [name for name in document["input"] if recipe.origin(f"input.{name}").startswith("from ")]
    choices += [(f"input.{name}", document["input"][name], recipe.origin(f"input.{name}")) for name in inherited]
    print_table(("choice", "value", "from"), choices)
    print_text("What the weights were trained on, oldest first:")
    for step in plan.lineage:
        print_text(f"- {told(step)}")
    print_table(("split", "samples"), list(document["samples"].items()))
    if document["classes"]:
        print_text(f"{len(document['classes'])} classes: {', '.join(document['classes'])}")
    phases = document["phases"]
    columns = ("stage", "layers", "parameters", "gives", *(f"learns in {phase['name']}" for phase in phases))
    print_heading("Stages")
    rows = []
    for stage in document["stages"]:
        learns = [phase["trainable"].get(stage["name"], 0) for phase in phases]
        rows.append([stage["name"], stage["layers"], stage["parameters"], _shapes(stage["outputs"]), *learns])
    print_table(columns, rows)
    composites = ", ".join(document["uncuttable"]) or "nothing: every layer is on its own"
    print_text(f"Cannot be cut inside: {composites}")
    print_heading("Phases" if phases else "Phases: none, nothing is trained")
    if phases:
        columns = ("phase", "solver", "epochs", "steps", "learns", "from stage", "stored once", "rates", "how")
        print_table(columns, [_phase_row(phase) for phase in phases])
    for line in (*document["notes"], *document["warnings"]):
        print_text(f"- {line}")
    print_text("Nothing was trained or written.")


def _shapes(outputs: Mapping[str, Sequence[int | None]]) -> dict[str, str]:
    return {name: "x".join("N" if size is None else str(size) for size in shape) for name, shape in outputs.items()}


def _phase_row(phase: Mapping[str, Any]) -> list[Any]:
    shown = ("name", "solver", "epochs", "steps", "trainable_total", "cut")
    adapter, learning = phase["adapter"], sum(1 for stage in phase["rates"] if stage != "head")
    momentum = f", momentum {phase['momentum']:g}" if phase["momentum"] else ""
    told = (
        (phase["optimizer"], f"{phase['optimizer']}{momentum}, {phase['schedule']} rates"),
        (phase["roles"], f"only {_listed(phase['roles'])}"),
        (
            adapter,
            adapter and f"low-rank updates of {sum(adapter['kernels'].values())} kernels, rank {adapter['rank']}",
        ),
        (phase["pick"], f"{phase['pick']} of {learning} stages, by their gradients"),
        (phase["l2_sp"], f"pulled to its start by {phase['l2_sp']:g}"),
        (phase["clip"], f"clipped to {phase['clip']:g}"),
        (phase["average"], f"averaged by {phase['average']:g}"),
        (len(phase["rate_factors"]) > 1, f"a soup of the rates times {_listed(phase['rate_factors'])}"),
        (phase["wise_ft"], f"mixed with its start by {_listed(phase['wise_ft'])}"),
    )
    return [
        *(phase[key] for key in shown),
        phase["stored"] and f"{cell(_shapes(phase['stored']))}: {in_words(phase['stored_bytes'])}",
        _rates(phase["rates"]),
        "; ".join(text for applies, text in told if applies) or None,
    ]


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(str(value) for value in values)


def _rates(rates: Mapping[str, float]) -> str | None:
    """Stages of one rate together: `stem..top 0.0003, head 0.0009`."""
    by_rate: dict[float, list[str]] = {}
    for stage, rate in rates.items():
        by_rate.setdefault(rate, []).append(stage)
    spans = (
        f"{stages[0]}..{stages[-1]} {rate:g}" if len(stages) > 1 else f"{stages[0]} {rate:g}"
        for rate, stages in by_rate.items()
    )
    return ", ".join(spans) or None
