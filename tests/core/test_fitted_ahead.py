"""What an input kind or a task takes from the training split is taken before anything is prepared, from that alone."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from headstart.cache import Cache
from headstart.data.array_store import ArrayStore
from headstart.data.prepared import PrepareOptions
from headstart.data.targets import build_target_kind
from headstart.errors import PluginError
from headstart.registry import load_registry
from headstart.runs.fitted_ahead import fit_and_prepare, fitted_to, training_split
from headstart.specs import Finding, Prepared, Record, Records, Sample, TensorSpec

LETTERS = "alphabet.txt"


@dataclass
class Letters:
    """Words as places in an alphabet that is fitted; `seen` are the payloads that it was fitted to."""

    files: dict = field(default_factory=dict)
    seen: list = field(default_factory=list)
    targets: list = field(default_factory=list)
    prepared: int = 0
    output_ranges = {}
    hint = "words"

    @property
    def is_fitted(self):
        return LETTERS in self.files

    @property
    def tensors(self):
        return {"letters": TensorSpec((8,), "int32", values=1 + len(self._alphabet))}

    @property
    def _alphabet(self):
        return self.files[LETTERS].read_text()

    def fitted_ahead(self, training):
        payloads = list(training.payloads)
        file = training.folder / LETTERS
        file.write_text("".join(sorted({letter for payload in payloads for letter in payload})))
        training.tell(Finding("note", f"{len(payloads)} words were looked at"))
        return type(self)({LETTERS: file}, payloads, list(training.values))

    def assets(self):
        return self.files

    def read(self, payload, where):
        return Sample(payload, ("a word",))

    def prepare(self, sample):
        self.prepared += 1
        letters = np.zeros(8, np.int32)
        letters[: len(sample.value)] = [1 + self._alphabet.find(letter) for letter in sample.value]
        return Prepared({"letters": letters})

    def fingerprint(self, sample):
        return None


def records_of(split, targets="ab"):
    """Words of one letter each, by side; those of val and test have letters of their own."""
    letters = {"train": "abcdefgh", "val": "mnop", "test": "uvwx"}
    items = [
        Record(f"{side}-{place}", 3 * letter, targets[place % len(targets)], split=side if split else None)
        for side, alphabet in letters.items()
        for place, letter in enumerate(alphabet)
    ]
    return Records("letters", tuple(items), targets="targets/class")


@pytest.fixture(scope="module")
def classes():
    return build_target_kind(load_registry(), "targets/class")


def test_an_input_kind_sees_the_training_split_alone_and_prepares_all_by_what_it_took(classes, tmp_path):
    kind = Letters()
    fitted, data = fit_and_prepare(
        records_of(True), kind, classes, PrepareOptions(), seed=3, folder=tmp_path / "fitted"
    )
    assert sorted(fitted.seen) == sorted(3 * letter for letter in "abcdefgh")
    assert fitted.targets == ["a", "b"] * 4
    assert fitted.files[LETTERS].read_text() == "abcdefgh"
    assert (kind.prepared, fitted.prepared) == (0, 16)
    letters = data.tensors["letters"][data.indices("train")]
    assert sorted(letters[:, 0]) == list(range(1, 9))
    assert not data.tensors["letters"][data.indices("test")].any()


def test_a_split_that_is_cut_is_cut_before_and_kept(classes, tmp_path):
    fitted, data = fit_and_prepare(
        records_of(False), Letters(), classes, PrepareOptions(split_seed=5), seed=0, folder=tmp_path / "fitted"
    )
    words = {row.key: row.split for row in data.split.rows}
    by_key = {record.key: record.payload for record in records_of(False).items}
    assert sorted(fitted.seen) == sorted(by_key[key] for key, side in words.items() if side == "train")
    assert {"val", "test"} < set(words.values())


def test_what_both_readings_tell_is_told_once(classes, tmp_path):
    _, data = fit_and_prepare(
        records_of(True), Letters(), classes, PrepareOptions(), seed=0, folder=tmp_path / "fitted"
    )
    messages = [finding.message for finding in data.findings]
    assert len(messages) == len(set(messages))
    assert "8 words were looked at" in messages
    assert any("a word" in message for message in messages)


def test_samples_are_kept_by_what_was_fitted(classes, tmp_path):
    """Other training words make another alphabet, and so other samples of the same val and test."""

    def prepared(records):
        store = ArrayStore(Cache(tmp_path / "cache", 2**30), tmp_path / "scratch")
        options = PrepareOptions(store=store, read_by={"input": "letters", "assets": {}})
        return fit_and_prepare(records, Letters(), classes, options, seed=0, folder=tmp_path / "fitted")

    first, data = prepared(records_of(True))
    assert first.prepared == 16
    again, same = prepared(records_of(True))
    assert again.prepared == 0  # found in the cache
    assert np.array_equal(data.tensors["letters"], same.tensors["letters"])
    items = [
        record if record.split != "train" else Record(record.key, record.payload + "z", record.target, split="train")
        for record in records_of(True).items
    ]
    other, _ = prepared(Records("letters", tuple(items), targets="targets/class"))
    assert other.prepared == 16


def test_what_is_fitted_and_says_that_it_is_not_is_refused(classes, tmp_path):
    class Forgets(Letters):
        @property
        def is_fitted(self):
            return False

    with pytest.raises(PluginError, match="says that it is not"):
        fit_and_prepare(records_of(True), Forgets(), classes, PrepareOptions(), seed=0, folder=tmp_path / "fitted")


def test_a_task_sees_the_training_split_alone(classes, tmp_path):
    _, data = fit_and_prepare(records_of(True), Letters(), classes, PrepareOptions(), seed=0, folder=tmp_path / "a")
    training = training_split(
        records_of(True), data, classes, seed=0, folder=Path(tmp_path / "b"), tell=lambda finding: None
    )
    fitted = fitted_to(Letters(), training)
    assert sorted(fitted.seen) == sorted(3 * letter for letter in "abcdefgh")
