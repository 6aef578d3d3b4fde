"""Seconds of `headstart --help`, `headstart plugins` and of completing a name in bash.

Each is measured without and with 20 plugins of others, beside controls.

    python tests/benchmarks/startup.py

Each of the 20 is a distribution that pip builds and installs into a folder of its own, with one backbone, dataset,
augmentation and reporter. The controls are an interpreter that does nothing and one that imports torch.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ratios import FOUND, Ratio, write_ratios
from sweep import HEADSTART, show

from headstart.environment import processor

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "headstart-startup-NUMBER"
version = "1.0"
dependencies = ["headstart"]

[project.entry-points.headstart]
startup_NUMBER = "headstart_startup_NUMBER"
"""

DECLARATIONS = '''
"""One offer of each public kind."""

from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import AugmentationSpec, BackboneSpec, DatasetSpec, FeatureSpec, ReporterSpec

BUILD = "headstart_startup_NUMBER._build:build"


@dataclass(frozen=True)
class Options:
    depth: int = option(3, "Blocks in each stage.", low=1, high=9)
    share: float = option(0.5, "How much of it.", low=0.0, high=1.0)


@hookimpl
def register_backbones():
    axes = ("batch", "height", "width", "channel")
    features = tuple(FeatureSpec(f"map@{2**n}", f"s{n}", "x", axes, 8) for n in (3, 4))
    return [BackboneSpec(name="startup_NUMBER/net", summary="A net.", build=BUILD, options=Options, takes="image",
                         stages=("s3", "s4"), features=features, preprocess={"size": [16, 16]}, licence="MIT")]


@hookimpl
def register_datasets():
    return [DatasetSpec(name="startup_NUMBER/data", summary="Data.", build=BUILD, options=Options, medium="image",
                        takes_path=True)]


@hookimpl
def register_augmentations():
    return [AugmentationSpec(name="startup_NUMBER/vary", summary="Varies.", build=BUILD)]


@hookimpl
def register_reporters():
    return [ReporterSpec(name="startup_NUMBER/tell", summary="Tells.", build=BUILD, options=Options)]
'''

BUILD = '"""Imported by a run alone."""\n\nimport keras\n\n\ndef build(request):\n    return keras.Input((1,))\n'

LOADED = """
import sys
from headstart_cli.main import run_arguments
code = run_arguments(sys.argv[1:])
print(code, len([name for name in sys.modules if name.startswith("headstart_startup_")]), file=sys.stderr)
"""
"""Runs a verb, and says how many modules of the 20 plugins the process then has."""


@dataclass
class Timed:
    """A command that is timed again and again, and its seconds."""

    name: str
    plugins: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    seconds: list[float] = field(default_factory=list)

    def run(self) -> float:
        """Seconds of one process, from start to end."""
        started = time.perf_counter()
        subprocess.run(self.command, env=self.environment, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    given = parse()
    with tempfile.TemporaryDirectory() as folder:
        site = install(given.plugins, Path(folder))
        bare = {key: value for key, value in os.environ.items() if not key.startswith(("KERAS", "HEADSTART", "PYTHON"))}
        full = {**bare, "PYTHONPATH": str(site)}
        check(given.plugins, full)
        timed = measure(commands(given.plugins, bare, full), given.repeats)
        imported = {verb: count_modules(verb, full) for verb in ("--help", "plugins")}
    report(timed, given)
    write_ratios(given.json, [ratio(timed, given)], settings=f"whole processes in turn, {given.repeats} rounds")
    for verb, count in imported.items():
        print(f"Modules of the {given.plugins} plugins that `headstart {verb}` imports: {count}.")
    print(f"Machine: {processor()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}.")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, metavar="N", help="rounds; each runs every command once")
    parser.add_argument("--plugins", type=int, default=20, metavar="N", help="plugins to install")
    parser.add_argument("--json", type=Path, default=FOUND / "startup.json", help="where the ratio of P7 goes")
    return parser.parse_args()


def install(count: int, folder: Path) -> Path:
    """Write `count` projects and let pip build and install them into one folder, which is returned."""
    projects = [write_project(folder / "projects", f"{number:02}") for number in range(1, count + 1)]
    flags = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation")
    pip = (sys.executable, "-m", "pip", "install", *flags, "--target", folder / "site")
    subprocess.run([*pip, *projects], check=True)
    return folder / "site"


