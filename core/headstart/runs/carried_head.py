"""A head that goes on from a finished run: its first weights, and whether it sees the features that it knows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.engine.network.assemble import OTHER_FEATURES, assign_finite, graft
from headstart.engine.network.network import Network
from headstart.engine.network.saved import WEIGHTS, SavedNetwork
from headstart.engine.network.stages import assign_arrays, is_statistic, read_arrays
from headstart.errors import UsageError
from headstart.lists import in_line
from headstart.recipes.head_source import run_of
from headstart.recipes.resolve import BoundRecipe
from headstart.registry import Registry
from headstart.specs import HEAD, Finding, InputKind, TakesOverHead, Task, TaskRequest, WeightsSpec
from headstart.weights.files import read_safetensors
from headstart.weights.source import load_head_arrays


def take_over_head(source: SavedNetwork, task: Task, network: Network) -> Finding:
    """Set the first weights of the head of `network` from those of a run, as the task says; what to tell of it.

    Raises UsageError where the task has no way to, DataError as it does itself.
    """
    if not isinstance(task, TakesOverHead):
        raise UsageError(
            f"{source.task_spec.name} cannot go on from the head of another run", hint="leave --head-from out"
        )
    head = network.stages[-1]
    learned = {name: array for name, array in _arrays(source).items() if name.startswith(f"{HEAD}/")}
    taken = task.take_over(source.task, learned, read_arrays([head]))
    assign_arrays([head], taken.arrays, source=f"the head of {run_of(source)}")
    parts = (("keeps", taken.kept), ("adds", taken.added), ("leaves out", taken.left_out))
    told = ", ".join(f"{verb} {len(names)} ({in_line(names)})" for verb, names in parts if names)
    return Finding("note", f"the head goes on from {run_of(source)}: it {told}", len(taken.kept))


def begin_as_published(bound: BoundRecipe, task: Task, network: Network, kind: InputKind, registry: Registry) -> None:
    """Set the first weights of the head of `network` from those of the head that comes with the backbone's weights,
    where the recipe has a new one begin as it. Raises as `load_head_arrays` does."""
    published, weights, [*backbone, head] = bound.begun_head, bound.weights, network.learned
    if published is None or not isinstance(weights, WeightsSpec) or not isinstance(task, TakesOverHead):
        return
    build = registry.load_target(bound.task, bound.task.build)
    other = build(TaskRequest(bound.options["task"], labels=published.labels, inputs=kind.tensors))
    whole = graft(kind, backbone, network.features, task=other, head=published.head, seed=0)
    learned = load_head_arrays(weights, bound.backbone, head=whole.stages[-1], registry=registry)
    taken = task.take_over(other, learned, read_arrays([head]))
    assign_finite([head], taken.arrays, f"the head of {weights.name}", OTHER_FEATURES)


def on_other_weights(source: SavedNetwork, network: Network, batch_norm: str) -> Iterator[str]:
    """What to mind where the backbone of `network`, its weights loaded, is not as the head's run left it, but for
    statistics that the policy `batch_norm` is to change."""
    theirs, ours = _arrays(source), read_arrays(network.backbone)
    if batch_norm == "re-estimated":
        ours = {name: array for name, array in ours.items() if not is_statistic(name)}
    other = [name for name, array in ours.items() if name not in theirs or not np.array_equal(array, theirs[name])]
    if other:
        yield (
            f"the head of {run_of(source)} was learned on other weights of the backbone: {len(other)} of {len(ours)} "
            f"arrays differ ({in_line(other)}), so what it keeps may be worth little; without --backbone and "
            "--weights, those of the run are taken"
        )


def _arrays(source: SavedNetwork) -> dict[str, np.ndarray]:
    return read_safetensors(source.path / WEIGHTS)
