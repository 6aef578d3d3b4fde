"""The tables of the example, written as it says; where its clips were made."""

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from headstart.data.made import made_folder
from headstart.errors import HeadstartError
from headstart.registry import load_registry

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "accents" / "make_tables.py"


def test_the_tables_have_labelled_clips_of_one_accent_and_others_to_compare_with(tmp_path):
    try:
        made_folder(load_registry().get("datasets", "accents"), None)
    except HeadstartError as exc:
        pytest.skip(f"{exc.message}: `headstart datasets make accents` makes it")
    subprocess.run([sys.executable, SCRIPT, tmp_path / "new"], check=True)
    own, others = (
        [*csv.DictReader((tmp_path / "new" / name).open(encoding="utf-8"))] for name in ("scotland.csv", "others.csv")
    )
    assert Counter(row["split"] for row in own) == {"train": 80, "val": 20, "test": 36}
    assert {Path(row["path"]).parent.name for row in own} == {"en-gb-scotland"}
    assert {*Counter(Path(row["path"]).parent.name for row in others).values()} == {4}
    assert len(others) == 24
    learned = {row["transcript"] for row in own if row["split"] == "train"}
    tested = {row["transcript"] for row in (*own, *others) if row["split"] == "test"}
    assert not learned & tested
    assert all(Path(row["path"]).is_file() for row in (*own, *others))
