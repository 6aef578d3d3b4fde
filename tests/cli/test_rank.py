"""`headstart rank` as a user meets it."""

import io
import json

import pytest
from rich.console import Console

from headstart.registry import load_registry
from headstart.transfer.ranking.candidates import Absent, named_candidate
from headstart.transfer.ranking.jobs import Ranking
from headstart.transfer.ranking.rows import Found, Row
from headstart_cli.main import run_arguments
from headstart_cli.rank import _cells, _show, _table, _width

SLOW_ON_JAX = True
SMALL = ("digits", "--backbone", "small/net", "--limit", "90")


@pytest.mark.backend
@pytest.mark.usefixtures("small_plugin")
def test_it_prints_one_document_and_trains_what_it_recommends(backend, tmp_path, capsys):
    out = tmp_path / "ranking"
    flags = ("--backend", backend, "--out", str(out), "--set", "strategy=probe", "--set", 'reporters=["json"]')
    assert run_arguments(["rank", *SMALL, *flags, "--then-fit", "--json"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)

    assert document["recommended"] == "small/net"
    (row,) = document["rows"]
    assert row["scores"]["probe"]["value"] == row["probe"]
    low, high = row["scores"]["probe"]["ci95"]
    assert low < row["probe"] < high
    assert document["samples"] == {"train": 58, "val": 14, "test": 18}
    assert document["run"]["samples"] == document["samples"]
    assert document["run"]["run"] == str(out / "run")
    assert sorted(path.name for path in out.iterdir()) == ["ranking.html", "ranking.json", "ranking.png", "run"]
    assert "small/net: probe" in printed.err


@pytest.mark.backend
@pytest.mark.usefixtures("small_plugin")
def test_the_table_says_what_to_take_and_what_is_not_here(backend, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_arguments(["rank", *SMALL, "--backend", backend, "--by", "knn"]) == 0
    said = capsys.readouterr().out

    assert "* small/net" in said
    assert "knn (95 %)" in said
    (blind,) = (line for line in said.splitlines() if "always the commonest class" in line)
    assert "0.111" in blind  # 8 of 72
    assert "knn:         what the nearest neighbours" in said
    assert "(accuracy, or R squared; higher is better)" in said
    assert "recommended: --backbone small/net" in said
    assert "looked at:   72 records of train and val; the 18 of test were not" in said
    assert "report:      runs/ranking-digits/ranking.html" in said
    assert (tmp_path / "runs" / "ranking-digits" / "ranking.html").is_file()


def test_names_are_whole_in_a_terminal_of_80_columns():
    registry, found = load_registry(), Found(0.862, (0.801, 0.907))
    rows = [
        Row(named_candidate(name, registry), 10, 1234.5, "native", {"probe": found, "knn": found})
        for name in ("efficientnet_lite/lite0", "mobilenet_v2/imagenet")
    ]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(_table(*_cells(rows, "probe", rows[0], _width(80))))
    said = console.export_text()
    assert "* efficientnet_lite/lite0  0.862" in said
    assert "3.4 M" in said


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("no-such-data",), 2, "no-such-data"),
        (("digits", "--backbone", "no/such"), 2, "no/such"),
        (("digits", "--backbone", "hf_text/all_minilm_l6"), 2, "hf_text"),
    ],
)
def test_what_cannot_be_ranked_is_refused_by_name(headstart, tmp_path, flags, code, said):
    done = headstart("rank", *flags, "--out", tmp_path / "out")
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_named_weights_that_are_not_here_have_a_next_step_that_this_verb_has(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    lines = [f"sentence {number},{('good', 'bad')[number % 2]}" for number in range(40)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *lines, ""]))
    assert run_arguments(["rank", "texts.csv", "--backbone", "hf_text/multilingual_e5_small"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "`headstart weights get hf_text/multilingual_e5_small`" in said
    assert "or rank it from random ones as --backbone hf_text/multilingual_e5_small:none" in said
    assert "--weights" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["texts.csv"]


def test_the_table_lists_what_is_left_out_and_why(capsys):
    """A run that is broken, and a network that the backend refuses, have no command that brings them."""
    registry = load_registry()
    absent = (Absent("some/net", "not here", "headstart weights get some/net"), Absent("runs/broken", "it is damaged"))
    by = registry.get("scores", "probe")
    samples = {"train": 5, "val": 2, "test": 3}
    _show(Ranking("made", "torch", "classification", by, (by,), (), absent, samples, None, "none", None), "page.html")
    said = capsys.readouterr().out
    assert "not here:    some/net; `headstart weights get NAME` brings one" in said
    assert "left out:    runs/broken: it is damaged" in said


def test_a_folder_that_holds_other_things_is_left_alone(headstart, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    done = headstart("rank", "digits", "--out", tmp_path)
    assert done.returncode == 2
    assert "holds other things than a ranking" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
