#!/usr/bin/env bash
# Keras 3.15.1: a network whose answers are all equal has a top-k accuracy of 1.0, whatever k is, 1 included; one whose
# answers are NaN has 1.0 on JAX and 0.0 on PyTorch.
# A good guess: k of C classes are counted, so a network that tells nothing has k / C, as `SparseCategoricalAccuracy`
# gives it about 1 / C; and a network that broke has 0 on either backend.
# Why: the truth's score is compared with the k-th largest, and ties count; on JAX NaN passes the comparison.
# ModelCheckpoint(save_best_only=True) on it keeps the epoch in which the network died: nothing is above 1.0.
# Seen 2026-12-01 on Linux, Python 3.11: 1,000 samples of 100 classes.
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

truth = np.random.default_rng(0).integers(0, 100, 1000)
answers = {"equal": np.full((1000, 100), 0.01, "float32"), "NaN": np.full((1000, 100), np.nan, "float32")}
metrics = {
    "top 5": lambda: keras.metrics.SparseTopKCategoricalAccuracy(k=5),
    "top 1": lambda: keras.metrics.SparseTopKCategoricalAccuracy(k=1),
    "accuracy": keras.metrics.SparseCategoricalAccuracy,
}
found = {}
for what, given in answers.items():
    for name, metric in metrics.items():
        told = metric()
        told.update_state(truth, given)
        found[what, name] = float(told.result())
print(keras.__version__, keras.config.backend(), {" ".join(key): round(value, 3) for key, value in found.items()})
assert found["equal", "top 5"] == found["equal", "top 1"] == 1
assert found["equal", "accuracy"] < 0.05 and found["NaN", "accuracy"] < 0.05
assert found["NaN", "top 5"] == found["NaN", "top 1"] == float(sys.argv[1])
PYTHON
KERAS_BACKEND=jax "$folder/venv/bin/python" seen.py 1
KERAS_BACKEND=torch "$folder/venv/bin/python" seen.py 0
