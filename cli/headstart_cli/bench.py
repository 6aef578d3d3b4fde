"""headstart bench."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from headstart_cli import completion
from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, registry_without
from headstart_cli.output import print_heading, print_json, print_table, print_text, say
from headstart_cli.recipe_flags import ImageSize, InputFlags, flags_of

COMMAND = "from headstart_cli.main import run; run()"


def bench(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="BACKBONE",
            help="A backbone's name or reference.",
            show_default=False,
            autocompletion=completion.backbones_or_runs,
        ),
    ],
    image_size: ImageSize = None,
    input_flags: InputFlags = None,
    backend: BackendName = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Measure what this machine does with a backbone under each backend and engine, and what `auto` would take."""
    flags = flags_of({"image_size": image_size, "input_flags": input_flags})
    from headstart.backend import installed_backends

    backends = (backend,) if backend is not None else installed_backends()
    if len(backends) > 1:
        documents = [_elsewhere(ref, flags, each, disable_plugin) for each in backends]
    else:
        from headstart.runs.bench import bench as measure

        registry = registry_without(disable_plugin)
        documents = [measure(ref, registry, backend=backend, flags=flags)]
    merged = {**documents[0], "rows": [row for each in documents for row in each["rows"]]}
    print_json(merged) if as_json else _show(merged)


def _elsewhere(ref: str, given: Mapping[str, Any], backend: str, disable: list[str] | None) -> dict[str, Any]:
    """One backend's document: a process has one backend, so each gets its own."""
    flags = ["--backend", backend, "--json"]
    flags += [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    flags += [part for name in disable or () for part in ("--disable-plugin", name)]
    command = [sys.executable, "-P", "-c", COMMAND, "bench", ref, *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise typer.Exit(done.returncode)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _show(document: dict[str, Any]) -> None:
    shape = ", ".join(f"{name} {' x '.join(map(str, each))}" for name, each in document["inputs"].items())
    print_heading(document["backbone"])
    print_text(f"{shape}, weights {document['weights']}, {document['threads']} threads, samples of {document['data']}")
    print_text()
    print_table(
        ("backend", "engine", "precision", "samples/s", "largest difference", "ready after", "auto"),
        [_row(row) for row in document["rows"]],
    )
    for row in document["rows"]:
        if row["refused"]:
            print_text(f"{row['engine']} on {row['backend']}, {row['precision']}: {row['refused']}")
    for warning in document["warnings"]:
        say(warning)


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    measured = row["samples_per_second"] is not None
    return (
        row["backend"],
        row["engine"],
        row["precision"],
        f"{row['samples_per_second']:.1f}" if measured else "-",
        f"{row['largest_difference']:.2g}" if measured else "-",
        f"{row['opened']:.1f} s" if measured else "-",
        "yes" if row["auto"] else "",
    )
