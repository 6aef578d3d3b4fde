"""Samples that a run met before it was asked about them: those that it, or a run that it started from, was trained or
chosen on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from headstart.data.split_file import SplitRow, read_split
from headstart.host.registry import looks_like_path
from headstart.recipe import NONE, Recipe
from headstart.recipes.build import recipe_of_run
from headstart.runs.folder import RunFolder, trained_by


def met_before(rows: Sequence[SplitRow], path: Path) -> Iterator[tuple[RunFolder, int]]:
    """Of the run at `path` and of those that it started from, nearest first, each that was trained or chosen on some of
    `rows`, and on how many.

    Runs whose folders are gone, or that were moved apart from their artefacts, say nothing. Raises HeadstartError where
    what a run left cannot be read.
    """
    for folder in _line(path):
        if not folder.split.is_file():
            continue
        own = {row.content_hash for row in read_split(folder.split).only("train", "val").rows}
        if known := sum(row.content_hash in own for row in rows):
            yield folder, known


def _line(path: Path) -> Iterator[RunFolder]:
    """The run at `path`, the one that it started from, and so on; each once, should folders have changed places."""
    seen: set[Path] = set()
    run: Path | None = path
    while run is not None and run.resolve() not in seen:
        seen.add(run.resolve())
        folder = RunFolder(run)
        yield folder
        run = _source_of(recipe_of_run(folder.recipe)) if folder.recipe.is_file() else None


def _source_of(recipe: Recipe) -> Path | None:
    """The run whose weights a recipe starts from."""
    if recipe.backbone is None or recipe.weights == NONE or not looks_like_path(recipe.backbone):
        return None
    return trained_by(Path(recipe.backbone))
