"""The wheel that users install: what is in it, and that it runs from an environment where the source is not.

The environment is new and offline: the dependencies of this one are linked into it one by one, everything of
headstart's left out, so nothing but the wheel can provide it. A trap stands where TensorFlow would be.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(sysconfig.get_path("purelib"))
OURS = ("headstart", "_headstart", "__editable__")
TRAP = 'raise SystemExit("a fit imported TensorFlow")'


def run(*command, cwd):
    """Run a command where neither the source nor this process' settings can be seen."""
    hidden = ("KERAS", "HEADSTART", "PYTHON", "PIP_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    words = list(map(str, command))
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source tree with the build backend that is installed here: no network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A new environment with the wheel, and this one's dependencies; its folder of programs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    link_dependencies(folder / "dependencies")
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{folder / 'dependencies'}\n", encoding="utf-8")
    return python.parent


def link_dependencies(folder):
    """Link all that is installed here into `folder`, but headstart and TensorFlow."""
    folder.mkdir()
    for entry in SITE.iterdir():
        if not entry.name.startswith((*OURS, "tensorflow")):
            (folder / entry.name).symlink_to(entry)
    (folder / "tensorflow").mkdir()
    (folder / "tensorflow" / "__init__.py").write_text(TRAP, encoding="utf-8")


def members(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_three_packages_and_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in members(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "headstart",
        "headstart_cli",
        "headstart_plugins",
    }


def test_the_wheel_holds_every_source_and_data_file(wheel):
    sources = {
        str(path.relative_to(ROOT / root))
        for root in ("core", "cli", "plugins")
        for path in (ROOT / root).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert {"headstart/py.typed", "headstart_cli/py.typed", "headstart_plugins/py.typed"} <= sources
    assert "headstart_plugins/reporters/report.html.j2" in sources
    assert sources <= set(members(wheel))


def test_the_wheel_carries_the_licence_the_command_and_the_plugins(wheel):
    names = members(wheel)
    (licence,) = (name for name in names if name.endswith("/LICENSE"))
    (entry_points,) = (name for name in names if name.endswith("/entry_points.txt"))
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(licence).decode() == (ROOT / "LICENSE").read_text(encoding="utf-8")
        parsed = ConfigParser(delimiters=("=",))
        parsed.read_string(archive.read(entry_points).decode())
    assert dict(parsed["console_scripts"]) == {"headstart": "headstart_cli.main:run"}
    folders = {path.parent.name for path in (ROOT / "plugins" / "headstart_plugins").glob("[!_]*/__init__.py")}
    assert dict(parsed["headstart"]) == {name: f"headstart_plugins.{name}" for name in folders}


def test_the_installed_command_shows_its_help_and_its_plugins(environment, tmp_path):
    assert "fit" in run(environment / "headstart", "--help", cwd=tmp_path)
    plugins = json.loads(run(environment / "headstart", "plugins", "--json", cwd=tmp_path))
    assert {plugin["name"] for plugin in plugins} >= {"classification", "digits", "efficientnet_lite"}
    assert [plugin["name"] for plugin in plugins if plugin["error"]] == []


def test_what_runs_is_the_wheel(environment, tmp_path):
    code = "import headstart, headstart_cli, headstart_plugins as p; print(headstart.__file__, p.__file__)"
    for file in run(environment / "python", "-c", code, cwd=tmp_path).split():
        assert Path(file).is_relative_to(environment.parent)


def test_the_trap_for_tensorflow_is_in_place(environment):
    done = subprocess.run([environment / "python", "-c", "import tensorflow"], capture_output=True, check=False)
    assert b"a fit imported TensorFlow" in done.stderr


@pytest.mark.parametrize("backend", ["torch", pytest.param("jax", marks=pytest.mark.slow)])
def test_a_fit_works_from_the_wheel_and_never_imports_tensorflow(environment, tmp_path, backend):
    small = ("--limit", 100, "--set", "input.size=32", "--strategy", "probe")
    output = run(
        *(environment / "headstart", "fit", "digits", *small, "--backend", backend),
        *("--reporter", "json", "--reporter", "html", "--out", tmp_path / "run", "--json"),
        cwd=tmp_path,
    )
    result = json.loads(output)
    assert result["backend"] == backend
    assert result["metrics"]["test"]["accuracy"] > result["baseline"]["majority_accuracy"]
    assert "<html" in (tmp_path / "run" / "report" / "report.html").read_text(encoding="utf-8")
