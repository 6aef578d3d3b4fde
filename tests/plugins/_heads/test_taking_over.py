"""What a new head keeps of one that was learned: by name and to the bit, or rescaled to the unit of new data."""

from itertools import pairwise

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.specs import TakesOverHead, TaskRequest
from headstart_plugins._heads.options import HeadOptions
from headstart_plugins.classification import ClassificationOptions
from headstart_plugins.classification._build import build as classification
from headstart_plugins.multilabel import MultilabelOptions
from headstart_plugins.multilabel._build import build as multilabel
from headstart_plugins.regression._build import build as regression

OPTIONS = {classification: ClassificationOptions, multilabel: MultilabelOptions, regression: HeadOptions}


def task_of(build, labels):
    return build(TaskRequest(OPTIONS[build](), labels=labels))


def weights(outputs, *, seed, channels=6, hidden=None):
    """Of a linear head, or of one with `hidden` units, by our names."""
    random = np.random.default_rng(seed)
    sizes = [channels, outputs] if hidden is None else [channels, hidden, outputs]
    found = {}
    for index, (low, high) in enumerate(pairwise(sizes)):
        found[f"head/{index}/kernel"] = random.normal(size=(low, high)).astype(np.float32)
        found[f"head/{index}/bias"] = random.normal(size=high).astype(np.float32)
    return found


@pytest.mark.parametrize("build", [classification, multilabel], ids=lambda build: build.__module__.split(".")[1])
def test_columns_follow_their_names_whatever_the_order_and_new_ones_stay_as_drawn(build):
    old = task_of(build, {"classes": ["ant", "bee", "cat"]})
    new = task_of(build, {"classes": ["cat", "dog", "bee"]})
    learned, first = weights(3, seed=1), weights(3, seed=2)
    taken = new.take_over(old, learned, first)

    assert isinstance(new, TakesOverHead)
    assert (taken.kept, taken.added, taken.left_out) == (["cat", "bee"], ["dog"], ["ant"])
    for role in ("kernel", "bias"):
        name = f"head/0/{role}"
        assert np.array_equal(taken.arrays[name][..., 0], learned[name][..., 2])
        assert np.array_equal(taken.arrays[name][..., 1], first[name][..., 1])
        assert np.array_equal(taken.arrays[name][..., 2], learned[name][..., 1])
    assert np.array_equal(first["head/0/kernel"], weights(3, seed=2)["head/0/kernel"]), "what was drawn is not changed"


def test_a_hidden_layer_is_never_taken_for_the_last_one():
    """Four hidden units have columns enough for three classes."""
    old, new = (task_of(classification, {"classes": classes}) for classes in (["a", "b"], ["b", "c", "d"]))
    with pytest.raises(DataError, match="has head/1/bias, head/1/kernel, and this head has no such layer"):
        new.take_over(old, weights(2, seed=1, hidden=4), weights(3, seed=2))
    with pytest.raises(DataError, match="has the shape"):
        new.take_over(old, weights(2, seed=1), weights(3, seed=2, hidden=4))


def test_the_hidden_layer_of_an_mlp_is_kept_whole():
    old, new = (task_of(classification, {"classes": classes}) for classes in (["a", "b"], ["b", "c", "d"]))
    learned, first = weights(2, seed=1, hidden=4), weights(3, seed=2, hidden=4)
    taken = new.take_over(old, learned, first).arrays

    assert {name: array.shape for name, array in taken.items()} == {name: each.shape for name, each in first.items()}
    assert np.array_equal(taken["head/0/kernel"], learned["head/0/kernel"])
    assert np.array_equal(taken["head/0/bias"], learned["head/0/bias"])
    assert np.array_equal(taken["head/1/kernel"][:, 0], learned["head/1/kernel"][:, 1])
    assert np.array_equal(taken["head/1/kernel"][:, 1:], first["head/1/kernel"][:, 1:])


def test_a_class_that_is_spelled_otherwise_is_another_one():
    old, new = (task_of(classification, {"classes": classes}) for classes in (["Cat", "bee"], ["bee", "cat"]))
    taken = new.take_over(old, weights(2, seed=1), weights(2, seed=2))
    assert (taken.kept, taken.added, taken.left_out) == (["bee"], ["cat"], ["Cat"])


def test_no_name_in_common_is_refused_since_nothing_would_be_kept():
    old, new = (task_of(classification, {"classes": classes}) for classes in (["a", "b"], ["c", "d"]))
    with pytest.raises(DataError, match="knows a, b, and none of c, d") as caught:
        new.take_over(old, weights(2, seed=1), weights(2, seed=2))
    assert "leave --head-from out" in caught.value.hint


@pytest.mark.parametrize(
    ("learned", "told"),
    [
        (weights(2, seed=1, channels=5), r"head/0/kernel of the other run's head has the shape \(5, 2\).*\(6, 2\)"),
        (weights(2, seed=1, hidden=4), r"head/0/kernel .*\(6, 4\).*\(6, 3\)"),
        (weights(2, seed=1), r"head/1/kernel .*None.*\(3, 2\)"),
    ],
    ids=["features", "hidden units", "layers"],
)
def test_widths_that_differ_are_told_with_both_shapes(learned, told):
    task = task_of(classification, {"classes": ["a", "b"]})
    first = weights(2, seed=2) if "5" in told else weights(2, seed=2, hidden=3)
    if told.endswith(r"\(3, 2\)"):
        learned = {**learned, **{name: each for name, each in first.items() if name.startswith("head/0")}}
    with pytest.raises(DataError, match=told):
        task.take_over(task, learned, first)


def test_a_regression_answers_the_same_numbers_in_the_unit_of_the_data():
    old, new = (
        task_of(regression, {"mean": 10.0, "deviation": 4.0}),
        task_of(regression, {"mean": -3.0, "deviation": 0.5}),
    )
    learned, first = weights(1, seed=1), weights(1, seed=2)
    taken = new.take_over(old, learned, first)
    features = np.random.default_rng(3).normal(size=(50, 6))

    def answers(task, arrays):
        return task.real((features @ arrays["head/0/kernel"] + arrays["head/0/bias"])[:, 0])

    assert taken.kept == ("prediction",)
    assert np.abs(answers(new, taken.arrays) - answers(old, learned)).max() < 1e-5
    assert answers(old, learned).std() > 1


def test_a_regression_of_the_same_scale_keeps_every_bit():
    task, learned = task_of(regression, {"mean": 10.1, "deviation": 0.3}), weights(1, seed=1)
    taken = task.take_over(task, learned, weights(1, seed=2)).arrays
    assert all(np.array_equal(taken[name], array) for name, array in learned.items())
