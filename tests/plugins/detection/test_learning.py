"""Loss, gradients, boxes and assignment against the same in float64, cell by cell; on this process' backend."""

import boxes_by_hand as naive
import drawn_boxes as examples
import keras
import numpy as np
import pytest

from headstart_plugins.detection._assign import assign
from headstart_plugins.detection._decode import expected_boxes
from headstart_plugins.detection._grid import cells_of
from headstart_plugins.detection._loss import boxes_of

pytestmark = pytest.mark.backend


def computed(function, *batches):
    """`function` of batches of arrays, compiled where the backend compiles; arrays."""
    given = [{name: keras.ops.convert_to_tensor(array) for name, array in each.items()} for each in batches]
    if keras.backend.backend() == "jax":
        import jax

        function = jax.jit(function)
    return keras.tree.map_structure(lambda each: np.array(keras.ops.convert_to_numpy(each)), function(*given))


def loss_and_gradients(task):
    """From targets and outputs to the losses (batch,), and the gradients of their sum by the outputs."""

    def on_jax(targets, outputs):
        import jax

        def total(outputs):
            losses = task.loss(targets, outputs, training=True)
            return losses.sum(), losses

        gradients, losses = jax.grad(total, has_aux=True)(outputs)
        return losses, gradients

    def on_torch(targets, outputs):
        import torch

        outputs = {name: tensor.requires_grad_() for name, tensor in outputs.items()}
        losses = task.loss(targets, outputs, training=True)
        return losses.detach(), dict(zip(outputs, torch.autograd.grad(losses.sum(), [*outputs.values()]), strict=True))

    return on_jax if keras.backend.backend() == "jax" else on_torch


def assert_close(found, expected):
    assert np.std(expected) > 0.01
    assert np.abs(found - expected).max() <= 1e-4 * max(1.0, float(np.std(expected)))


def owners_of(targets, outputs):
    cells = cells_of(examples.SIZE)
    region = keras.ops.logical_or(targets["crowd"], targets["difficult"])
    found = assign(
        targets["boxes"] * keras.ops.convert_to_tensor(cells.extent),
        targets["classes"],
        keras.ops.logical_and(targets["valid"], keras.ops.logical_not(region)),
        logits=outputs["classes"],
        predicted=boxes_of(outputs["sides"], cells),
        cells=cells,
    )
    return keras.ops.where(found.positive, found.owner, -1)


def expected_owners(targets, outputs, row):
    owners = naive.owners_of(targets, outputs, row, examples.SIZE)
    return [-1 if owner is None else owner for owner in owners]


def test_loss_and_gradients_are_those_of_their_definitions():
    targets, outputs = examples.drawn(0)
    losses, gradients = computed(loss_and_gradients(examples.task()), targets, outputs)
    expected = [naive.loss_and_gradients(targets, outputs, row, examples.SIZE) for row in range(3)]
    assert_close(losses, [each[0] for each in expected])
    for place, name in ((1, "classes"), (2, "sides")):
        by_hand = np.stack([each[place] for each in expected])
        assert np.abs(by_hand).max() > 0.01  # most cells have no box, and then most gradients are 0
        assert np.abs(gradients[name] - by_hand).max() <= 1e-4 * np.abs(by_hand).max()


def test_boxes_are_the_expectation_of_their_sides():
    _, outputs = examples.drawn(1)
    cells = cells_of(examples.SIZE)
    found = computed(lambda given: boxes_of(given["sides"], cells), outputs)
    grid = naive.cells(*examples.SIZE)
    by_hand = np.array([naive.box_of(sides, cell) for sides, cell in zip(outputs["sides"][0], grid, strict=True)])
    assert_close(found[0], by_hand)
    assert_close(expected_boxes(outputs["sides"][0], cells, np.arange(len(grid))), by_hand)


def test_every_cell_has_the_box_that_the_definition_gives_it():
    compared = 0
    for seed in range(6):
        targets, outputs = examples.drawn(seed)
        found = computed(owners_of, targets, outputs)
        for row in range(3):
            assert found[row].tolist() == expected_owners(targets, outputs, row), (seed, row)
            compared += int((found[row] >= 0).sum())
    assert compared > 150


def test_of_cells_and_boxes_that_are_equally_good_the_first_one_comes_first():
    """Equal scores and sides everywhere, boxes around the middle of cells, one of them twice: what remains are ties,
    which `top_k` breaks otherwise on JAX than on PyTorch (Keras 3.15)."""
    targets, outputs = examples.drawn(0)
    outputs = {name: np.zeros_like(array) for name, array in outputs.items()}
    boxes = np.array([[8, 8, 88, 56], [8, 8, 88, 56], [24, 16, 72, 48], [0, 0, 96, 64], [20, 20, 28, 28], [0, 0, 8, 8]])
    targets["boxes"] = (boxes / [96, 64, 96, 64] * targets["valid"][..., None]).astype(np.float32)
    targets |= {"crowd": targets["crowd"] & False, "difficult": targets["difficult"] & False}
    found = computed(owners_of, targets, outputs)
    assert found[0].tolist() == expected_owners(targets, outputs, 0)
    assert 0 in found[0]
    assert 1 not in found[0]


def test_a_box_between_all_centres_is_learned_by_the_cell_around_its_own():
    targets, outputs = examples.drawn(0)
    targets["valid"] = targets["valid"] & (np.arange(6) == 1)
    targets |= {"crowd": targets["crowd"] & False, "difficult": targets["difficult"] & False}
    found = computed(owners_of, targets, outputs)
    assert np.flatnonzero(found[0] >= 0).tolist() == [4 * 12 + 5]


def test_cells_in_a_crowd_neither_learn_nor_forget_its_class():
    targets, outputs = examples.drawn(0)
    whole = np.array([0, 0, 1, 1], np.float32)
    only = np.arange(6) == 0
    targets["boxes"] = np.where(only[:, None], whole, 0).astype(np.float32)[None].repeat(3, 0)
    targets |= {"valid": np.stack([only] * 3), "crowd": np.stack([only] * 3), "difficult": np.zeros((3, 6), bool)}
    _, gradients = computed(loss_and_gradients(examples.task()), targets, outputs)
    for row in range(3):
        kind = targets["classes"][row, 0]
        others = np.delete(np.arange(3), kind)
        assert not gradients["classes"][row, :, kind].any()
        assert gradients["classes"][row][:, others].all()
    assert not gradients["sides"].any()
