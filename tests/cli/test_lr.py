"""`headstart lr` as a user meets it."""

import json
from pathlib import Path

import pytest

from headstart_cli.main import run_arguments

SLOW_ON_JAX = True
SMALL = ("digits", "--backbone", "small/net", "--weights", "none", "--limit", "200", "--strategy", "full")


@pytest.mark.backend
@pytest.mark.usefixtures("small_plugin")
def test_it_prints_one_document_and_writes_the_plot_where_it_says(backend, tmp_path, capsys):
    steps = ("--from", "1e-5", "--to", "1", "--steps", "30")
    arguments = ("lr", *SMALL, "--backend", backend, *steps, "--json", "--out", str(tmp_path / "plots"))
    assert run_arguments([*arguments]) == 0
    document = json.loads(capsys.readouterr().out)

    assert Path(document["plot"]) == tmp_path / "plots" / "lr.png"
    assert (tmp_path / "plots" / "lr.png").read_bytes().startswith(b"\x89PNG")
    assert document["points"][0]["rate"] == pytest.approx(1e-5)
    assert document["setting"] == "--learning-rate"
    assert [path.name for path in tmp_path.iterdir()] == ["plots"]


@pytest.mark.slow
def test_without_json_the_suggestion_stands_beside_the_recipes_own_rate(headstart, small_plugin, tmp_path):
    done = headstart(
        *("lr", *SMALL, "--backend", "torch", "--learning-rate", "0.0125", "--steps", "20"),
        *("--out", tmp_path / "mine.png"),
        PYTHONPATH=str(small_plugin),
    )
    assert done.returncode == 0, done.stderr
    assert "the suggestion" in done.stdout
    assert "--learning-rate (peak rate)" in done.stdout
    assert "0.013" in done.stdout
    assert (tmp_path / "mine.png").is_file()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--from", "1", "--to", "1e-3"), "cannot rise from --from 1 to --to 0.001"),
        (("--from", "0"), "cannot rise from --from 0"),
        (("--to", "10"), "less than or equal to 1"),
        (("--steps", "3"), "--steps 3 are too few"),
    ],
)
def test_a_range_that_is_none_is_refused_before_anything_is_read(headstart, flags, said):
    done = headstart("lr", "no-such-data", *flags)
    assert done.returncode == 2
    assert said in done.stderr
