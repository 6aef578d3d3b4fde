"""Whole runs: what they leave, that they repeat to the bit, and what their folder can do afterwards."""

import csv
import hashlib
import json
from xml.etree import ElementTree

import numpy as np
import pytest

from headstart.errors import DataError, HeadstartError, PluginError, UsageError, WrongWeightsError
from headstart.eventlog import read_events
from headstart.events import Noted, PhaseDone, RunFinished, RunStarted
from headstart.run import Run
from headstart.runs.fitting import fit

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

CONTRACT = {
    "run", "backend", "task", "backbone", "strategy", "primary_metric", "higher_is_better", "classes", "samples",
    "metrics", "intervals", "baseline", "parameters", "resumed", "seconds", "warnings", "notes",
}  # fmt: skip


def rows_of(run):
    return list(csv.DictReader((run.path / "predictions.csv").open(encoding="utf-8")))


def test_the_folder_and_the_result_hold_what_the_contract_promises(finished, backend):
    run = finished.run
    left = {path.name for path in run.path.iterdir()}
    assert left == {
        "recipe.toml", "split.csv", "events.jsonl", "checkpoints", "artefact", "predictions.csv", "result.json",
        "report", "environment.json",
    }  # fmt: skip
    assert set(run.result) >= CONTRACT
    assert run.result["backend"] == backend
    assert run.result["samples"] == {"train": 38, "val": 10, "test": 12}
    assert set(run.result["metrics"]["test"]) >= {"accuracy", "macro_f1", "balanced_accuracy", "loss"}
    assert run.result["phases"][-1]["best_epoch"] > 0  # or the start was kept, and nothing here tests training
    assert set(run.result["seconds"]) == {"total", "features", "train", "evaluate"}
    assert run.result["metrics"]["test"]["accuracy"] > run.result["baseline"]["majority_accuracy"]
    assert set(run.result["parameters"]) == {"total", "trainable"}
    json.loads((run.path / "result.json").read_text(), parse_constant=lambda text: pytest.fail(text))


def test_its_events_tell_the_run_from_start_to_result(finished):
    events = read_events(finished.run.path / "events.jsonl")
    (started,) = (event for event in events if isinstance(event, RunStarted))
    phases = [event.phase for event in events if isinstance(event, PhaseDone)]

    assert list(started.phases) == phases == ["probe", "fine_tune"]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].result == finished.run.result


def test_test_metrics_are_those_of_the_written_predictions(finished):
    rows = [row for row in rows_of(finished.run) if row["split"] == "test"]
    right = sum(row["prediction"] == row["target"] for row in rows)

    assert len(rows) == 12
    assert right / len(rows) == pytest.approx(finished.run.result["metrics"]["test"]["accuracy"])


def test_evaluate_finds_the_same_test_metrics_again(finished):
    document = finished.run.evaluate().document

    assert document["metrics"]["test"] == finished.run.result["metrics"]["test"]
    assert document["intervals"]["test"] == finished.run.result["intervals"]["test"]
    assert document["samples"] == {"test": 12}


def test_evaluate_scores_any_split_or_all_and_writes_predictions(finished, tmp_path):
    evaluation = finished.run.evaluate(split="all", predictions=tmp_path / "all.csv")

    assert evaluation.document["samples"] == {"train": 38, "val": 10, "test": 12}
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 61
    assert evaluation.document["metrics"]["val"] == finished.run.result["metrics"]["val"]
    with pytest.raises(UsageError, match="unknown split 'half'"):
        finished.run.evaluate(split="half")


@pytest.fixture
def own(finished, tmp_path, pictures_of, monkeypatch):
    """The run in a copy that reads its own copy of the pictures."""
    pictures = pictures_of(tmp_path / "pictures")
    run = finished.copied(tmp_path / "run")
    recipe = run.path / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(finished.pictures), str(pictures)))
    return run, pictures


