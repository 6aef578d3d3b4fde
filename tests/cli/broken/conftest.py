"""Broken plugins, each a project of its own that is built and that pip installs: no two fail alike.

A test that has the argument `broken` runs for each, `failing` for those that are left out, `named` for those whose
names are theirs alone, `training` for those beside which a fit is possible. `site` is the folder with all of them.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from headstart_cli.main import run_arguments

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "{version}"
dependencies = ["headstart"]

[project.entry-points.headstart]
{plugin} = "{value}"

[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]
"""

BUILD_EACH = """
import os, sys
from hatchling.build import build_wheel
for folder in sys.argv[2:]:
    os.chdir(folder)
    build_wheel(sys.argv[1])
"""

HEADER = """
from headstart.hookspecs import hookimpl
from headstart.specs import DatasetSpec

def spec(name, **changes):
    return DatasetSpec(**{"name": name, "summary": "Some data.", "build": "nowhere.at:all", "medium": "image",
                          "takes_path": False} | changes)
"""

OFFER = """
@hookimpl
def register_datasets():
    return [spec("PLUGIN/photos")]
"""

SOUND = HEADER + OFFER

HOOK = HEADER + "@hookimpl\n"

DAMAGED_POINTS = b"[headstart]\nbroken_points = headstart_broken_points\noops\n"


@dataclass(frozen=True)
class Broken:
    """One project. `told` is how `plugins` must name the failure, None where there is none.

    `value` is what its entry point names, its own module unless said otherwise; `damage` is the file of its
    metadata that something overwrote after it was installed, and what stands there now.
    """

    kind: str
    version: str
    source: str
    told: str | None
    plugin: str = ""
    value: str = ""
    damage: tuple[str, bytes] | None = None

    @property
    def module(self):
        return f"headstart_broken_{self.kind}"

    @property
    def distribution(self):
        return self.module.replace("_", "-")

    @property
    def name(self):
        return self.plugin or f"broken_{self.kind}"

    @property
    def metadata(self):
        return f"{self.module}-{self.version}.dist-info"

    @property
    def origin(self):
        return f"plugin {self.name!r} ({self.distribution} {self.version})"

    def write_project(self, folder):
        """Write what its author would publish."""
        folder.mkdir(parents=True)
        facts = {"distribution": self.distribution, "version": self.version, "plugin": self.name}
        facts |= {"module": self.module, "value": self.value or self.module}
        (folder / "pyproject.toml").write_text(PROJECT.format(**facts), encoding="utf-8")
        (folder / f"{self.module}.py").write_text(self.source.replace("PLUGIN", self.name), encoding="utf-8")


