"""Runs on folders: the published head as it is, and fine-tuned."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    lines = [f"open the file {number},abrir o ficheiro {number}" for number in range(20)]
    path.write_text("\n".join(["text,translation", *lines]) + "\n", encoding="utf-8")
    return path


def trained(table, out, *, sets=(), **settings):
    from headstart.runs.fitting import fit

    return fit(
        str(table),
        out=str(out),
        task="translation/translation",
        strategy="full",
        learning_rate=3e-3,
        reporters=("json",),
        sets=("task.most=16", "task.beams=2", "input.max_tokens=32", *sets),
        **settings,
    )


@pytest.mark.parametrize("name", ["marian", pytest.param("t5", marks=pytest.mark.slow)])
def test_a_folder_goes_on_learning_with_its_own_decoder(name, whole_folder, table, tmp_path):
    from headstart.run import Run

    run = trained(table, tmp_path / "run", backbone=str(whole_folder(name)), epochs=1)
    assert run.recipe.head == "pretrained"
    assert np.isfinite(run.result["metrics"]["test"]["loss"])
    (answer,) = Run.load(run.path).predict(texts=["open the file"])
    assert isinstance(answer["translation"], str)


def exported(run, folder):
    """In a process of its own, which nobody told a backend."""
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    command = [sys.executable, "-m", "headstart_plugins.hf_seq2seq.export", str(run), str(folder)]
    subprocess.run(command, env=environment, check=True, capture_output=True, text=True)


def test_an_exported_folder_answers_what_the_run_does(table, tmp_path):
    """Ids are others, and padding has no share of what is likely."""
    from folder_models import Continues, read_model

    from headstart.engine.generation import generator
    from headstart.run import Run
    from headstart.specs import Search
    from headstart_plugins._pieces import NumberedPieces, Pieces

    sizes = ("layers=1", "width=32", "heads=2", "hidden=48")
    sets = [f"{part}.{each}" for part in ("backbone", "task") for each in sizes]
    sets += ["input.vocabulary=60", "task.vocabulary=60"]
    run = trained(table, tmp_path / "run", backbone="seq2seq/small", epochs=6, sets=sets)
    folder = tmp_path / "exported"
    exported(run.path, folder)
    model = read_model(folder)
    source, target = (NumberedPieces(Pieces(folder / f"{side}.spm"), folder / "vocab.json") for side in SIDES)
    search = Search(**{name: model.tokens[name] for name in ("start", "end", "pad", "banned")}, most=16, beams=2)
    for text, expected in zip(TEXTS, Run.load(run.path).predict(texts=TEXTS), strict=True):
        ids = np.array([[*source.encode([text])[0], source.end]], np.int32)
        found = generator(model.network, Continues(model.config, search))({"ids": ids, "mask": ids >= 0})
        assert expected["translation"]
        assert target.decode(found["tokens"][0].tolist()) == expected["translation"]
        assert found["score"][0] == pytest.approx(expected["score"], abs=0.05)
    with pytest.raises(subprocess.CalledProcessError) as raised:
        exported(folder / "nothing", folder / "there")
    assert raised.value.returncode == 2
    assert raised.value.stderr.startswith("error: no artefact at")
    assert "Traceback" not in raised.value.stderr


SIDES = ("source", "target")
TEXTS = ["open the file 3", "open the file 17"]