def test_a_file_that_changed_since_the_run_is_named(own):
    run, pictures = own
    key = next(row["key"] for row in rows_of(run) if row["split"] == "test")
    other = next(path for path in pictures.rglob("*.png") if path != pictures / key)
    (pictures / key).write_bytes(other.read_bytes())
    with pytest.raises(DataError, match=f"{key} has changed since the run"):
        run.evaluate()


def test_a_file_that_is_gone_is_named(own):
    run, pictures = own
    key = next(row["key"] for row in rows_of(run) if row["split"] == "test")
    (pictures / key).unlink()
    with pytest.raises(DataError, match=f"{key} was in the run's data"):
        run.evaluate()


def test_other_data_is_matched_by_the_names_of_its_classes(finished, tmp_path, pictures_of):
    """Fewer classes, so that their numbers would differ: 1 and 2 would be 0 and 1."""
    other = pictures_of(tmp_path / "other", classes=("1", "2"), each=15)
    evaluation = finished.run.evaluate(f"image_folder:{other}", predictions=tmp_path / "other.csv")

    assert evaluation.document["samples"] == {"test": 30}
    support = {name: each["support"] for name, each in evaluation.document["report"]["test"]["per_class"].items()}
    assert support == {"0": 0, "1": 15, "2": 15}
    rows = list(csv.DictReader((tmp_path / "other.csv").open()))
    right = sum(row["prediction"] == row["target"] for row in rows)
    assert evaluation.document["metrics"]["test"]["accuracy"] == pytest.approx(right / 30)
    assert right > 15


def test_what_is_to_be_said_of_other_data_comes_with_its_scores(finished, tmp_path, pictures_of, capsys):
    from PIL import Image

    from headstart_cli.runs import evaluate

    other = pictures_of(tmp_path / "other", classes=("1", "2"), each=3)
    Image.new("CMYK", (16, 16), (10, 200, 30, 0)).save(other / "1" / "print.jpg")
    Image.fromarray(np.full((16, 16), 99, np.uint16)).save(other / "2" / "deep.png")
    evaluate(finished.run.path, str(other))

    told = capsys.readouterr().err
    assert "note: 1 sample converted from CMYK\n" in told
    assert "warning: the one sample of 16 bits is nearly black, in the lowest 1/16 of the range" in told


def test_samples_that_the_run_learned_from_are_counted_in_other_data(finished, tmp_path, pictures_of):
    (told,) = finished.run.evaluate(f"image_folder:{finished.pictures}").document["warnings"]
    assert told.startswith("48 of 60 samples are among those that the run was trained or chosen on")

    other = pictures_of(tmp_path / "other", classes=("3", "4"), each=3, names={"3": "1", "4": "2"})
    assert finished.run.evaluate(f"image_folder:{other}").document["warnings"] == []


@pytest.mark.slow
def test_other_data_of_the_same_kind_is_read_as_the_run_read_its_own(tmp_path, small_registry, settings, pictures_of):
    pictures = tmp_path / "pictures"
    pictures_of(pictures / "odd", classes=("1", "3"))
    pictures_of(pictures / "even", classes=("0", "2"))
    settings |= {"epochs": 1, "sets": ("dataset.nested=true",)}
    run = fit(f"image_folder:{pictures}", out=str(tmp_path / "run"), registry=small_registry, **settings)

    assert run.result["classes"] == ["even/0", "even/2", "odd/1", "odd/3"]
    assert run.evaluate(f"image_folder:{pictures}").document["samples"] == {"test": 80}


@pytest.mark.slow
def test_a_run_is_evaluated_though_the_weights_file_it_started_from_is_gone(
    finished, tmp_path, small_registry, settings
):
    from headstart.weights.files import read_safetensors, write_safetensors

    arrays = read_safetensors(finished.run.path / "artefact" / "weights.safetensors")
    start = tmp_path / "start.safetensors"
    write_safetensors(start, {name: array for name, array in arrays.items() if not name.startswith("head/")})
    settings |= {"weights": str(start), "epochs": 1}
    data = f"image_folder:{finished.pictures}"
    run = fit(data, out=str(tmp_path / "run"), registry=small_registry, **settings)
    start.unlink()

    assert run.evaluate().document["metrics"]["test"] == run.result["metrics"]["test"]