ALL = (
    Broken("import", "0.1", "from headstart.specs import Nonesuch", "ImportError: cannot import name 'Nonesuch'"),
    Broken("dependency", "0.2", "import missing_dependency", "No module named 'missing_dependency'"),
    Broken("syntax", "0.3", "def (", "SyntaxError: invalid syntax (headstart_broken_syntax.py, line 1)"),
    Broken("exit", "0.4", "raise SystemExit(3)", "SystemExit: 3"),
    Broken("recursion", "0.5", "def again():\n    again()\nagain()", "RecursionError: maximum recursion depth"),
    Broken("lines", "0.6", "raise RuntimeError('one\\n\\x1b[31mtwo\\udce9')", r"RuntimeError: one \x1b[31mtwo\udce9"),
    Broken("framework", "0.7", "from keras import layers\n" + SOUND, "imports keras while it declares its offers"),
    Broken("backend", "0.8", "import os\nos.environ['KERAS_BACKEND'] = 'tensorflow'\n" + SOUND, "sets KERAS_BACKEND"),
    Broken("misspelt", "0.9", HOOK + "def register_dataset():\n    return []", "'register_dataset' is no hook"),
    Broken("arguments", "0.10", HOOK + "def resolve_dataset(path):\n    return None", "resolve_dataset(path)"),
    Broken("raises", "0.11", HOOK + "def register_datasets():\n    return 1 / 0", "ZeroDivisionError: division"),
    Broken("api", "0.12", SOUND.replace('photos")', 'photos", api=1)'), "was written for api 1"),
    Broken("twice", "0.13", SOUND.replace("[spec(", '[spec("PLUGIN/photos"), spec('), "'broken_twice/photos' twice"),
    Broken("foreign", "0.14", SOUND.replace("PLUGIN/", "digits/"), "the name 'digits/photos' must be broken_foreign/"),
    Broken("nowhere", "0.15", SOUND, "there is no module 'headstart_nowhere'", value="headstart_nowhere:plugin"),
    Broken("value", "0.16", SOUND, "its entry point names 'not a module!'", value="not a module!"),
    Broken(
        "points", "0.17", SOUND, "(line 3, 'oops', is not name = value)", damage=("entry_points.txt", DAMAGED_POINTS)
    ),
    Broken("metadata", "0.18", SOUND, "its METADATA is damaged", damage=("METADATA", b"\xff\xfeN\x00a\x00m\x00e\x00")),
    Broken("duplicate", "0.19", SOUND, "'digits' is already taken by 'digits' of headstart", plugin="digits"),
    Broken("prints", "0.20", "import os\nprint('hello')\nos.system('echo children')\n" + SOUND, None),
    Broken("streams", "0.21", "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)\n" + SOUND, None),
)

FAILING = tuple(each for each in ALL if each.told)
"""Those that are left out; the others only behave badly."""
NAMED = tuple(each for each in FAILING if each.kind != "duplicate")
"""Those whose names are nobody else's."""
TRAINING = tuple(each for each in ALL if each.kind != "points")
"""Those beside which a framework can be imported: it reads every entry_points.txt by itself, see test_damage.py."""


def pytest_generate_tests(metafunc):
    for argument, kinds in (("broken", ALL), ("failing", FAILING), ("named", NAMED), ("training", TRAINING)):
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, kinds, ids=[each.kind for each in kinds])


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder that pip installed every broken plugin into, in one go; then some are damaged."""
    sources, wheels = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheels")
    site = tmp_path_factory.mktemp("installed") / "site"
    for each in ALL:
        each.write_project(sources / each.kind)
    building = (sys.executable, "-c", BUILD_EACH, wheels, *sources.iterdir())  # pip would start two processes for each
    done = subprocess.run([*map(str, building)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index")
    command = (sys.executable, "-m", "pip", "install", *options, "--target", site, *wheels.iterdir())
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for each in ALL:
        if each.damage is not None:
            (site / each.metadata / each.damage[0]).write_bytes(each.damage[1])
    return site


@pytest.fixture
def alone(site, tmp_path, monkeypatch):
    """`alone(broken)`: the folder with that plugin and no other, on this process' path and for other processes."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)

    def alone(broken):
        folder = tmp_path / "alone"
        shutil.copytree(site / broken.metadata, folder / broken.metadata)
        shutil.copy(site / f"{broken.module}.py", folder)
        monkeypatch.syspath_prepend(folder)
        return folder

    yield alone
    forget_modules()


@pytest.fixture
def ask(capfd):
    """`ask("plugins", "--json")`: exit code, stdout and stderr of a verb that is run in this process."""

    def ask(*arguments):
        forget_modules()
        capfd.readouterr()
        code = run_arguments([*map(str, arguments)])
        return code, *capfd.readouterr()

    return ask


def forget_modules():
    """Each verb is a process of its own, and imports plugins anew."""
    for name in [name for name in sys.modules if name.startswith("headstart_broken")]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def every_failing():
    """Every broken plugin that is left out."""
    return FAILING


@pytest.fixture(scope="session")
def every_kind():
    """Every broken plugin by its kind."""
    return {each.kind: each for each in ALL}
