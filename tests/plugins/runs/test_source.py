"""Which folders are runs, and what is said of those that cannot be started from. No framework is needed for that."""

import json

import pytest

from headstart.errors import DataError, PluginError, UsageError
from headstart.registry import load_registry
from headstart_plugins.runs._source import resolve


@pytest.fixture(scope="module")
def registry():
    return load_registry()


def write(path, text="{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_run(folder, *, schema="run/2"):
    """A run that began: nothing else is needed for it to say that it did not finish."""
    write(folder / "recipe.toml", f'schema = "{schema}"\n[fit]\ndata = "digits"\n')
    write(folder / "events.jsonl", "")


def test_other_folders_and_files_mean_nothing_to_it(registry, tmp_path):
    write(tmp_path / "preset" / "config.json")
    write(tmp_path / "cached" / "manifest.json", json.dumps({"schema": "cache/1"}))
    write(tmp_path / "damaged" / "manifest.json", "{")
    write(tmp_path / "recipes" / "recipe.toml", "")
    for each in (*tmp_path.iterdir(), tmp_path / "recipes" / "recipe.toml", tmp_path / "absent"):
        assert resolve(str(each), registry) is None


def test_a_run_that_did_not_finish_says_how_to_go_on(registry, tmp_path):
    run = tmp_path / "half"
    write_run(run)
    with pytest.raises(UsageError, match="half is a run that did not finish") as caught:
        registry.resolve_backbone(str(run))
    assert caught.value.hint == f"go on with `headstart fit --resume --out {run}`"
    write(run / "artefact" / "manifest.json", json.dumps({"schema": "artefact/2"}))
    with pytest.raises(UsageError, match="did not finish"):  # its artefact was not evaluated yet
        registry.resolve_backbone(str(run))


def test_a_run_of_an_earlier_form_says_who_reads_it(registry, tmp_path):
    write_run(tmp_path, schema="run/1")
    (tmp_path / "recipe.toml").write_text('[fit]\ndata = "digits"\n')
    with pytest.raises(PluginError, match="is a run of an earlier form") as caught:
        registry.resolve_backbone(str(tmp_path))
    assert "headstart 0.1 reads it" in caught.value.hint
    write(tmp_path / "artefact" / "manifest.json", json.dumps({"schema": "artefact/1", "files": {}}))
    with pytest.raises(PluginError, match="has schema 'artefact/1'"):
        registry.resolve_backbone(str(tmp_path / "artefact"))


def test_an_artefact_that_was_altered_is_not_started_from(registry, tmp_path):
    write(tmp_path / "manifest.json", json.dumps({"schema": "artefact/2", "files": {"weights.safetensors": {}}}))
    with pytest.raises(DataError, match="does not match its manifest"):
        registry.resolve_backbone(str(tmp_path))


def test_a_run_that_is_not_there_is_told_as_one(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no such run: runs/absent"):
        registry.resolve_backbone("runs/absent")