def test_weights_that_are_not_finite_are_named_and_no_engine_is_blamed(finished, settings, tmp_path):
    from headstart.weights.files import read_safetensors, write_safetensors

    arrays = read_safetensors(finished.run.path / "artefact" / "weights.safetensors")
    backbone = {name: array for name, array in arrays.items() if not name.startswith("head/")}
    backbone["low/0/kernel"] = (
        np.where(np.arange(backbone["low/0/kernel"].size) == 5, np.nan, 1.0)
        .astype(np.float32)
        .reshape(backbone["low/0/kernel"].shape)
    )
    write_safetensors(tmp_path / "mine.safetensors", backbone)
    asked = {**settings, "weights": str(tmp_path / "mine.safetensors"), "out": str(tmp_path / "run")}
    with pytest.raises(WrongWeightsError, match=r"mine\.safetensors: low/0/kernel holds values that are not finite"):
        fit(f"image_folder:{finished.pictures}", registry=finished.run.registry, **asked)


def test_a_class_whose_name_no_file_can_hold_is_refused_before_training(
    tmp_path, small_registry, settings, pictures_of
):
    import os

    pictures = pictures_of(tmp_path / "pictures")
    try:
        os.rename(pictures / "2", os.fsencode(pictures) + b"/caf\xe9")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DataError, match=r"caf\\udce9' is not valid UTF-8"):
        fit(f"image_folder:{pictures}", out=str(tmp_path / "run"), registry=small_registry, **settings)
    assert not (tmp_path / "run").exists()


def test_what_is_left_out_of_other_data_is_told(finished, tmp_path, pictures_of):
    other = pictures_of(tmp_path / "other", each=40)
    (other / "1" / "bad.png").write_bytes(b"no picture")
    document = finished.run.evaluate(f"image_folder:{other}").document
    assert document["samples"] == {"test": 120}
    warning, learned_from = document["warnings"]
    assert learned_from.startswith("48 of 120 samples")
    assert warning.startswith("1 left out: ")
    assert "bad.png" in warning


