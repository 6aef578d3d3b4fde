"""headstart init writes a recipe to start from, and never writes over one."""

from headstart.recipes.build import build_recipe
from headstart_cli.main import run_arguments


def test_a_recipe_is_written_that_can_be_read(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    assert run_arguments(["init", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert build_recipe(flags={}, file=path).problems == ()


def test_a_folder_gets_a_recipe_toml(tmp_path):
    assert run_arguments(["init", str(tmp_path)]) == 0
    assert (tmp_path / "recipe.toml").exists()


def test_without_a_path_it_goes_into_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_arguments(["init"]) == 0
    assert (tmp_path / "recipe.toml").exists()


def test_a_file_that_is_there_is_never_overwritten(tmp_path, capsys):
    path = tmp_path / "recipe.toml"
    path.write_text("mine")
    assert run_arguments(["init", str(path)]) == 2
    assert path.read_text() == "mine"
    assert "exists already" in capsys.readouterr().err


def test_a_folder_that_is_absent_is_exit_2(tmp_path, capsys):
    assert run_arguments(["init", str(tmp_path / "absent" / "recipe.toml")]) == 2
    assert "no such folder" in capsys.readouterr().err
