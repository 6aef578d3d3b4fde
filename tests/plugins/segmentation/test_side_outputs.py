"""The head of side outputs: equal to a forward by hand in float64, what it begins with, keeps of a run, and refuses."""

import drawn_masks as examples
import keras
import numpy as np
import pytest

from headstart.engine.network.stages import read_arrays
from headstart.errors import UsageError
from headstart.specs import HEAD, Stage
from headstart_plugins._side_outputs import FACTORS
from headstart_plugins.segmentation._head import build_head

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SHAPES = {
    f"map@{stride}": (None, -(-11 // stride), -(-18 // stride), 3 + place) for place, stride in enumerate(FACTORS)
}
"""Of maps whose sides are odd."""


def test_logits_are_those_of_a_forward_by_hand():
    random = np.random.default_rng(0)
    maps = {name: random.normal(0, 20, (2, *shape[1:])).astype(np.float32) for name, shape in SHAPES.items()}
    model = build_head("side_outputs", SHAPES, classes=3, seed=1)
    for variable in model.weights:
        variable.assign(variable + random.normal(0, 0.3, variable.shape).astype(np.float32))
    weights = {layer.name: [np.float64(each) for each in layer.get_weights()] for layer in model.layers}
    found = np.array(keras.ops.convert_to_numpy(model(maps, training=False)["logits"]))

    sides = []
    for stride, factor in FACTORS.items():
        kernel, bias = weights[f"side_{stride}"]
        side = factor * maps[f"map@{stride}"].astype(np.float64) @ kernel[0, 0] + bias
        sides.append(np.stack([examples.on_input(sample, (11, 18)) for sample in side]))
    kernel, bias = weights["fusion"]
    expected = np.concatenate(sides, axis=-1) @ kernel[0, 0] + bias
    assert found.shape == (2, 11, 18, 3)
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() <= 1e-4 * max(1.0, expected.std())


def test_it_begins_with_the_same_numbers_whatever_the_backend():
    """Side outputs are drawn by numpy and their mean is taken; a first answer knows the shares of the classes."""
    model = build_head("side_outputs", SHAPES, classes=3, seed=3, counts=(90, 9, 1))
    arrays = {layer.name: [np.array(each) for each in layer.get_weights()] for layer in model.layers}
    for place, stride in enumerate(FACTORS):
        kernel, bias = arrays[f"side_{stride}"]
        assert np.array_equal(kernel, np.random.default_rng((3, place)).normal(0, 0.01, kernel.shape).astype("f4"))
        assert not bias.any()
    kernel, bias = arrays["fusion"]
    assert np.exp(bias) == pytest.approx([0.9, 0.09, 0.01])
    sides = np.arange(15.0).reshape(5, 3)  # a row for each side output, a column for each class
    assert sides.ravel() @ kernel[0, 0] == pytest.approx(sides.mean(axis=0))


def test_it_keeps_of_a_run_the_classes_that_both_know_and_how_they_are_fused():
    """`ground, ant, bee, cow` goes on as `cow, ground, dog`."""
    old, new = examples.task(), examples.task(names=("cow", "ground", "dog"))
    learned, first = (
        read_arrays([Stage(HEAD, task.head("side_outputs", SHAPES, seed))]) for seed, task in enumerate((old, new))
    )
    random = np.random.default_rng(0)
    learned = {name: random.normal(0, 1, array.shape).astype(np.float32) for name, array in learned.items()}
    taken = new.take_over(old, learned, first)
    assert (taken.kept, taken.added, taken.left_out) == (["cow", "ground"], ["dog"], ["ant", "bee"])
    fusing = f"head/{len(FACTORS)}/kernel"
    for name, array in taken.arrays.items():
        if name != fusing:
            kept = [learned[name][..., 3], learned[name][..., 0], first[name][..., 2]]
            assert np.array_equal(array, np.stack(kept, axis=-1)), name
    begun = taken.arrays[fusing].reshape(5, 3, 3)
    theirs, ours = learned[fusing].reshape(5, 4, 4), first[fusing].reshape(5, 3, 3)
    there = {0: 3, 1: 0}  # cow and ground, by their places in both
    for given in range(3):
        for fused in range(3):
            known = given in there and fused in there
            expected = theirs[:, there[given], there[fused]] if known else ours[:, given, fused]
            assert np.array_equal(begun[:, given, fused], expected)


@pytest.mark.parametrize(
    ("head", "changed", "named"),
    [
        ("side_outputs:8", {}, "unknown head"),
        ("side_outputs", {"map@2": None}, "needs the features map@1, map@2, map@4, map@8, map@16"),
        ("side_outputs", {"map@4": (None, 3, 19, 5)}, "the first of which is the largest"),
        ("side_outputs", {"map@1": (None, None, None, 3)}, "the first of which is the largest"),
    ],
)
def test_what_it_does_not_fit_is_refused(head, changed, named):
    shapes = {name: shape for name, shape in {**SHAPES, **changed}.items() if shape is not None}
    with pytest.raises(UsageError, match=named):
        build_head(head, shapes, classes=3, seed=0)