@pytest.mark.slow
def test_names_that_are_no_utf_8_are_in_every_file_of_a_run_and_found_again(
    tmp_path, small_registry, settings, pictures_of
):
    """That of the data's folder and those of all pictures: kept where we read them again, escaped elsewhere."""
    import os

    pictures = pictures_of(tmp_path / "pictures")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9ja")
    try:
        os.rename(pictures, odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    for path in sorted(type(tmp_path)(odd).rglob("*.png")):
        path.rename(path.with_name(f"caf\udce9{path.name}"))
    settings |= {"epochs": 1, "reporters": ("json", "html", "curves")}
    run = fit(f"image_folder:{odd}", out=str(tmp_path / "run"), registry=small_registry, **settings)

    assert run.recipe.data.endswith("/d\udce9ja")
    assert not [warning for warning in run.result["warnings"] if "switched off" in warning]
    report = (run.path / "report" / "report.html").read_text("utf-8")
    assert "d\\udce9ja" in report
    for name in ("result.json", "events.jsonl", "report/report.json"):
        (run.path / name).read_text("utf-8")
    keys = {row["key"] for row in csv.DictReader((run.path / "predictions.csv").open(errors="surrogateescape"))}
    assert all("/caf\udce9" in key for key in keys)
    assert run.evaluate().document["metrics"]["test"] == run.result["metrics"]["test"]
    (run.path / "report" / "report.html").unlink()
    assert Run.load(run.path, registry=small_registry).report(["html"]) == []
    assert (run.path / "report" / "report.html").read_text("utf-8") == report


def test_public_objects_are_shown_in_a_line_and_in_notebooks_as_a_small_table(finished, tmp_path):
    run = finished.copied(tmp_path / "<b>run")
    accuracy = run.result["metrics"]["test"]["accuracy"]
    wanted = [
        (run, (str(run.path), "small/net", "classification", f"test_accuracy={accuracy!r}")),
        (run.artefact, (str(run.artefact.path), "small/net", "classification/classification", "linear")),
        (run.artefact.predictor, ("ImageKind", "Classification", "(16, 16, 3)")),
        (run.recipe, ("image_folder:", "small/net", "learning_rate=0.003")),
        (run.registry, ("plugins=", "backbones=", "failed=")),
        (run.evaluate(), (str(run.path), "samples={'test': 12}", f"test_accuracy={accuracy!r}")),
    ]
    for shown, words in wanted:
        line, table = repr(shown), shown._repr_html_()
        assert line.startswith(f"{type(shown).__name__}(")
        assert "\n" not in line
        assert all(word in line for word in words), line
        assert len(line) < 1000
        assert len(table) < (20_000 if shown is run else 5000)
        ElementTree.fromstring(table)  # well-formed, so that no value is taken for a tag
    assert "&lt;b&gt;run" in run._repr_html_()


def test_a_notebook_shows_how_a_run_learned_and_its_test_metrics_with_their_intervals(finished):
    table = ElementTree.fromstring(finished.run._repr_html_())
    low, high = finished.run.result["intervals"]["test"]["accuracy"]
    assert f"95 % interval {low:.4f} to {high:.4f}" in "".join(table.itertext())
    (picture,) = table.iter("{http://www.w3.org/2000/svg}svg")
    texts = {each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"accuracy", "loss", "probe", "fine tune", "train", "val", "kept"} <= texts


@pytest.mark.parametrize("content", [None, b"{", b'{"event": "EpochDone"}\n', b"\xff\n"])
def test_a_run_without_a_sound_history_shows_what_there_is(finished, tmp_path, content):
    run = finished.copied(tmp_path / "run")
    (run.path / "events.jsonl").unlink()
    if content is not None:
        (run.path / "events.jsonl").write_bytes(content)
    table = run._repr_html_()
    assert "svg" not in table
    assert "95 % interval" in table


def test_a_run_that_did_not_finish_shows_how_far_it_came(finished, tmp_path):
    run = finished.copied(tmp_path / "run")
    (run.path / "result.json").unlink()
    history = (run.path / "events.jsonl").read_text().splitlines(keepends=True)
    (run.path / "events.jsonl").write_text("".join(history[:-1]))
    table = Run(run.path, run.registry)._repr_html_()
    assert "svg" in table
    assert "interval" not in table


def test_a_run_whose_result_is_damaged_is_shown_all_the_same(finished, tmp_path):
    run = finished.copied(tmp_path / "run")
    (run.path / "result.json").write_text("{")
    assert repr(Run.load(run.path, registry=run.registry)) == f"Run(path={str(run.path)!r})"


def test_other_data_may_have_one_class(finished, tmp_path, pictures_of):
    other = pictures_of(tmp_path / "other", classes=("2",), each=5)
    assert finished.run.evaluate(f"image_folder:{other}").document["samples"] == {"test": 5}


def test_a_class_that_the_run_does_not_know_is_named(finished, tmp_path, pictures_of):
    other = pictures_of(tmp_path / "other", names={"2": "cat"})
    with pytest.raises(DataError, match="cat"):
        finished.run.evaluate(f"image_folder:{other}")


def test_predict_answers_files_folders_bytes_and_arrays_by_name(finished):
    import numpy as np

    file = next(finished.pictures.rglob("*.png"))
    answers = finished.run.predict([file.parent, file, file.read_bytes(), np.zeros((8, 8), np.uint8)])

    assert len(answers) == 23
    assert answers[-3]["input"] == str(file)
    assert [answer["input"] for answer in answers[-2:]] == ["bytes 21", "ndarray 22"]
    assert all(answer["prediction"] in finished.run.result["classes"] for answer in answers)
    with pytest.raises(UsageError, match="no such file or folder"):
        finished.run.predict([file.with_name("absent.png")])


def test_a_report_is_drawn_again_from_the_folder_alone(finished, tmp_path):
    run = finished.copied(tmp_path / "run")
    written = (run.path / "report" / "report.json").read_bytes()
    (run.path / "report" / "report.json").unlink()

    assert run.report() == []
    assert (run.path / "report" / "report.json").read_bytes() == written


def test_a_run_is_evaluated_though_a_reporter_of_its_recipe_is_not_installed_here(finished, tmp_path):
    run = finished.copied(tmp_path / "run")
    recipe = run.path / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('"reporters/json"', '"reporters/json", "gone/board"'))
    again = type(run).load(run.path, registry=run.registry)

    assert again.evaluate().document["metrics"]["test"] == finished.run.result["metrics"]["test"]
    with pytest.raises(UsageError, match="no reporter is named 'gone/board'"):
        again.report()


