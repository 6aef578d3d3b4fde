"""headstart bench."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from headstart.errors import UsageError
from headstart_cli import completion
from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, registry_without
from headstart_cli.output import print_heading, print_json, print_table, print_text, say
from headstart_cli.recipe_flags import ImageSize, InputFlags, flags_of

LEAST = 0.005
"""Seconds below which a part of a process is not shown."""
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
    process: Annotated[
        bool,
        typer.Option(
            "--process",
            help="Take apart whole processes instead: a probe with an empty cache, a second one, and one answer.",
        ),
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="With --process: what is learned, as in fit; default: a built-in one.",
            autocompletion=completion.data,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="With --process: records in all; default 500.")
    ] = None,
    image_size: ImageSize = None,
    input_flags: InputFlags = None,
    backend: BackendName = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Measure what this machine does with a backbone under each backend and engine, and what `auto` would take.

    With --process: what the time of a whole `fit` and `predict` goes into, imports and all.
    """
    if not process and (data is not None or limit is not None):
        raise UsageError("--data and --limit are of --process", hint="add --process, or leave them out")
    flags = flags_of({"image_size": image_size, "input_flags": input_flags})
    from headstart.backend import installed_backends

    backends = (backend,) if backend is not None else installed_backends()
    if process:
        from headstart.runs.process_times import LIMIT, measure_processes

        given = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        registry = registry_without(disable_plugin)
        measured = [
            measure_processes(
                ref, registry, command=COMMAND, backend=each, data=data, limit=limit or LIMIT, flags=given
            )
            for each in backends
        ]
        print_json(measured) if as_json else _show_processes(measured)
        return
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


def _show_processes(documents: Sequence[dict[str, Any]]) -> None:
    """A table a backend: seconds of each process by what took them, and those of threads and processes beside it."""
    for document in documents:
        processes = document["processes"]
        print_heading(f"{document['backbone']} on {document['backend']}")
        print_text(f"weights {document['weights']}, {document['limit']} records of {document['data']}")
        print_text()
        parts, beside = (
            list(dict.fromkeys(name for each in processes for name in each[of])) for of in ("parts", "beside")
        )
        rows = [("whole process", *(cell for each in processes for cell in _taken(each["whole"])))]
        for title, of, names in (("", "parts", parts), ("beside it: ", "beside", beside)):
            rows += [
                (title + name, *(cell for each in processes for cell in _taken(each[of].get(name)))) for name in names
            ]
        columns = [(each["name"], "processor") for each in processes]
        print_table(("seconds", *sum(columns, ())), [row for row in rows if {*row[1:]} != {"-"}])
        print_text()


def _taken(taken: Mapping[str, float] | None) -> tuple[str, str]:
    """Seconds by the clock, and of processors."""
    each = (0.0, 0.0) if taken is None else (taken["wall"], taken["busy"])
    wall, busy = (f"{seconds:.2f}" if seconds >= LEAST else "-" for seconds in each)
    return wall, busy


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
