"""Run the command as a user does: a process of its own, in a folder of its own."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from headstart.registry import load_registry

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def examples():
    return ROOT / "examples"


@pytest.fixture
def fit(tmp_path):
    """`headstart fit` with some arguments; what `--json` prints."""

    def fit(*arguments):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KERAS")}
        command = (Path(sys.executable).with_name("headstart"), "fit", *map(str, arguments), "--json")
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return fit


class Guide:
    """The authors' guide; each block of code names its file in its first line."""

    def __init__(self, path):
        self.text = path.read_text(encoding="utf-8")

    def blocks(self, language):
        """(file, block) of each block of a language; "" for one that names none."""
        bodies = re.findall(rf"^```{language}\n(.*?)^```", self.text, re.M | re.S)
        named = [re.match(r"# (\S+\.(?:py|toml)(?:, continued)?)\n", body) for body in bodies]
        return [(match[1] if match else "", body) for match, body in zip(named, bodies, strict=True)]

    def code(self, file):
        """The one block that is the file `file`."""
        (body,) = (body for language in ("python", "toml") for name, body in self.blocks(language) if name == file)
        return body


@pytest.fixture(scope="session")
def guide(examples):
    return Guide(examples / "plugin-template" / "README.md")


HIDDEN = ("KERAS", "HEADSTART", "PYTHON", "PYTEST", "PIP_")


@pytest.fixture(scope="session")
def run():
    """`run(command..., cwd=FOLDER, site=FOLDER)`: the finished process, with `site` on its path; it must succeed."""

    def run(*command, cwd, site=None):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(HIDDEN)}
        environment |= {"PYTHONPATH": str(site)} if site else {}
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def install(run):
    """`install(PROJECT..., to=FOLDER)`: as pip does, but for the dependencies; no network."""

    def install(*projects, to):
        offline = ("--no-deps", "--no-index", "--no-build-isolation", "--target", to)
        run(sys.executable, "-m", "pip", "install", "--quiet", *offline, *projects, cwd=to.parent)
        return to

    return install


@pytest.fixture(scope="session")
def template_site(examples, install, tmp_path_factory):
    """A folder where the plugin template is installed; for a process, put it on PYTHONPATH."""
    return install(examples / "plugin-template", to=tmp_path_factory.mktemp("template") / "site")


@pytest.fixture
def template(template_site):
    """The plugin template is installed while a test runs, in this process and those that it starts."""
    with _installed(template_site):
        yield template_site


@pytest.fixture(scope="module")
def registry(template_site):
    """Every offer of the built-ins and of the template, loaded once."""
    with _installed(template_site):
        yield load_registry()


@contextmanager
def _installed(site):
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(site)
        patched.setenv("PYTHONPATH", str(site))
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "headstart_template"]:
        del sys.modules[name]
