"""Recurrent layers by PyTorch's own loop, which runs in C++ over all steps; Keras' runs in Python."""

from __future__ import annotations

from typing import Any

import keras
import torch
from keras import ops

from headstart.engine.lowering.applied import Lowered


class TorchLSTM(Lowered):
    """An LSTM over (batch, time, in), from zeros. Gates are in the same order in both (i, f, candidate, o).

    Sequences of zeros alone, such as windows in which no recording is, all have one answer, which is computed once,
    where nothing learns from what they were made of.
    """

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        """(batch, time, units), or (batch, units) of the last step where the stock layer gives that; which computes
        itself what has a mask or another beginning."""
        (layer,) = self.stock
        if initial_state is not None or mask is not None:
            return layer(sequences, initial_state=initial_state, mask=mask, training=training)
        cell = layer.cell
        kernel, recurrent = ops.convert_to_tensor(cell.kernel).t(), ops.convert_to_tensor(cell.recurrent_kernel).t()
        bias = ops.convert_to_tensor(cell.bias)
        empty = (sequences == 0).flatten(1).all(dim=1)
        filled = (~empty).nonzero()[:, 0]
        has_gradient = torch.is_grad_enabled() and sequences.requires_grad  # each sequence has one of its own
        is_shared = len(filled) < len(sequences) - 1 and not has_gradient
        given = (
            torch.cat([sequences[filled], sequences.new_zeros((1, *sequences.shape[1:]))]) if is_shared else sequences
        )
        begin = sequences.new_zeros((1, len(given), cell.units))
        found, last, _ = torch.lstm(
            given, (begin, begin), (kernel, recurrent, bias, torch.zeros_like(bias)), True, 1, 0.0, False, False, True
        )
        answers = found if layer.return_sequences else last[0]
        if not is_shared:
            return answers
        places = torch.where(empty, len(filled), (~empty).cumsum(0) - 1)
        return answers[places]


def lstm(layer: keras.Layer) -> keras.Layer | None:
    """A `TorchLSTM`, or None for what PyTorch's has no form for: other activations, dropout, states that are given or
    kept, other directions."""
    cell = layer.cell
    usual = (cell.activation, cell.recurrent_activation) == (keras.activations.tanh, keras.activations.sigmoid)
    odd = layer.go_backwards or layer.stateful or layer.return_state or cell.dropout or cell.recurrent_dropout
    plain = layer.compute_dtype == "float32" and cell.use_bias and usual and not odd
    return TorchLSTM(layer) if plain else None
