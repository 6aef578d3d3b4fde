"""The reporter on real runs on texts: of classes, of labels, of numbers, without a test side; and on pictures."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

from headstart.run import Run

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

GOOD = ("fine", "lovely", "superb")


def is_good(word):
    return "good" if word in GOOD else "bad"


def document(run):
    return json.loads((run.path / "report" / "attributions.json").read_text("utf-8"))


def page(run):
    return (run.path / "report" / "attributions.html").read_text("utf-8")


def is_sound(sample):
    values = np.array(sample["attributions"])
    assert len(values) == len(sample["tokens"])
    assert values[0] == values[-1] == 0.0  # [CLS] and [SEP] are those of the baseline
    assert np.abs(values).max() > 0
    assert sample["relative_error"] < 0.01
    change = sample["output"] - sample["baseline_output"]
    assert values.sum() == pytest.approx(change + sample["error"], abs=1e-4 * np.abs(values).max())


@pytest.fixture(scope="module")
def classes(fitted):
    return fitted("classes", is_good)


def test_a_run_of_classes_has_its_answers_explained(classes):
    told = document(classes)
    assert told["why_none"] is None
    assert told["split"] == "test"
    assert 0 < len(told["samples"]) <= 7
    for sample in told["samples"]:
        is_sound(sample)
        assert sample["tokens"][0] == "[CLS]"
        assert sample["explains"] == sample["prediction"]
        assert (sample["miss"] == 1.0) == (sample["prediction"] != sample["target"])


def test_the_explained_output_is_what_the_model_answers(classes):
    """The logit of the predicted class is that which the probability comes from, with the calibrated temperature."""
    told = document(classes)["samples"][0]
    run = Run.load(classes.path)
    payloads = {record.key: record.payload for record in run.data.open_records().items}
    logits = run.artefact.predictor.outputs([payloads[told["key"]]])["logits"][0]
    assert told["output"] == pytest.approx(logits.max(), abs=1e-4)


def test_the_page_shows_words_and_obeys_none_of_them(classes):
    shown = page(classes)
    assert "<b>" not in shown.split("<main>")[1]
    assert "&lt;b&gt;" in shown
    assert "<script" not in shown
    assert not re.search(r"(src|href)=", shown)
    assert 'class="for"' in shown
    assert 'class="against"' in shown


def test_drawn_again_it_is_the_same(classes):
    before = document(classes), page(classes)
    for name in ("attributions.html", "attributions.json"):
        (classes.path / "report" / name).unlink()
    assert Run.load(classes.path).report(["attributions"]) == []
    assert (document(classes), page(classes)) == before


def test_a_run_of_labels_explains_the_most_probable_one(fitted):
    run = fitted("labels", lambda word: "|".join([is_good(word), *(["short"] if len(word) < 5 else [])]))
    told = document(run)
    assert told["why_none"] is None
    with (run.path / "predictions.csv").open() as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    for sample in told["samples"]:
        is_sound(sample)
        shares = {name[2:]: float(share) for name, share in rows[sample["key"]].items() if name.startswith("p:")}
        assert sample["explains"] == max(shares, key=shares.get)


def test_a_run_of_numbers_explains_those_that_miss_most_and_least(fitted):
    run = fitted("numbers", lambda word: f"{len(word) + 0.25 * (word in GOOD)}", task="regression")
    told = document(run)
    assert told["why_none"] is None
    assert len(told["samples"]) == 7
    misses = [sample["miss"] for sample in told["samples"]]
    assert misses[:3] == sorted(misses[:3], reverse=True)
    assert misses[3:] == sorted(misses[3:])
    assert min(misses[:3]) >= max(misses[3:])
    for sample in told["samples"]:
        is_sound(sample)
        assert sample["explains"] is None
        assert sample["confidence"] is None
        # in the unit of the data: what is explained is the number that the run answered
        assert sample["output"] == pytest.approx(float(sample["prediction"]), abs=1e-3)


def test_a_run_without_a_test_side_explains_its_answers_on_val(fitted):
    tuned = {"strategy": "lp_ft", "epochs": 1}
    told = document(fitted("untested", is_good, "split.test=0", **tuned))
    assert told["split"] == "val"
    assert told["samples"]
    for sample in told["samples"]:
        is_sound(sample)


def test_a_run_that_learned_from_all_its_samples_has_no_answers_to_explain(fitted):
    """A probe without a test side is solved again on train and val."""
    told = document(fitted("refitted", is_good, "split.test=0"))
    assert told["samples"] == []
    assert told["why_none"] == "predictions.csv has no answers on val"


def test_where_the_data_is_gone_the_page_says_so(classes, tmp_path):
    copied = shutil.copytree(classes.path, tmp_path / "run")
    recipe = (copied / "recipe.toml").read_text()
    (copied / "recipe.toml").write_text(recipe.replace("texts.csv", "gone.csv"))
    assert Run.load(copied).report(["attributions"]) == []
    told = json.loads((copied / "report" / "attributions.json").read_text())
    assert told["samples"] == []
    assert "data is not at hand" in told["why_none"]


def test_a_table_that_was_edited_since_does_not_lend_its_texts_to_others(classes, tmp_path):
    """Its rows have other numbers now: no text is shown beside the answer to another one."""
    copied = shutil.copytree(classes.path, tmp_path / "run")
    before = (classes.path.parent / "texts.csv").read_text()
    head, *rows = before.splitlines(keepends=True)
    (tmp_path / "texts.csv").write_text(head + "a new day;good\n" + "".join(rows))
    recipe = (copied / "recipe.toml").read_text()
    (copied / "recipe.toml").write_text(recipe.replace(str(classes.path.parent), str(tmp_path)))
    assert Run.load(copied).report(["attributions"]) == []
    told = json.loads((copied / "report" / "attributions.json").read_text())
    assert told["samples"] == []
    assert "has changed" in told["why_none"]
    (tmp_path / "texts.csv").write_text(before)
    assert Run.load(copied).report(["attributions"]) == []
    assert json.loads((copied / "report" / "attributions.json").read_text())["samples"]


def test_a_run_on_pictures_is_told_that_it_has_no_tokens(tmp_path, small_registry):
    from headstart.runs.fitting import fit

    run = fit(
        "digits",
        out=str(tmp_path / "run"),
        backbone="small/net",
        weights="none",
        strategy="probe",
        reporters=("attributions",),
        limit=60,
        registry=small_registry,
    )
    told = document(run)
    assert told["samples"] == []
    assert "attributions need tokens" in told["why_none"]
    assert "attributions need tokens" in page(run)


def test_options_of_a_report_are_given_when_it_is_drawn_again(classes, tmp_path, capsys):
    from headstart_cli.main import run_arguments

    copied = str(shutil.copytree(classes.path, tmp_path / "run"))
    command = ["report", copied, "--reporter", "attributions", "--set"]
    before = document(classes)
    assert run_arguments([*command, "reporter.attributions.steps=4", "--set", "reporter.attributions.right=1"]) == 0
    told = json.loads((tmp_path / "run" / "report" / "attributions.json").read_text())
    assert told["steps"] == 4
    assert sum(sample["miss"] == 0.0 for sample in told["samples"]) == 1
    error = told["samples"][0]["relative_error"]
    assert error > before["samples"][0]["relative_error"]
    assert run_arguments([*command, "epochs=3"]) == 2
    assert "a report takes settings of reporters alone" in capsys.readouterr().err
    assert run_arguments([*command, "reporter.attributions.stepz=3"]) == 2
    assert "did you mean steps?" in capsys.readouterr().err
    assert run_arguments([*command, "reporter.html.mistakes=3"]) == 2
    assert "add --reporter html" in capsys.readouterr().err
