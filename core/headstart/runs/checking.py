"""Everything that is to be said of data before a run: no network is built and no framework imported."""

from __future__ import annotations

import tempfile
from pathlib import Path

from headstart.data.prepared import examine
from headstart.data.reading import OnProgress
from headstart.data.targets import build_target_kind, other_kind
from headstart.errors import DataError
from headstart.recipes.resolve import ResolvedRecipe, bind
from headstart.registry import Registry
from headstart.runs.planning import build_kind, open_records, prepare_options
from headstart.specs import Finding

LEVELS = ("error", "warning", "note")


def check_data(
    resolved: ResolvedRecipe, registry: Registry, *, on_progress: OnProgress | None = None
) -> tuple[Finding, ...]:
    """All findings about a recipe's data, errors first: of the records, their targets, contents and the split.

    Data that cannot be opened, or whose targets nothing recognises, is an error among them. Raises UsageError for what
    the user can set right without looking at the data.
    """
    warnings: list[str] = []
    try:
        records = open_records(resolved, registry)
        bound = bind(resolved, registry, records)
    except DataError as error:
        return (Finding("error", error.message, 1, error.hint),)
    kind = build_kind(bound, registry)
    wanted = registry.get("targets", bound.task.targets)
    if other := other_kind(records, wanted, registry):
        return (other,)
    with tempfile.TemporaryDirectory() as scratch:
        options = prepare_options(bound, kind, Path(scratch), warnings.append)
        targets = build_target_kind(registry, wanted.name)
        found = examine(records, kind, targets, options, on_progress=on_progress)
    said = [Finding("warning", message) for message in (*bound.warnings, *warnings)]
    return tuple(sorted([*found, *said], key=lambda finding: LEVELS.index(finding.level)))
