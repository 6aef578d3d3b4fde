#!/usr/bin/env bash
# Keras 3.15.1: on JAX `predict`, `predict_on_batch` and `evaluate` leave the state of a recurrent layer with `stateful=True`
# as it was, so each piece of a sequence is answered as if it were the first; on PyTorch they carry it on, as calling the
# model does on both. There is neither an error nor a warning.
# A good guess: one model with the same weights answers the same on both; the layer is there for sequences in pieces, and
# `predict` in batches of one is how streams of sound or sensors are read.
# Seen 2026-12-01 on Linux, Python 3.11: after two equal pieces of three steps `predict` has the answer of the six steps at
# once on PyTorch; on JAX the second piece has the answer of the first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 jax==0.10.2 keras==3.15.1 numpy==2.4.6
cd "$folder"
cat > seen.py <<'PYTHON'
import sys

import keras
import numpy as np


def model(steps, **settings):
    return keras.Sequential([keras.Input(batch_shape=(1, steps, 2)), keras.layers.GRU(2, **settings)])


keras.utils.set_random_seed(0)
piece = np.ones((1, 3, 2), "float32")
whole, pieces = model(6), model(3, stateful=True)
pieces.layers[0].cell.set_weights(whole.layers[0].cell.get_weights())
at_once = whole.predict(np.concatenate([piece, piece], axis=1), verbose=0)
first, second = (pieces.predict(piece, verbose=0) for _ in range(2))
pieces.layers[0].reset_state()
called = [keras.ops.convert_to_numpy(pieces(piece)) for _ in range(2)][1]
print(keras.__version__, keras.config.backend(), "at once", at_once, "second piece: predicted", second, "called", called)
assert abs(first - at_once).max() > 0.01
assert np.allclose(called, at_once, atol=1e-5)
assert np.allclose(second, first if sys.argv[1] == "forgets" else at_once, atol=1e-5)
PYTHON
KERAS_BACKEND=jax "$folder/venv/bin/python" seen.py forgets
KERAS_BACKEND=torch "$folder/venv/bin/python" seen.py carries