@pytest.mark.parametrize("lacking", ["artefact/", "recipe.toml", "result.json"])
def test_an_unfinished_run_is_a_usage_error(finished, tmp_path, lacking):
    import shutil

    run = finished.copied(tmp_path / "run")
    path = run.path / lacking
    shutil.rmtree(path) if lacking.endswith("/") else path.unlink()
    with pytest.raises(UsageError, match="is not a finished run") as caught:
        Run.load(run.path)
    assert (f"headstart fit --resume --out {run.path}" in caught.value.hint) == (lacking != "recipe.toml")


def test_no_run_at_all_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such run"):
        Run.load(tmp_path / "absent")
    with pytest.raises(UsageError, match="is not a finished run"):
        Run.load(tmp_path)


def hashes(run):
    return {
        name: hashlib.sha256((run.path / name).read_bytes()).hexdigest()
        for name in ("artefact/weights.safetensors", "predictions.csv", "split.csv")
    }


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(finished, tmp_path, small_registry, settings):
    data = f"image_folder:{finished.pictures}"
    # Left to itself it would take an engine whose graph is in the cache by now: another test may have exported it.
    engine = finished.run.recipe.engine
    again = fit(data, out=str(tmp_path / "again"), registry=small_registry, engine=engine, **settings)
    assert hashes(again) == hashes(finished.run)

    other = fit(data, out=str(tmp_path / "other"), seed=1, registry=small_registry, **settings)
    assert hashes(other)["split.csv"] == hashes(finished.run)["split.csv"]
    assert hashes(other)["artefact/weights.safetensors"] != hashes(finished.run)["artefact/weights.safetensors"]


def test_the_users_pictures_are_never_written_to(finished, pictures_of, tmp_path):
    fresh = pictures_of(tmp_path / "fresh")
    for path in sorted(fresh.rglob("*")):
        twin = finished.pictures / path.relative_to(fresh)
        assert path.is_dir() or twin.read_bytes() == path.read_bytes()
    assert len(list(fresh.rglob("*"))) == len(list(finished.pictures.rglob("*")))


def test_training_augmented_with_stored_and_with_fresh_views_works(finished, tmp_path, small_registry, settings):
    data = f"image_folder:{finished.pictures}"
    settings |= {"augment": ("classic",)}
    tuned = fit(data, out=str(tmp_path / "tuned"), registry=small_registry, **settings)
    del settings["epochs"], settings["learning_rate"]
    probed = fit(data, out=str(tmp_path / "probed"), strategy="probe", registry=small_registry, **settings)

    assert tuned.result["phases"][-1]["phase"] == "fine_tune"
    assert probed.result["refit"] is True
    assert "val" not in probed.result["intervals"]


def test_a_folder_that_holds_something_is_left_alone(finished, tmp_path, small_registry, settings):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("kept")
    with pytest.raises(UsageError, match="is not empty"):
        fit(
            f"image_folder:{finished.pictures}",
            out=str(tmp_path / "mine"),
            registry=small_registry,
            **settings,
        )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_run_that_fails_before_it_began_leaves_no_folder(tmp_path, small_registry, settings, pictures_of):
    one = pictures_of(tmp_path / "one", classes=("1",))
    with pytest.raises(DataError):
        fit(f"image_folder:{one}", out=str(tmp_path / "run"), registry=small_registry, **settings)
    with pytest.raises(UsageError):
        fit(f"image_folder:{one}", out=str(tmp_path / "run"), backbone="smal/net", registry=small_registry)

    assert not (tmp_path / "run").exists()


