"""What a run will need, started while it still reads its data."""

from __future__ import annotations

from headstart.cache import open_cache
from headstart.engine.features.export import Exporters
from headstart.recipes.resolve import ResolvedRecipe
from headstart.registry import Registry
from headstart.specs import EngineSpec

MANY = 500
"""Samples from which an export is likely to be worth its start."""


def foresee_export(resolved: ResolvedRecipe, registry: Registry, exporters: Exporters, samples: int) -> None:
    """Start the process that exports the backbone for the engine that will probably run it, where none was exported."""
    spec = resolved.engine or _likely(registry)
    if spec is None or spec.export is None or min(samples, resolved.recipe.limit or samples) < MANY:
        return
    kept = [entry for entry in open_cache().entries() if entry.kind == "graphs"]
    if not any(_is_of(entry.facts, resolved, spec) for entry in kept):
        exporters.expect(spec)


def _likely(registry: Registry) -> EngineSpec | None:
    """The engine of the quickest start that `auto` would try after the backend itself."""
    offered: list[EngineSpec] = [spec for spec in registry.specs("engines") if spec.export and not spec.missing]
    return min(offered, key=lambda spec: (spec.startup, spec.name), default=None)


def _is_of(facts: object, resolved: ResolvedRecipe, spec: EngineSpec) -> bool:
    known = dict(facts) if isinstance(facts, dict) else {}
    return (known.get("backbone"), known.get("engine")) == (resolved.backbone.name, spec.name)
