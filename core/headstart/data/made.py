"""Datasets whose data is brought or drawn first: made once, in the local store or where the user says, and found there
again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.atomic import write_directory
from headstart.backend import store_root
from headstart.errors import HeadstartError, UsageError
from headstart.host.registry import Registry
from headstart.options import Text, parse_options
from headstart.specs import DatasetMake, DatasetSpec, MakeRequest

FOR_STORE = "free some space, or choose another folder with --out or HEADSTART_HOME"


def stored_folder(spec: DatasetSpec, code: str = "") -> Path:
    """Where the store keeps what a dataset, or its data of a code, is made of, whether it is there or not."""
    return store_root().joinpath("datasets", *spec.name.split("/"), *([code] if code else []))


def made_folder(spec: DatasetSpec, reference: str | None) -> Path | None:
    """The folder with what was made of a dataset: that of `reference`, a path or one of its codes, else the store's;
    None where it is not one that has to be made. Raises UsageError where it is not there."""
    if spec.make is None:
        return None
    code = reference or "" if spec.is_code(reference) else ""
    written = _written(spec, code)
    verb = f"headstart datasets make {written}"
    is_stored = bool(code) or reference is None
    if is_stored:
        _require_code(spec, code)
    folder = stored_folder(spec, code) if is_stored else Path(reference or "").expanduser()
    if folder.is_dir():
        return folder
    if is_stored:
        raise UsageError(f"{written} is not on this machine", hint=verb)
    raise UsageError(f"{folder}: no such folder", hint=f"{verb} --out {folder}")


def make_dataset(
    spec: DatasetSpec,
    registry: Registry,
    *,
    code: str = "",
    out: Path | None = None,
    source: Path | None = None,
    settings: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, bool]:
    """Make a dataset, or its data of a `code`, in the folder `out`, by default in the store, from the file `source`
    where that is given: whole, or not at all. `settings` say how, each NAME=VALUE of its `make_options`; `on_progress`
    is told how many of how many parts are done, by those that take long. The folder, and whether it was made now: one
    that is made already stays as it is.

    Raises UsageError for a dataset that need not be made, a code that it lacks or does not have, a setting that it does
    not have, an `out` that is there, or settings for one that is made already, and what its plugin raises;
    HeadstartError where it cannot be written.
    """
    if spec.make is None:
        raise UsageError(f"{spec.name} needs no making", hint="use it as it is; `headstart datasets NAME` shows how")
    _require_code(spec, code)
    options = _make_options(spec, settings)
    target = stored_folder(spec, code) if out is None else out.expanduser()
    if out is None and target.is_dir():
        if settings:
            raise UsageError(
                f"{_written(spec, code)} is made already, in {target}, perhaps with other settings",
                hint="remove that folder, or make another one with --out DIR",
            )
        return target, False
    if target.exists():
        raise UsageError(
            f"{target} is there already", hint=f"name a new folder, or open it as {written_folder(spec, target)}"
        )
    make: DatasetMake = registry.load_target(spec, spec.make)

    def fill(folder: Path) -> None:
        request = MakeRequest(folder, source, options, code)
        make(request if on_progress is None else replace(request, on_progress=on_progress))
        if not any(folder.iterdir()):
            raise registry.failure(spec, f"{spec.make} wrote nothing")

    try:
        write_directory(target, fill, hint=FOR_STORE)
    except HeadstartError:
        if out is not None or not target.is_dir():  # or another process was faster
            raise
        return target, False
    return target, True


def written_folder(spec: DatasetSpec, folder: Path) -> str:
    """How users write that they open a dataset from a folder: one that is called like a code with a dot before it."""
    return f"{spec.short_name}:{'./' if spec.is_code(str(folder)) else ''}{folder}"


def _written(spec: DatasetSpec, code: str) -> str:
    return f"{spec.short_name}:{code}" if code else spec.short_name


def _require_code(spec: DatasetSpec, code: str) -> None:
    """Raise UsageError where a code is lacking, is none, or is one too many."""
    if code and not spec.codes:
        raise UsageError(
            f"{spec.short_name} takes nothing after its name, received {code!r}", hint=f"write {spec.short_name} alone"
        )
    if spec.codes and not spec.is_code(code):
        received = f", received {code!r}" if code else ""
        raise UsageError(
            f"{spec.short_name} needs {spec.codes}, after a colon{received}", hint=f"write {spec.short_name}:CODE"
        )


def _make_options(spec: DatasetSpec, settings: Sequence[str]) -> Any:
    """An instance of the spec's `make_options`. Raises UsageError for what is none of them."""
    values: dict[str, Text] = {}
    for written in settings:
        name, equals, text = written.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {written}: expected NAME=VALUE", hint=f"headstart datasets {spec.short_name}")
        values[name.strip()] = Text(text.strip())
    options, problems = parse_options(spec.make_options, values, "make", spec.name)
    for wrong in problems:
        name = wrong.where.removeprefix("make.")
        raise UsageError(f"--set {name}: {wrong.message}", hint=wrong.hint)
    return options