def test_a_reloaded_artefact_that_answers_differently_is_refused(finished, settings, small_registry, tmp_path):
    from headstart.engine.device import forward
    from headstart.recipes.build import build_recipe
    from headstart.recipes.resolve import make_ready
    from headstart.runs.execution import load_weights
    from headstart.runs.planning import make_plan
    from headstart.runs.reloading import verify_reload

    sets = settings.pop("sets")
    flags = {**settings, "data": f"image_folder:{finished.pictures}"}
    ready = make_ready(build_recipe(flags=flags, sets=sets), small_registry)
    plan = make_plan(ready, tmp_path)
    load_weights(plan)
    rows = plan.data.indices("val")
    whole = forward(plan.network, 0, len(plan.network.stages))
    answers = whole({name: array[rows] for name, array in plan.data.tensors.items()})
    logits = answers["logits"]

    verify_reload(answers, {"logits": logits}, tmp_path)
    with pytest.raises(HeadstartError, match="answers differently"):
        verify_reload(answers, {"logits": logits + 1e-2}, tmp_path)


def test_a_reloaded_artefact_may_be_as_far_off_as_rounding_moves_its_answers(tmp_path):
    from headstart.runs.reloading import verify_reload

    logits = np.random.default_rng(0).normal(size=(8, 50)).astype(np.float32)
    once, everywhere = logits.copy(), logits + np.float32(4e-4)
    once[3, 7] += 4e-4
    verify_reload({"logits": logits}, {"logits": once}, tmp_path, lambda: {"logits": 1e-4})
    for found, moved in ((once, 2e-5), (everywhere, 1e-4), (logits + 0.1 * (once > logits), 1.0)):
        with pytest.raises(HeadstartError, match="answers differently"):
            verify_reload({"logits": logits}, {"logits": found}, tmp_path, lambda moved=moved: {"logits": moved})


def test_answers_that_are_padded_to_the_longest_are_compared_where_both_are(tmp_path):
    from headstart.runs.reloading import verify_reload

    marks = np.ones((2, 3, 4), np.float32)
    verify_reload({"marks": marks}, {"marks": np.pad(marks, ((0, 1), (0, 5), (0, 0)))}, tmp_path)
    with pytest.raises(HeadstartError, match="answers differently"):
        verify_reload({"marks": marks}, {"marks": np.pad(2 * marks, ((0, 1), (0, 5), (0, 0)))}, tmp_path)


def test_a_refitted_head_is_not_judged_on_val_which_it_has_seen(finished, settings, small_registry, tmp_path):
    settings |= {"strategy": "probe", "epochs": None, "learning_rate": None}
    data = f"image_folder:{finished.pictures}"
    run = fit(data, out=str(tmp_path / "run"), registry=small_registry, **settings)

    assert run.result["refit"] is True
    assert run.result["metrics"]["val"] == run.result["phases"][-1]["best"]
    assert set(run.result["intervals"]) == set(run.result["report"]) == {"test"}
    assert {row["split"] for row in rows_of(run)} == {"test"}


def test_an_answer_says_what_reading_its_input_took(finished, tmp_path):
    from PIL import Image

    Image.new("CMYK", (16, 16), (10, 200, 30, 0)).save(tmp_path / "print.jpg")
    Image.new("RGB", (16, 16), (10, 200, 30)).save(tmp_path / "screen.png")
    answers = finished.run.predict([tmp_path])

    assert [answer.get("notes") for answer in answers] == ["converted from CMYK", None]