def write_project(folder: Path, number: str) -> Path:
    """One project with a module that declares and one that would build."""
    project = folder / f"startup-{number}"
    package = project / f"headstart_startup_{number}"
    package.mkdir(parents=True)
    for file, text in (
        (project / "pyproject.toml", PROJECT),
        (package / "__init__.py", DECLARATIONS),
        (package / "_build.py", BUILD),
    ):
        file.write_text(text.lstrip().replace("NUMBER", number), encoding="utf-8")
    return project


def check(count: int, environment: Mapping[str, str]) -> None:
    """Stop where what is measured is not what it claims: each plugin is found, sound, and has its four hooks."""
    done = subprocess.run([HEADSTART, "plugins", "--json"], env=environment, capture_output=True, check=True)
    ours = [each for each in json.loads(done.stdout) if each["name"].startswith("startup_")]
    if len(ours) != count or any(each["error"] or len(each["hooks"]) != 4 for each in ours):
        raise SystemExit(f"expected {count} sound plugins with four hooks each, found {ours}")


def commands(count: int, bare: Mapping[str, str], full: Mapping[str, str]) -> list[Timed]:
    """The controls, and each verb without and with plugins, in the order of a round."""
    verbs = [
        Timed(f"headstart {verb}", str(plugins), (HEADSTART, verb), environment)
        for verb in ("--help", "plugins")
        for plugins, environment in ((0, bare), (count, full))
    ]
    line = {"COMP_WORDS": "headstart\nfit\n--backbone\nlite", "COMP_CWORD": "3"}
    begun = {**line, "_HEADSTART_COMPLETE": "complete_bash"}
    verbs += [
        Timed("completing --backbone lite", str(plugins), (HEADSTART,), {**environment, **begun})
        for plugins, environment in ((0, bare), (count, full))
    ]
    nothing, torch = ((sys.executable, "-c", code) for code in ("pass", "import torch"))
    return [Timed("python -c pass", "-", nothing, bare), Timed('python -c "import torch"', "-", torch, bare), *verbs]


def measure(timed: list[Timed], repeats: int) -> list[Timed]:
    """Run every command once to warm the disk, then round after round: A, B, C, A, B, C, ..."""
    for each in timed:
        each.run()
    for _ in range(repeats):
        for each in timed:
            each.seconds.append(each.run())
    return timed


def count_modules(verb: str, environment: Mapping[str, str]) -> int:
    """How many modules of the installed plugins a process has after `headstart VERB`."""
    done = subprocess.run([sys.executable, "-c", LOADED, verb], env=environment, capture_output=True, check=True)
    code, count = done.stderr.split()[-2:]
    if code != b"0":
        raise SystemExit(f"headstart {verb} ended with {code.decode()}")
    return int(count)


def report(timed: Sequence[Timed], given: argparse.Namespace) -> None:
    """A row for each command: median, range, and how long the controls take beside it."""
    nothing, torch, *_ = (statistics.median(each.seconds) for each in timed)
    rows = []
    for each in timed:
        median = statistics.median(each.seconds)
        spread = f"{min(each.seconds):.3f} to {max(each.seconds):.3f}"
        ratios = f"{median / torch:.2f}", f"{median / nothing:.1f}"
        rows.append((each.name, each.plugins, f"{median:.3f}", spread, *ratios))
    columns = ("command", "plugins installed", "median", "range", "of import torch", "of python")
    title = f"Start-up in seconds, {given.repeats} rounds (`--help`: at most 0.25 of import torch; the goal is 0.1)"
    show(columns, rows, title=title)
    print()


def ratio(timed: Sequence[Timed], given: argparse.Namespace) -> Ratio:
    """P7: `headstart --help` with all plugins installed, round by round beside an import of torch."""
    _, torch, _, helped, *_ = timed
    values = tuple(own / theirs for own, theirs in zip(helped.seconds, torch.seconds, strict=True))
    seconds = f"{statistics.median(helped.seconds):.3f} s against {statistics.median(torch.seconds):.3f} s"
    return Ratio(
        "P7", f"headstart --help, {given.plugins} plugins of others", 'python -c "import torch"', values, seconds
    )


if __name__ == "__main__":
    main()
