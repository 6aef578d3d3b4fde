"""headstart new-plugin writes a project of a name of the author's own, whole, and over nothing."""

import ast
import tomllib

import pytest

from headstart.registry import load_registry
from headstart.template import CHECKOUT, template_files
from headstart.testing import write_distribution
from headstart_cli.main import run_arguments


@pytest.fixture
def write(tmp_path, monkeypatch, capsys):
    """`write(NAME, ...)` in an empty folder: the exit code, and what was printed on stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def write(*arguments):
        code = run_arguments(["new-plugin", *arguments])
        return code, *capsys.readouterr()

    return write


def files(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def test_the_project_has_the_files_of_the_template_under_the_plugins_name(write, tmp_path):
    assert write("my-nets")[0] == 0
    renamed = {str(path).replace("headstart_template", "headstart_my_nets") for path in template_files()}
    assert set(files(tmp_path / "headstart-my-nets")) == renamed
    assert {"pyproject.toml", "README.md", "headstart_my_nets/__init__.py", "tests/test_contracts.py"} <= renamed


def test_every_file_of_the_template_is_written_and_no_cache(tmp_path):
    """The two places that say what belongs to the project agree: what lies there, and what is written."""
    caches = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
    there = {name for name, path in files(CHECKOUT).items() if not caches & set(path.parts)}
    assert {str(path) for path in template_files()} == there


@pytest.mark.parametrize("name", ["mine", "my-nets", "my_nets", "3d", "Mixed", "headstart"])
def test_nothing_of_the_templates_name_is_left(write, tmp_path, name):
    assert write(name)[0] == 0
    for relative, path in files(tmp_path / f"headstart-{name}").items():
        assert "template" not in relative.lower()
        assert "template" not in path.read_text(encoding="utf-8").lower(), relative


def test_a_name_that_holds_the_templates_is_put_in_once(write, tmp_path):
    assert write("a-template-b")[0] == 0
    project = tomllib.loads((tmp_path / "headstart-a-template-b" / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == "headstart-a-template-b"
    assert project["project"]["entry-points"]["headstart"] == {"a-template-b": "headstart_a_template_b"}


def test_users_installers_and_python_each_get_a_name_that_they_can_take(write, tmp_path):
    assert write("my-nets")[0] == 0
    folder = tmp_path / "headstart-my-nets"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == "headstart-my-nets"
    assert project["project"]["entry-points"]["headstart"] == {"my-nets": "headstart_my_nets"}
    assert 'name="my-nets/steps"' in (folder / "headstart_my_nets" / "__init__.py").read_text(encoding="utf-8")
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"))


def test_stdout_is_the_folder_and_stderr_says_what_to_do_next(write):
    code, out, err = write("mine")
    assert (code, out) == (0, "headstart-mine\n")
    for line in ("cd headstart-mine", "pip install -e '.[test]'", "python -m pytest", "headstart plugins"):
        assert f"  {line}\n" in err


def test_out_names_the_folder_which_may_be_there_if_it_is_empty(write, tmp_path):
    (tmp_path / "some where").mkdir()
    code, out, err = write("mine", "--out", "some where")
    assert (code, out) == (0, "some where\n")
    assert "cd 'some where'\n" in err
    assert (tmp_path / "some where" / "headstart_mine" / "__init__.py").is_file()


def test_a_folder_that_holds_something_is_left_alone(write, tmp_path):
    (tmp_path / "headstart-mine").mkdir()
    (tmp_path / "headstart-mine" / "notes").write_text("mine")
    code, out, err = write("mine")
    assert (code, out) == (2, "")
    assert "headstart-mine is not empty" in err
    assert "--out" in err
    assert set(files(tmp_path)) == {"headstart-mine/notes"}


def test_a_file_where_the_folder_should_be_is_exit_2(write, tmp_path):
    (tmp_path / "taken").write_text("mine")
    code, _, err = write("mine", "--out", "taken")
    assert code == 2
    assert "taken is a file" in err
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "-x", "x-", "_x", "x_", "a b", "a.b", "a/b", "..", "ä", "x\n", "'; x"])
def test_a_name_that_cannot_be_is_exit_2_and_said_as_it_was_received(write, tmp_path, name):
    code, out, err = write("--", name)
    assert (code, out) == (2, "")
    assert "letters, digits, '-' and '_'" in err
    assert repr(name) in err
    assert list(tmp_path.iterdir()) == []


def test_the_part_that_is_put_before_the_name_is_not_written_twice(write):
    code, _, err = write("headstart-mine")
    assert code == 2
    assert "write mine" in err


@pytest.mark.parametrize("name", ["digits", "Digits", "image-augmentations", "image_augmentations"])
def test_a_name_that_an_installed_plugin_has_is_exit_2(write, name):
    code, _, err = write(name)
    assert code == 2
    assert f"{name!r} is taken by the plugin" in err
    assert "of headstart 0." in err


def test_a_plugin_that_is_broken_or_of_another_distribution_takes_its_name_too(write, tmp_path, monkeypatch):
    site = tmp_path / "site"
    write_distribution(site, "other", "raise SystemExit(9)", distribution="Headstart_Broken", module="any_module")
    monkeypatch.syspath_prepend(site)
    for name in ("other", "broken"):
        code, _, err = write(name)
        assert code == 2
        assert f"{name!r} is taken by the plugin 'other' of headstart-broken 1.0" in err


@pytest.mark.parametrize("name", ["cli", "plugins"])
def test_a_module_of_headstart_itself_is_no_name_for_a_plugin(write, name):
    code, _, err = write(name)
    assert code == 2
    assert f"the module headstart_{name} is installed here" in err


def test_what_is_written_is_found_as_a_plugin_that_declares_one_offer_of_each_kind(write, tmp_path, monkeypatch):
    assert write("my-nets")[0] == 0
    folder = tmp_path / "headstart-my-nets"
    source = (folder / "headstart_my_nets" / "__init__.py").read_text(encoding="utf-8")
    write_distribution(tmp_path / "site", "my-nets", source, module="declared_alone")
    monkeypatch.syspath_prepend(tmp_path / "site")
    (plugin,) = (each for each in load_registry(allow=["my-nets"]).loaded)
    assert {kind: [spec.name for spec in specs] for kind, specs in plugin.specs.items()} == {
        "backbones": ["my-nets/steps"],
        "datasets": ["my-nets/arrays"],
        "augmentations": ["my-nets/turn"],
        "targets": ["my-nets/point"],
        "reporters": ["my-nets/table"],
    }
