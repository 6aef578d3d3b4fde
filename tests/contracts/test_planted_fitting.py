"""What is fitted to a training split: each bug turns red what asserts it, for that reason, and nothing else."""

import pytest

from headstart.testing import InputKindPrepared, TaskEncoded

from .planting import changed, failures, named

PLUGIN = """
from headstart.hookspecs import hookimpl
from headstart.specs import InputSpec, TargetSpec, TaskSpec

@hookimpl
def register_inputs():
    return [InputSpec(
        name="planted/it", summary="Letters.", build="planted_build:Letters", reads=("letters",), produces="letters",
    )]

@hookimpl
def register_targets():
    return [TargetSpec(name="planted/word", summary="Words.", build="planted_build:Word", means="a word")]

@hookimpl
def register_tasks():
    return [TaskSpec(
        name="planted/it", summary="Spells.", build="planted_build:Spells", features=("pooled",),
        targets="planted/word", heads=("linear",),
    )]
"""

BUILD = '''
import itertools
import json

import numpy as np

from headstart.errors import DataError, UsageError
from headstart.specs import Evaluation, Prepared, Preview, Sample, TensorSpec

COUNTER = itertools.count()

class Letters:
    """Words of up to 8 letters, as their places in an alphabet that is fitted."""

    hint = "words"
    output_ranges = {}

    def __init__(self, request):
        self._files = dict(request.assets)
        known = self._files["alphabet.json"].read_text() if self.is_fitted else "[]"
        self._places = {letter: place for place, letter in enumerate(json.loads(known), start=1)}
        self.tensors = {"letters": TensorSpec((8,), "int32", values=1 + len(self._places))}

    @property
    def is_fitted(self):
        return "alphabet.json" in self._files

    def fitted_ahead(self, training):
        from types import SimpleNamespace

        found = sorted({letter for payload in training.payloads for letter in payload})
        file = training.folder / "alphabet.json"
        file.write_text(json.dumps(found))
        return Letters(SimpleNamespace(assets={"alphabet.json": file}))

    def assets(self):
        return self._files

    def read(self, payload, where):
        if not isinstance(payload, str):
            raise DataError(f"{where}: {payload!r} is no word")
        return Sample(payload)

    def prepare(self, sample):
        letters = np.zeros(8, np.int32)
        letters[: len(sample.value)] = [self._places.get(letter, 0) for letter in sample.value]
        return Prepared({"letters": letters})

    def transform(self, tensors, changes):
        from headstart.errors import PluginError

        for change in changes:
            raise PluginError(f"unknown change {change.name}")
        return dict(tensors)

    def stage(self):
        import keras

        letters = keras.Input((8,), dtype="int32", name="letters")
        return keras.Model({"letters": letters}, {"letters": keras.layers.Identity()(letters)})

    def find(self, raw):
        from pathlib import Path

        if isinstance(raw, Path) and not raw.exists():
            raise UsageError(f"no such file: {raw}")
        return [str(raw)]

    def fingerprint(self, sample):
        return None

    def preview(self, sample, changes=()):
        return Preview("text/plain", sample.value.encode())


class Word:
    noun = "word"
    exclusive = False
    moves = False

    def __init__(self, request):
        pass

    def recognise(self, records):
        return None

    def check(self, items):
        return []

    def names(self, target):
        return ()

    def strata(self, targets):
        return [() for _ in targets]

    def words(self, target):
        return target

    def read(self, target, where):
        if not isinstance(target, str):
            raise DataError(f"{where}: {target!r} is no word")
        return target

    def transform(self, targets, changes, facts):
        return dict(targets)


class Spells:
    """The first letter of a word, of an alphabet that is fitted."""

    primary_metric = "right"
    higher_is_better = True
    columns = ("letter",)
    targets = {"letter": TensorSpec((), "int32")}

    def __init__(self, request):
        self._files = dict(request.assets)
        self._letters = json.loads(self._files["letters.json"].read_text()) if self.is_fitted else []

    @property
    def is_fitted(self):
        return "letters.json" in self._files

    def fitted_ahead(self, training):
        from types import SimpleNamespace

        file = training.folder / "letters.json"
        file.write_text(json.dumps(sorted({value[0] for value in training.values})))
        return Spells(SimpleNamespace(assets={"letters.json": file}))

    def assets(self):
        return self._files

    def labels(self):
        return {"count": len(self._letters)}

    def summary(self):
        return {}

    def encode(self, values, facts, keys):
        return {"letter": np.array([self._letters.index(value[0]) for value in values], np.int32)}

    def evaluator(self, *, running=False):
        return None

    def baseline(self, train, test):
        return {"none": 0.0}
'''

FITTED = "test_what_is_fitted_to_a_training_split_is_in_its_assets"


def contract_of(kind):
    if kind == "input":
        return named(InputKindPrepared, payloads=lambda self, folder: ("abc", "bcd"), preprocess={})
    return named(TaskEncoded, targets=lambda self, folder: ("abc", "bcd", "cde", "a"))


def test_what_is_fitted_soundly_passes(garden):
    garden.plant(PLUGIN, planted_build=BUILD)
    assert failures(contract_of("input")) == {}
    assert failures(contract_of("task")) == {}


BUGS = {
    ("input", "files differ"): (
        "found = sorted({letter for payload in training.payloads for letter in payload})",
        "found = [str(next(COUNTER)), *sorted({letter for payload in training.payloads for letter in payload})]",
    ),
    ("input", "is_fitted does not tell"): (
        'return Letters(SimpleNamespace(assets={"alphabet.json": file}))',
        'self.__init__(SimpleNamespace(assets={"alphabet.json": file})); return self',
    ),
    ("input", "says that it is not fitted"): (
        'return Letters(SimpleNamespace(assets={"alphabet.json": file}))',
        'made = Letters(SimpleNamespace(assets={"alphabet.json": file})); '
        'made.assets = lambda: {"other.json": file}; return made',
    ),
    ("task", "files or labels differ"): (
        "json.dumps(sorted({value[0] for value in training.values}))",
        "json.dumps([*sorted({value[0] for value in training.values}), str(next(COUNTER))])",
    ),
    ("task", "is_fitted does not tell"): (
        'return Spells(SimpleNamespace(assets={"letters.json": file}))',
        'self.__init__(SimpleNamespace(assets={"letters.json": file})); return self',
    ),
}
"""By the kind of offer and what is said of it, the line that is planted in place of another one."""


@pytest.mark.parametrize(("kind", "said"), BUGS)
def test_what_is_fitted_otherwise_each_time_or_is_lost_is_found(garden, kind, said):
    garden.plant(PLUGIN, planted_build=changed(BUILD, BUGS[kind, said]))
    found = failures(contract_of(kind))
    assert said in found[FITTED]
