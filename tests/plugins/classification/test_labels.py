"""Class names: their order, their checks, and the way from label to index and back."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.specs import TaskRequest
from headstart_plugins.classification import ClassificationOptions
from headstart_plugins.classification._build import build


def task_of(targets=None, labels=None):
    return build(TaskRequest(options=ClassificationOptions(), targets=targets, labels=labels))


def test_digits_are_ordered_as_numbers_and_names_as_text():
    assert task_of([str(n) for n in (10, 2, 9, 0, 1)]).classes == ("0", "1", "2", "9", "10")
    assert task_of(["dog", "cat", "ant"]).classes == ("ant", "cat", "dog")
    assert task_of(["a10", "a9", "b1"]).classes == ("a9", "a10", "b1")


def test_labels_become_int32_indices_in_the_order_of_the_classes():
    encoded = task_of(["dog", "cat"]).encode(["dog", "cat", "dog"], [{}] * 3, ["a", "b", "c"])["class"]
    assert encoded.dtype == np.int32
    assert encoded.tolist() == [1, 0, 1]


def test_a_task_built_from_its_stored_labels_is_the_same_task():
    first = task_of(["dog", "cat", "10", "9"])
    assert task_of(labels=first.labels()) == first


def test_an_unknown_label_names_its_key_and_suggests_the_near_class():
    with pytest.raises(DataError, match=r"photos/7\.jpg.*'dgo'") as caught:
        task_of(["dog", "cat"]).encode(["cat", "dgo"], [{}] * 2, ["photos/1.jpg", "photos/7.jpg"])
    assert "dog" in caught.value.hint


@pytest.mark.parametrize(("targets", "words"), [(["cat", "cat"], "one class, 'cat'"), ([], "no labels")])
def test_targets_that_cannot_be_learned_are_refused(targets, words):
    with pytest.raises(DataError, match=words):
        task_of(targets)


@pytest.mark.parametrize("classes", [None, "cat dog", ["cat"], ["cat", "cat"], ["cat", 3]])
def test_stored_labels_that_are_no_class_list_are_refused(classes):
    with pytest.raises(DataError, match="labels must hold"):
        task_of(labels={"classes": classes})
