"""The plugin template works as a stranger's plugin does: installed beside headstart, listed, run, and tested."""

import json
import re
import shutil
import sys

import pytest

from headstart.registry import load_registry
from headstart.template import write_plugin
from headstart.testing import BackboneDeclared
from headstart_cli.main import run_arguments

OFFERS = {
    "backbones": "steps",
    "datasets": "arrays",
    "augmentations": "turn",
    "targets": "point",
    "reporters": "table",
}
CONTRACTS = "tests/test_contracts.py"
WITHOUT_BACKEND = (
    *(f"{CONTRACTS}::{name}" for name in ("TestArrays", "TestTurn", "TestPoint", "TestTable")),
    *(f"{CONTRACTS}::TestSteps::{name}" for name in dir(BackboneDeclared) if name.startswith("test_")),
)


@pytest.fixture
def own_tests(run, tmp_path):
    """`own_tests(PROJECT, SITE, TESTS...)`: a project's tests, run where its source is not; how many passed."""

    def own_tests(project, site, *chosen):
        apart = tmp_path / "apart"
        shutil.copytree(project / "tests", apart / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(project / "pyproject.toml", apart)
        done = run(sys.executable, "-m", "pytest", "-q", "-rs", *chosen, cwd=apart, site=site)
        counts = dict((what, int(count)) for count, what in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1]))
        assert "not installed" not in done.stdout  # why level C would be skipped
        return counts["passed"]

    return own_tests


@pytest.mark.usefixtures("template")
def test_it_is_a_plugin_with_its_version_and_hooks(capsys):
    assert run_arguments(["plugins", "--json"]) == 0
    (plugin,) = (each for each in json.loads(capsys.readouterr().out) if each["name"] == "template")
    assert (plugin["distribution"], plugin["version"], plugin["error"]) == ("headstart-template", "0.1.0", None)
    assert plugin["hooks"] == sorted(f"register_{kind}" for kind in OFFERS)


@pytest.mark.usefixtures("template")
@pytest.mark.parametrize("kind", OFFERS)
def test_each_kind_lists_its_offer(kind, capsys):
    assert run_arguments([kind, "--json"]) == 0
    listed = {spec["name"]: spec for spec in json.loads(capsys.readouterr().out)}
    assert listed[f"template/{OFFERS[kind]}"]["summary"]


@pytest.mark.usefixtures("template")
def test_it_has_one_of_each_kind_and_takes_no_bare_name_from_a_built_in():
    registry = load_registry()
    for kind, short in OFFERS.items():
        assert [spec.short_name for spec in registry.specs(kind) if spec.plugin == "template"] == [short]
        assert registry.get(kind, short).name == f"template/{short}"


@pytest.mark.usefixtures("template")
def test_a_mirrored_picture_is_drawn_only_where_the_labels_survive_it():
    from headstart.specs import AugmentationRequest

    registry = load_registry()
    spec = registry.get("augmentations", "template/turn")
    build = registry.load_target(spec, spec.build)
    draws = {}
    for symmetries in (frozenset(), frozenset({"horizontal_flip"})):
        built = build(AugmentationRequest(spec.options(), symmetries))
        draws[bool(symmetries)] = [built.draw(0, epoch, "a picture \udcff") for epoch in range(64)]
    signs = {allowed: {drawn.changes[0].value[0][0] > 0 for drawn in each} for allowed, each in draws.items()}
    assert signs == {False: {True}, True: {True, False}}


def test_its_own_tests_pass_those_that_need_no_backend(examples, template_site, own_tests):
    assert own_tests(examples / "plugin-template", template_site, *WITHOUT_BACKEND) > len(WITHOUT_BACKEND)


@pytest.mark.slow
def test_so_do_those_of_a_project_that_new_plugin_wrote(install, own_tests, tmp_path):
    write_plugin("My-nets", tmp_path / "project")
    site = install(tmp_path / "project", to=tmp_path / "site")
    assert (site / "headstart_My_nets" / "py.typed").is_file()
    assert own_tests(tmp_path / "project", site, *WITHOUT_BACKEND) > len(WITHOUT_BACKEND)


@pytest.fixture(scope="module")
def wheels(examples, run, install, tmp_path_factory):
    """A folder where headstart and the template are installed, both from wheels that were built here."""
    folder = tmp_path_factory.mktemp("wheels")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    for project in (examples.parent, examples / "plugin-template"):
        run(*build, project, cwd=folder)
    built = sorted(folder.glob("*.whl"))
    assert [wheel.name.partition("-")[0] for wheel in built] == ["headstart", "headstart_template"]
    return install(*built, to=folder / "site")


@pytest.mark.slow
def test_its_own_tests_pass_all_of_them_from_the_wheels(examples, wheels, run, own_tests, tmp_path):
    code = "import headstart, headstart_template as t; print(headstart.__file__, t.__file__, sep='\\n')"
    imported = run(sys.executable, "-c", code, cwd=tmp_path, site=wheels).stdout.split()
    assert imported == [str(wheels / name / "__init__.py") for name in ("headstart", "headstart_template")]
    assert own_tests(examples / "plugin-template", wheels) > len(WITHOUT_BACKEND)


@pytest.mark.slow
def test_a_project_written_by_the_wheels_headstart_passes_all_its_tests_too(wheels, run, install, own_tests, tmp_path):
    run(wheels / "bin" / "headstart", "new-plugin", "stranger", cwd=tmp_path, site=wheels)
    project = tmp_path / "headstart-stranger"
    both = tmp_path / "both"
    shutil.copytree(wheels, both)
    install(project, to=both)
    assert own_tests(project, both) > len(WITHOUT_BACKEND)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_run_of_the_wheels_uses_four_of_them(examples, wheels, run, tmp_path, backend):
    make = "from pathlib import Path\nfrom bars import write_bars\nwrite_bars(Path('bars.npz'))"
    run(sys.executable, "-c", make, cwd=tmp_path, site=examples / "plugin-template" / "tests")
    chosen = ("--backbone", "template/steps", "--augment", "turn", "--reporter", "table", "--backend", backend)
    options = ("--epochs", 2, "--set", "backbone.width=8", "--set", "dataset.horizontal_flip=true")
    headstart = wheels / "bin" / "headstart"
    done = run(
        headstart, "fit", "arrays:bars.npz", *chosen, *options, "--out", "run", "--json", cwd=tmp_path, site=wheels
    )
    result = json.loads(done.stdout)
    assert (result["backend"], result["backbone"]) == (backend, "template/steps")
    assert result["metrics"]["test"]["accuracy"] > 0.9  # chance is 0.5
    assert (tmp_path / "run" / "report" / "epochs.csv").read_text("utf-8").startswith("phase,epoch,train loss,val loss")
    plugins = json.loads((tmp_path / "run" / "environment.json").read_text("utf-8"))["plugins"]
    assert "template" in json.dumps(plugins)
