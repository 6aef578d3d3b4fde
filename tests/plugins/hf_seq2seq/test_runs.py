"""Runs on folders: the published head as it is, and fine-tuned."""

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


@pytest.mark.parametrize("name", ["marian", pytest.param("t5", marks=pytest.mark.slow)])
def test_a_folder_goes_on_learning_with_its_own_decoder(name, whole_folder, table, tmp_path):
    from headstart.run import Run
    from headstart.runs.fitting import fit

    run = fit(
        str(table),
        out=str(tmp_path / "run"),
        backbone=str(whole_folder(name)),
        head="pretrained",
        task="translation/translation",
        strategy="full",
        epochs=1,
        learning_rate=1e-3,
        reporters=("json",),
        sets=("task.most=16", "task.beams=2", "input.max_tokens=32"),
    )
    assert np.isfinite(run.result["metrics"]["test"]["loss"])
    (answer,) = Run.load(run.path).predict(texts=["open the file"])
    assert isinstance(answer["translation"], str)
