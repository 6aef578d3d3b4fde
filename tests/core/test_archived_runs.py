"""A run on an archive of pictures is the run on the folder: the same keys, so the same split and the same answers."""

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="module")
def zipped(finished, tmp_path_factory):
    """The pictures of the finished run as a zip of their folder."""
    base = tmp_path_factory.mktemp("zipped") / "pictures"
    return Path(shutil.make_archive(str(base), "zip", finished.pictures.parent, finished.pictures.name))


def test_a_run_on_a_zip_has_the_split_and_the_answers_of_the_run_on_its_folder(
    finished, zipped, tmp_path, small_registry, settings
):
    from headstart.runs.fitting import fit

    run = fit(str(zipped), out=str(tmp_path / "run"), registry=small_registry, **settings)
    for name in ("split.csv", "predictions.csv"):
        assert (run.path / name).read_text() == (finished.run.path / name).read_text()
    assert run.evaluate().document["metrics"] == finished.run.evaluate().document["metrics"]


def test_predict_answers_the_pictures_in_an_archive_by_their_paths_in_it(finished, zipped):
    of_files = finished.run.predict([finished.pictures])
    of_members = finished.run.predict([zipped])
    for file, member in zip(of_files, of_members, strict=True):
        assert Path(file.pop("input")).relative_to(finished.pictures).as_posix() == member.pop("input")
        assert file == member


def test_predict_answers_the_pictures_in_parquet_files_of_a_folder(finished, tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    files = sorted(finished.pictures.rglob("*.png"))[:3]
    (tmp_path / "hub" / "data").mkdir(parents=True)
    table = arrow.table({"image": [file.read_bytes() for file in files]})
    parquet.write_table(table, tmp_path / "hub" / "data" / "test-00000-of-00001.parquet")
    answers = finished.run.predict([tmp_path / "hub"])
    assert [each["input"] for each in answers] == [f"data/test-00000-of-00001.parquet/row-00000{n}" for n in (1, 2, 3)]
    assert [each["confidence"] for each in answers] == [each["confidence"] for each in finished.run.predict(files)]


def test_evaluate_scores_an_archive_as_other_data(finished, zipped):
    of_folder = finished.run.evaluate(str(finished.pictures)).document
    of_archive = finished.run.evaluate(str(zipped)).document
    assert of_archive["samples"] == {"test": 60}
    assert of_archive["metrics"] == of_folder["metrics"]
