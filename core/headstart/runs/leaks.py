"""Samples that a run met before it was asked about them: those that it, or a run that it started from, was trained or
chosen on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from headstart.data.split_file import SplitRow, read_split
from headstart.host.registry import looks_like_path
from headstart.recipe import NONE, Recipe
from headstart.recipes.build import recipe_of_run
from headstart.runs.folder import RunFolder, trained_by


def met_before(
    rows: Sequence[SplitRow], path: Path, *, sides: Sequence[str] = ("train", "val")
) -> Iterator[tuple[RunFolder, int]]:
    """Of the run at `path` and of those that it started from, nearest first, each that was trained or chosen on some of
    `rows`, and on how many; with `sides` ("train",) trained alone.

    Runs whose folders are gone, or that were moved apart from their artefacts, say nothing. Raises HeadstartError where
    what a run left cannot be read.
    """
    for folder in _line(path):
        if not folder.split.is_file():
            continue
        own = {row.content_hash for row in read_split(folder.split).only(*sides).rows}
        if known := sum(row.content_hash in own for row in rows):
            yield folder, known


def _line(path: Path) -> Iterator[RunFolder]:
    """The run at `path`, those that it started from, and so on; each once, should folders have changed places."""
    seen: set[Path] = set()
    runs = deque([path])
    while runs:
        run = runs.popleft()
        if run.resolve() in seen:
            continue
        seen.add(run.resolve())
        folder = RunFolder(run)
        yield folder
        if folder.recipe.is_file():
            runs += _sources_of(recipe_of_run(folder.recipe))


def _sources_of(recipe: Recipe) -> Iterator[Path]:
    """The run whose weights a recipe starts from, and that whose head goes on in it."""
    backbone = None if recipe.weights == NONE else recipe.backbone
    for named in (backbone, recipe.head_from):
        if named is not None and looks_like_path(named) and (run := trained_by(Path(named))):
            yield run
