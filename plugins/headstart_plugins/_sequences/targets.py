"""What a head that writes sequences is fed in training, and its loss."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def teacher_inputs(next_tokens: Any, start: int) -> Any:
    """The token before each of `next_tokens` (batch, most) int32: the token `start`, then all but the last."""
    first = ops.full((next_tokens.shape[0], 1), start, dtype="int32")
    return ops.concatenate([first, ops.cast(next_tokens[:, :-1], "int32")], axis=1)


def token_loss(logits: Any, next_tokens: Any, real: Any, *, smoothing: float = 0.0) -> Any:
    """The mean cross-entropy of each row's tokens: (batch,) float32.

    `logits` are (batch, most, vocabulary) float32, `next_tokens` (batch, most) int32 what they are to say, `real`
    (batch, most) bool where that counts: a row without any has the loss 0, which means of a split leave out. With
    `smoothing` that share of the target is spread over all tokens (Szegedy et al. 2016). The gradient is written out:
    beside the logits one array of their size is alive at a time, where stock losses keep several.
    """
    counted = ops.cast(real, "float32")
    losses = _token_losses(logits, ops.where(real, next_tokens, 0), smoothing)
    return ops.sum(losses * counted, axis=1) / ops.maximum(ops.sum(counted, axis=1), 1.0)


def loss_by_mean_length(logits: Any, next_tokens: Any, real: Any, *, mean: float, smoothing: float = 0.0) -> Any:
    """The cross-entropy of each row's tokens over the length of the `mean` target: (batch,) float32. So each token
    counts alike over a whole split, however long its sentence is. The rest is as in `token_loss`."""
    found = token_loss(logits, next_tokens, real, smoothing=smoothing)
    return found * ops.sum(ops.cast(real, "float32"), axis=1) / mean


def _token_losses(logits: Any, tokens: Any, smoothing: float) -> Any:
    """(batch, most)."""
    vocabulary = logits.shape[-1]
    tokens = ops.cast(tokens, "int64" if keras.backend.backend() == "torch" else "int32")

    @ops.custom_gradient  # type: ignore[untyped-decorator]  # Keras has no types
    def losses(logits: Any) -> Any:
        whole = ops.logsumexp(logits, axis=-1)
        found = whole - (1.0 - smoothing) * ops.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0]
        if smoothing:
            found = found - smoothing * ops.mean(logits, axis=-1)

        def gradient(*args: Any, upstream: Any = None) -> Any:
            upstream = args[-1] if upstream is None else upstream
            if keras.backend.backend() == "torch":  # in place, in the one array
                wrong = logits.softmax(-1)
                wrong -= smoothing / vocabulary
                wrong.scatter_add_(-1, tokens[..., None], wrong.new_full((*tokens.shape, 1), smoothing - 1.0))
                return wrong.mul_(upstream[..., None])
            right = ops.equal(ops.arange(vocabulary, dtype=tokens.dtype), tokens[..., None])
            wrong = ops.exp(logits - whole[..., None]) - smoothing / vocabulary
            return (wrong - ops.where(right, 1.0 - smoothing, 0.0)) * upstream[..., None]

        return found, gradient

    return losses(logits)
