"""plugins, doctor and --help work whatever is installed, and say what is wrong with it."""

import json

import pytest

from headstart.testing import write_distribution
from headstart_cli.main import run_arguments


@pytest.fixture
def broken(tmp_path, monkeypatch):
    write_distribution(tmp_path, "broken", "print('hello')\nraise SystemExit(9)", version="0.3")
    monkeypatch.syspath_prepend(tmp_path)


def read(capsys, *arguments):
    assert run_arguments([*arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("broken")
def test_a_broken_plugin_is_listed_with_its_version_and_error(capsys):
    listed = {plugin["name"]: plugin for plugin in json.loads(read(capsys, "plugins", "--json"))}
    assert listed["broken"]["version"] == "0.3"
    assert listed["broken"]["error"] == "SystemExit: 9"
    assert listed["strategies"]["error"] is None
    assert listed["strategies"]["hooks"] == ["register_strategies"]
    assert "FAILED: SystemExit: 9" in read(capsys, "plugins")


@pytest.mark.usefixtures("broken")
def test_a_disabled_plugin_is_listed_as_such(capsys):
    plugins = json.loads(read(capsys, "plugins", "--json", "--disable-plugin", "broken"))
    assert [(each["disabled"], each["error"]) for each in plugins if each["name"] == "broken"] == [(True, None)]


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("arguments", [["--help"], ["plugins"], ["doctor"], ["datasets", "--json"]])
def test_everything_else_works_beside_a_broken_plugin(capsys, arguments):
    assert run_arguments(arguments) == 0


@pytest.mark.usefixtures("broken")
def test_a_name_of_the_broken_plugin_is_exit_5(capsys):
    assert run_arguments(["backbones", "broken/net"]) == 5
    assert "headstart-broken 0.3" in capsys.readouterr().err


def test_disabling_a_plugin_that_is_not_there_is_exit_2(capsys):
    assert run_arguments(["plugins", "--disable-plugin", "strategis"]) == 2
    assert "did you mean strategies?" in capsys.readouterr().err


@pytest.mark.usefixtures("broken")
def test_doctor_says_what_is_there_what_is_taken_and_what_to_do(capsys, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    found = json.loads(read(capsys, "doctor", "--json"))
    assert found["packages"]["keras"].startswith("3.")
    assert found["backend"]["chosen"]["name"] in found["backend"]["installed"]
    assert found["backend"]["chosen"]["origin"]
    assert found["store"]["path"]
    assert any("broken" in advice for advice in found["advice"])


def test_doctor_works_without_any_backend(capsys, monkeypatch):
    monkeypatch.setattr("headstart.backend.installed_backends", lambda: ())
    found = json.loads(read(capsys, "doctor", "--json"))
    assert found["backend"]["chosen"] is None
    assert any("headstart[torch]" in advice for advice in found["advice"])
    assert "no backend is installed" in read(capsys, "doctor")


def test_doctor_explains_a_variable_that_names_no_backend(capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert "unknown backend 'tensorflow' (variable KERAS_BACKEND)" in read(capsys, "doctor")
