#!/usr/bin/env bash
# Keras 3.15.1: `PearsonCorrelation()` is NaN for every network that answers one number, since it correlates along the
# last axis, of which there is one; with `axis=0` it is the mean of the correlations of the batches. The same holds for
# `ConcordanceCorrelation`.
# A good guess: it gathers what the correlation of all samples needs, as R2Score and AUC do, whatever the batches; its
# documentation shows it in `compile` and calls it widely used in regression.
# Seen 2026-12-01 on Linux, Python 3.11: perfect answers have NaN; answers that are right within each half and wrong
# between the halves have -0.74 in one batch, as numpy says, and 1.0 in two.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 numpy==2.4.6
cd "$folder"
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np


def told(truth, answers, batch_size, **settings):
    metric = keras.metrics.PearsonCorrelation(**settings)
    for start in range(0, len(truth), batch_size):
        metric.update_state(truth[start : start + batch_size], answers[start : start + batch_size])
    return float(metric.result())


own = np.random.default_rng(0).normal(size=(100, 1)).astype("float32")
half = np.repeat([[1.0], [-1.0]], 50, axis=0).astype("float32")
truth, answers = own - 2.5 * half, own + 2.5 * half
found = {
    "perfect answers": told(truth, truth, 100),
    "wrong ones, axis=0, one batch": told(truth, answers, 100, axis=0),
    "the same, two batches": told(truth, answers, 50, axis=0),
    "the same by numpy": float(np.corrcoef(truth[:, 0], answers[:, 0])[0, 1]),
}
print(keras.__version__, {name: round(value, 4) for name, value in found.items()})
perfect, one, two, reference = found.values()
assert np.isnan(perfect)
assert abs(one - reference) < 1e-4 and reference < -0.7
assert abs(two - 1) < 1e-4
PYTHON
