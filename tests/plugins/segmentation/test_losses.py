"""Losses and their gradients against the same in float64, pixel by pixel; on this process' backend."""

import drawn_masks as examples
import keras
import numpy as np
import pytest

from headstart_plugins._mask import VOID
from headstart_plugins.segmentation._loss import class_weights

pytestmark = pytest.mark.backend

SMALL = (9, 14)
"""Pixels of the masks here: cells of 3 x 4 do not divide them."""
COUNTS = (700, 200, 0, 100)
CASES = {
    "cross_entropy": {},
    "dice": {},
    "focal": {"gamma": 1.5},
    "cross_entropy+dice": {},
    "weighed": {"weights": True},
    "focal, weighed": {"gamma": 2.0, "weights": True},
}


def drawn():
    """Masks and logits of three pictures: one with all classes and some void, one of a single class, one of void."""
    random = np.random.default_rng(0)
    masks = np.stack(
        [examples.blobs(random, SMALL, 4, void=0.2, coarse=3), np.full(SMALL, 1), np.full(SMALL, VOID)]
    ).astype(np.uint8)
    return masks, examples.logits(random, 3, (3, 4))


def task_of(case):
    name = "cross_entropy" if case == "weighed" else case.partition(",")[0]
    options = {"loss": name, **({"balance": "class_weights"} if CASES[case].get("weights") else {})}
    if CASES[case].get("gamma", 2.0) != 2.0:
        options["gamma"] = CASES[case]["gamma"]
    from dataclasses import replace

    return replace(examples.task(**options), counts=COUNTS, size=SMALL), name


def loss_and_gradient(task, masks, logits, *, training=True):
    """The losses (batch,), and the gradient of their sum by the logits."""
    if keras.backend.backend() == "jax":
        import jax

        def total(given):
            losses = task.loss({"mask": masks}, {"logits": given}, training=training)
            return losses.sum(), losses

        gradient, losses = jax.jit(jax.grad(total, has_aux=True))(logits)
        return np.array(losses), np.array(gradient)
    import torch

    given = torch.from_numpy(logits.copy()).requires_grad_()
    losses = task.loss({"mask": torch.from_numpy(masks)}, {"logits": given}, training=training)
    (gradient,) = torch.autograd.grad(losses.sum(), [given])
    return losses.detach().numpy(), gradient.numpy()


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_are_those_of_their_definitions(case):
    """Of a gradient, every fifth number, by differences of the loss."""
    masks, logits = drawn()
    task, name = task_of(case)
    weights = class_weights(COUNTS, 0.5) if CASES[case].get("weights") else None
    more = {"gamma": CASES[case].get("gamma", 2.0), "weights": weights}
    losses, gradient = loss_and_gradient(task, masks, logits)
    expected = [examples.losses_by_hand(*pair, name, **more) for pair in zip(masks, logits, strict=True)]
    assert np.std(expected) > 0.01
    assert np.abs(losses - expected).max() <= 1e-4 * max(1.0, np.std(expected))
    assert losses[2] == 0
    assert not gradient[2].any()
    for row in (0, 1):
        given = logits[row].astype(np.float64)
        found = []
        for place in np.ndindex(*given.shape):
            if sum(place) % 5 == 0:
                moved = [given.copy(), given.copy()]
                moved[0][place] += 1e-5
                moved[1][place] -= 1e-5
                high, low = (examples.losses_by_hand(masks[row], each, name, **more) for each in moved)
                found.append((gradient[row][place], (high - low) / 2e-5))
        own, by_hand = np.array(found).T
        assert np.abs(by_hand).max() > 1e-3
        assert np.abs(own - by_hand).max() <= 1e-4 * max(1.0, by_hand.std())


@pytest.mark.slow_on_jax
@pytest.mark.parametrize("case", ["cross_entropy", "dice", "focal", "cross_entropy+dice"])
def test_where_nothing_is_learned_the_loss_of_each_picture_is_the_same(case):
    masks, logits = drawn()
    task, _ = task_of(case)
    learned, _ = loss_and_gradient(task, masks, logits)
    scored, _ = loss_and_gradient(task, masks, logits, training=False)
    assert np.std(learned) > 0.01
    assert np.abs(learned - scored).max() <= 1e-5


def test_classes_are_evened_out_in_training_alone():
    masks, logits = drawn()
    task, _ = task_of("weighed")
    plain, _ = task_of("cross_entropy")
    weighed, _ = loss_and_gradient(task, masks, logits, training=True)
    scored, _ = loss_and_gradient(task, masks, logits, training=False)
    expected, _ = loss_and_gradient(plain, masks, logits, training=False)
    assert np.abs(scored - expected).max() <= 1e-6
    assert abs(weighed[0] - scored[0]) > 0.01


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_weights_have_a_mean_of_1_over_the_pixels_of_train(tau):
    weights = class_weights(COUNTS, tau)
    shares = np.array(COUNTS) / sum(COUNTS)
    assert weights @ shares == pytest.approx(1.0)
    assert weights[2] == 1.0
    known = np.flatnonzero(shares)
    assert (weights * shares**tau)[known] == pytest.approx((weights * shares**tau)[0])


def test_a_class_that_is_not_there_does_not_count_as_the_worst():
    """Keras' own Dice does count it: of a mask that is answered rightly, the loss is near 0, and its is not."""
    masks = np.zeros((1, *SMALL), np.uint8)
    masks[:, :, 7:] = 1
    logits = np.full((1, 3, 4, 4), -30, np.float32)
    logits[:, :, :2, 0] = logits[:, :, 2:, 1] = 30
    task, _ = task_of("dice")
    losses, _ = loss_and_gradient(task, masks, logits)
    assert losses[0] < 0.01
    hot = np.eye(4, dtype=np.float32)[masks]
    theirs = keras.losses.Dice(axis=(1, 2), reduction=None)(hot, hot)
    assert float(np.mean(np.array(keras.ops.convert_to_numpy(theirs)))) > 0.4