def test_what_was_converted_and_left_out_is_told_by_events_result_and_reports(
    finished, settings, small_registry, tmp_path, capsys
):
    import shutil

    from PIL import Image

    pictures = tmp_path / "pictures"
    shutil.copytree(finished.pictures, pictures)
    first, second = sorted(path for path in pictures.iterdir() if path.is_dir())[:2]
    values = np.random.default_rng(0).integers(0, 4096, (3, 16, 16), dtype=np.uint16)
    turned = Image.Exif()
    turned[0x0112] = 6
    for number in range(3):
        Image.fromarray(values[number]).save(first / f"deep{number}.png")
        Image.new("CMYK", (16, 16), (9 * number, 200, 30, 0)).save(second / f"print{number}.jpg")
        Image.new("RGB", (16, 16), (9 * number, 1, 2)).save(second / f"turned{number}.png", exif=turned)
    (first / ".hidden.png").write_bytes(b"")
    asked = {**settings, "strategy": "probe", "epochs": None, "learning_rate": None, "reporters": ("console", "html")}
    run = fit(f"image_folder:{pictures}", out=str(tmp_path / "run"), registry=small_registry, **asked)

    notes = ["3 samples converted from CMYK", "3 samples scaled from 16 bits", "3 samples turned by EXIF orientation"]
    assert set(notes) < set(run.result["notes"])
    assert any("the dataset left out 1: " in note and "hidden" in note for note in run.result["notes"])
    assert [event.message for event in read_events(run.path / "events.jsonl") if isinstance(event, Noted)] == list(
        run.result["notes"]
    )
    (warning,) = (told for told in run.result["warnings"] if "16 bits" in told)
    assert warning.startswith("all 3 samples of 16 bits are nearly black, in the lowest 1/16 of the range")
    console, page = capsys.readouterr().err, (run.path / "report" / "report.html").read_text(encoding="utf-8")
    for note in notes:
        assert f"note: {note}" in console
        assert note in page
    assert f"warning: {warning}" in console
    assert "hint: multiply their values by 16" in console


FAILING = """
from headstart.hookspecs import hookimpl
from headstart.specs import LoweringSpec, ReporterSpec

@hookimpl
def register_lowerings():
    return [LoweringSpec(name="aa_failing/absent", summary="Fast.", build="not.there:build", layer="Conv2D",
                         backends=("jax", "torch")),
            LoweringSpec(name="aa_failing/raises", summary="Fast.", build="aa_failing:build",
                         layer="GlobalAveragePooling2D", backends=("jax", "torch"))]

@hookimpl
def register_reporters():
    return [ReporterSpec(name="aa_failing/loud", summary="Loud.", build="aa_failing:build", default=True)]

def build(anything):
    raise RuntimeError("out of ideas")
"""


@pytest.fixture
def failing(tmp_path, monkeypatch, small_plugin):
    """Every offer of the built-ins and the small plugin, beside a plugin whose targets fail."""
    from headstart.registry import load_registry
    from headstart.testing import write_distribution

    write_distribution(tmp_path / "published", "aa_failing", FAILING)
    monkeypatch.syspath_prepend(tmp_path / "published")
    return load_registry()


def test_targets_that_fail_and_that_nobody_asked_for_do_not_stop_a_run(finished, failing, settings, tmp_path):
    asked = {**settings, "epochs": 1, "reporters": None}
    run = fit(f"image_folder:{finished.pictures}", out=str(tmp_path / "run"), registry=failing, **asked)
    told = " ".join(run.result["warnings"])

    assert "aa_failing/loud: aa_failing:build failed: RuntimeError: out of ideas; the run goes on without it" in told
    assert "could not load not.there:build" in told
    assert "aa_failing/raises" in told
    assert told.count("the stock layers are used") == 2
    assert (run.path / "report" / "report.html").exists()


def test_a_reporter_that_fails_and_was_asked_for_does(finished, failing, settings, tmp_path):
    asked = {**settings, "reporters": ("loud",)}
    with pytest.raises(PluginError, match="aa_failing/loud"):
        fit(f"image_folder:{finished.pictures}", out=str(tmp_path / "run"), registry=failing, **asked)
