"""What heads that write sequences are fed, and their loss, against its definition in numpy."""

import numpy as np
import pytest

pytestmark = pytest.mark.backend

ROWS, MOST, VOCABULARY = 3, 5, 11
REAL = np.arange(MOST) < np.array([5, 2, 0])[:, None]


def given():
    random = np.random.default_rng(4)
    logits = (3 * random.normal(size=(ROWS, MOST, VOCABULARY))).astype(np.float32)
    return logits, random.integers(0, VOCABULARY, (ROWS, MOST)).astype(np.int32)


def expected(logits, tokens, smoothing):
    """Losses of rows, and the gradient of their sum weighted by 1, 2, 3."""
    logits = logits.astype(np.float64)
    likely = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    wanted = np.eye(VOCABULARY)[tokens] * (1 - smoothing) + smoothing / VOCABULARY
    counts = np.maximum(REAL.sum(1), 1)
    losses = (-(wanted * likely).sum(-1) * REAL).sum(1) / counts
    weights = np.arange(1, ROWS + 1)[:, None] * REAL / counts[:, None]
    return losses, (np.exp(likely) - wanted) * weights[..., None]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_and_its_gradient_are_those_of_the_definition(smoothing):
    import keras

    from headstart.engine.device import inference
    from headstart_plugins._sequences.targets import token_loss

    logits, tokens = given()
    losses, gradient = expected(logits, tokens, smoothing)

    def loss(logits, tokens, real):
        return token_loss(logits, tokens, real, smoothing=smoothing)

    found = inference(lambda x: loss(x["logits"], x["tokens"], x["real"]), ())(
        {"logits": logits, "tokens": tokens, "real": REAL}
    )
    np.testing.assert_allclose(found, losses, atol=1e-5)
    weights = np.arange(1, ROWS + 1, dtype=np.float32)
    if keras.backend.backend() == "jax":
        import jax

        found = jax.jit(jax.grad(lambda logits: (loss(logits, tokens, REAL) * weights).sum()))(logits)
    else:
        import torch

        point = torch.tensor(logits, requires_grad=True)
        (loss(point, torch.tensor(tokens), torch.tensor(REAL)) * torch.tensor(weights)).sum().backward()
        found = point.grad
    np.testing.assert_allclose(np.asarray(found), gradient, atol=1e-6)


def test_heads_are_fed_the_token_before():
    import keras

    from headstart_plugins._sequences.targets import teacher_inputs

    _, tokens = given()
    fed = keras.ops.convert_to_numpy(teacher_inputs(keras.ops.convert_to_tensor(tokens), start=7))

    assert fed.dtype == np.int32
    assert fed[:, 0].tolist() == [7] * ROWS
    assert np.array_equal(fed[:, 1:], tokens[:, :-1])


def test_over_the_mean_length_each_token_counts_alike():
    from headstart.engine.device import inference
    from headstart_plugins._sequences.targets import loss_by_mean_length

    logits, tokens = given()
    losses, _ = expected(logits, tokens, 0.1)
    found = inference(lambda x: loss_by_mean_length(x["logits"], x["tokens"], x["real"], mean=3.5, smoothing=0.1), ())(
        {"logits": logits, "tokens": tokens, "real": REAL}
    )
    assert losses[0] > 0.5
    np.testing.assert_allclose(found, losses * REAL.sum(1) / 3.5, atol=1e-5)


def test_targets_are_cut_to_doubled_lengths_up_to_the_longest():
    from headstart_plugins._sequences import lengths_up_to

    assert lengths_up_to(100) == (16, 32, 64, 100)
    assert lengths_up_to(64) == (16, 32, 64)
    assert lengths_up_to(4) == (4,)
