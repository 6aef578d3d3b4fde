"""headstart check: every finding at once, as a table or as JSON, and exit 3 where a run would stop."""

import csv
import json
import subprocess
import sys

import pytest
from PIL import Image

from headstart_cli.main import run_arguments

LABELS = ("dark", "light")


@pytest.fixture
def pictures(tmp_path):
    """Two classes of ten pictures, no two alike."""
    for label in LABELS:
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (20, 20), (10 * number, 0 if label == "dark" else 200, 0)).save(
                tmp_path / "data" / label / f"{number}.png"
            )
    return tmp_path / "data"


def findings(capsys, *arguments):
    code = run_arguments(["check", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_sound_data_is_exit_0_and_an_empty_list(pictures, capsys):
    assert findings(capsys, pictures) == (0, [])
    assert run_arguments(["check", str(pictures)]) == 0
    assert "the data is sound" in capsys.readouterr().out


@pytest.fixture
def broken(pictures):
    """A class that is too small, files that cannot be read, and copies under two labels."""
    (pictures / "rare").mkdir()
    Image.new("RGB", (20, 20), (0, 0, 99)).save(pictures / "rare" / "1.png")
    for number in range(2):
        (pictures / "dark" / f"bad{number}.png").write_bytes(b"no picture")
    (pictures / "light" / "copy.png").write_bytes((pictures / "dark" / "1.png").read_bytes())
    return pictures


def test_everything_is_told_at_once_errors_first(broken, capsys):
    code, found = findings(capsys, broken)
    assert code == 3
    assert [set(each) for each in found] == [{"level", "message", "count", "hint", "cases"}] * len(found)
    told = [(each["level"], each["count"]) for each in found]
    assert told == [("error", 2), ("error", 1), ("warning", 1), ("note", 1)]
    assert "2 of 24 samples cannot be read" in found[0]["message"]
    assert found[1]["message"] == "class 'rare' has 1 sample; 3 sides need at least 3"
    assert found[1]["hint"] == (
        "add samples, or give the splits yourself; --set dataset.rare=drop leaves the class out, "
        "and dataset.rare=train leaves it in train alone"
    )
    assert "contradicting labels" in found[2]["message"]


def test_the_table_has_a_row_for_each_finding(broken, capsys):
    assert run_arguments(["check", str(broken)]) == 3
    shown = capsys.readouterr().out
    for words in (
        "level",
        "hint",
        "2 of 24 samples",
        "class 'rare' has 1 sample",
        "contradicting labels",
        "copies stay",
    ):
        assert words in shown


def test_warnings_alone_are_exit_0(pictures, capsys):
    (pictures / "light" / "copy.png").write_bytes((pictures / "dark" / "1.png").read_bytes())
    code, found = findings(capsys, pictures)
    assert code == 0
    assert {each["level"] for each in found} == {"note", "warning"}


def test_options_of_the_data_the_task_and_a_limit_are_taken(tmp_path, pictures, capsys):
    table = tmp_path / "table.csv"
    rows = [f"data/{name}/{number}.png,{number}.5" for name in ("dark", "light") for number in range(10)]
    table.write_text("\n".join(["path,label", *rows]))
    _, found = findings(capsys, table)
    assert "the task is regression" in found[0]["message"]
    code, found = findings(capsys, table, "--task", "classification")
    assert code == 3
    assert len(found) == 10
    assert found[0]["message"] == "class '0.5' has 2 samples; 3 sides need at least 3"
    code, found = findings(capsys, pictures, "--limit", "5")
    assert code == 3
    assert "a limit of 5 records cannot hold 2 classes" in found[0]["message"]
    assert run_arguments(["check", str(table), "--set", "dataset.colour=red"]) == 2


def test_how_a_table_is_read_is_told_and_a_separator_in_quotes_is_taken(tmp_path, pictures, capsys):
    table = tmp_path / "table.csv"
    rows = [
        f"{name}/{number},{name} {['odd', 'even'][number % 2]}" for name in ("dark", "light") for number in range(5)
    ]
    table.write_text("\n".join(["image_id,tags", *rows, *(f"dark/{number},dark" for number in range(5, 10))]))
    code, found = findings(capsys, table)
    notes = "\n".join(each["message"] for each in found if each["level"] == "note")
    assert code == 0
    assert "column 'image_id' is read as path (+ .png, in folder data/): 15 of 15 files found" in notes
    assert "column 'tags' is read as label, by its name; --set dataset.label_column=NAME names another" in notes
    (marked,) = [each for each in found if "would make 4 labels of 5" in each["message"]]
    assert (marked["level"], marked["count"]) == ("warning", 10)
    setting = marked["hint"].partition("--set ")[2]
    code, found = findings(capsys, table, "--set", setting.strip('"'))
    assert code == 0
    assert not [each for each in found if "labels of" in each["message"]]


def test_labels_for_a_task_of_classes_are_a_finding(tmp_path, pictures, capsys):
    table = tmp_path / "table.csv"
    rows = [f"data/dark/{number}.png,{'red|round' if number % 2 else 'red'}" for number in range(10)]
    table.write_text("\n".join(["path,labels", *rows]))
    code, (found,) = findings(capsys, table, "--task", "classification")
    assert code == 3
    assert "several labels a sample (the dataset says so); this task learns one class" in found["message"]
    assert found["hint"] == (
        "leave --task out, or name one for several labels, such as --task multilabel; data with one class a sample is "
        "opened as image_folder:PATH"
    )


def test_data_that_cannot_be_opened_is_a_finding_and_a_wrong_name_is_usage(tmp_path, capsys):
    table = tmp_path / "table.csv"
    table.write_text("path,label\na.png,\n")
    code, (found,) = findings(capsys, table)
    assert code == 3
    assert "empty label" in found["message"]
    assert run_arguments(["check", "digitz"]) == 2


def test_no_framework_is_loaded_for_it():
    code = (
        "import sys; from headstart_cli.main import run_arguments; "
        "code = run_arguments(['check', 'digits', '--limit', '60']); "
        "print(code, sorted({'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.fixture
def leaking(tmp_path, pictures):
    """The same two classes on two given sides, seven pictures on both."""
    for label in ("dark", "light"):
        for side, shade in (("train", 40), ("test", 120)):
            (tmp_path / "sides" / side / label).mkdir(parents=True)
            for number in range(10):
                colour = (10 * number, shade, 99 if label == "dark" else 200)
                Image.new("RGB", (20, 20), colour).save(tmp_path / "sides" / side / label / f"{number}.png")
    for number in range(7):
        source = tmp_path / "sides" / "test" / "dark" / f"{number}.png"
        (tmp_path / "sides" / "train" / "dark" / f"copy{number}.png").write_bytes(source.read_bytes())
    return tmp_path / "sides"


def test_every_pair_on_two_given_sides_is_printed(leaking, capsys):
    assert run_arguments(["check", str(leaking)]) == 3
    shown = capsys.readouterr().out
    assert "7 contents are on two sides" in shown
    assert "and 2 more" in shown
    for number in range(7):
        pair = f"train/dark/copy{number}.png (train) and test/dark/{number}.png (test) have the same content"
        assert f"\n  {pair}\n" in shown
    code, (found,) = findings(capsys, leaking)
    assert code == 3
    assert len(found["cases"]) == found["count"] == 7


def test_every_case_is_written_to_a_file_where_one_is_named(leaking, tmp_path, capsys):
    listed = tmp_path / "leaks.csv"
    assert run_arguments(["check", str(leaking), "--out", str(listed)]) == 3
    rows = list(csv.DictReader(listed.open(encoding="utf-8")))
    assert {(row["level"], row["message"]) for row in rows} == {
        ("error", "7 contents are on two sides; no test would be honest:")
    }
    assert sorted(row["case"] for row in rows) == [
        f"train/dark/copy{number}.png (train) and test/dark/{number}.png (test) have the same content"
        for number in range(7)
    ]


def test_settings_say_what_may_be_lacking(leaking, broken, capsys):
    code, (found, cut) = findings(capsys, leaking, "--set", "dataset.copies=drop")
    assert code == 0
    assert (found["level"], found["count"]) == ("warning", 7)
    assert cut["message"] == "no val side was given: 20 % of train (4 of 20 samples) is val, which chooses"
    code, found = findings(capsys, broken, "--set", "dataset.rare=train", "--set", "dataset.unreadable=0.1")
    assert code == 0
    assert [each["level"] for each in found] == ["warning", "warning", "warning", "note"]
    assert run_arguments(["check", str(broken), "--set", "dataset.rare=some"]) == 2
    assert "must be one of 'refuse', 'drop', 'train'" in capsys.readouterr().err
    assert run_arguments(["check", str(broken), "--set", "dataset.unreadable=5"]) == 2
    assert "must be at most 1" in capsys.readouterr().err


def test_what_is_cut_of_a_train_folder_is_said_with_what_keeps_it(pictures, tmp_path, capsys):
    (tmp_path / "sides").mkdir()
    pictures.rename(tmp_path / "sides" / "train")
    code, (test, val) = findings(capsys, tmp_path / "sides")
    assert code == 0
    assert test["message"] == "no test side was given: 20 % of train (4 of 20 samples) is held out as test"
    assert test["hint"] == "--set split.test=0 keeps them for training"
    assert val["message"] == "no val side was given: 20 % of the rest (3 of 16 samples) is val, which chooses"

    code, (none, val) = findings(capsys, tmp_path / "sides", "--set", "split.test=0")
    assert code == 0
    assert none["message"].startswith("no sample is held out as test: split.test is 0; val chooses")
    assert val["message"] == "no val side was given: 20 % of train (4 of 20 samples) is val, which chooses"


def test_without_a_test_side_two_samples_of_a_class_are_enough(pictures, capsys):
    (pictures / "rare").mkdir()
    for number in range(2):
        Image.new("RGB", (20, 20), (number, 0, 99)).save(pictures / "rare" / f"{number}.png")
    code, found = findings(capsys, pictures)
    assert code == 3
    assert "class 'rare' has 2 samples; 3 sides need at least 3" in found[0]["message"]
    code, (found,) = findings(capsys, pictures, "--set", "split.test=0")
    assert (code, found["level"]) == (0, "note")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("split.test=1", "split.test (--set): must be at most 0.99, not 1.0"),
        ("split.test=-0.1", "split.test (--set): must be at least 0, not -0.1"),
        ("split.test=some", "split.test (--set): must be float, not 'some'"),
        ("split.val=0", "split.val (--set): must be at least 0.001, not 0.0"),
        ("split.tset=0", "split.tset (--set): unknown option (did you mean test?)"),
        ("splt.test=0", "splt.test (--set): no such table: splt (did you mean split?)"),
    ],
)  # fmt: skip
def test_a_share_that_cannot_be_is_refused_before_data_is_read(said, answer, tmp_path, capsys):
    assert run_arguments(["check", str(tmp_path), "--set", said]) == 2
    assert answer in " ".join(capsys.readouterr().err.split())
