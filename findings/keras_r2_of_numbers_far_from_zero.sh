#!/usr/bin/env bash
# Keras 3.15.1: `R2Score` is wrong where the targets' mean is large beside their spread, and may be above 1: it sums squares
# of the targets in float32 and subtracts the mean's square.
# A good guess: it is scikit-learn's `r2_score`, as its documentation says of its averages, to what float32 can hold; that
# has 0.989 of the same float32 arrays, and a score above 1 does not exist.
# Coordinates in metres, days since a date, pressures in pascal are such numbers. ModelCheckpoint takes the epoch with the
# largest error of rounding for the best.
# Seen 2026-12-01 on Linux, Python 3.11: 1,000 targets of deviation 1 have 1.0004 around 10,000 and 0.0 around 100,000;
# around 0 they have 0.989, as scikit-learn has it of all three.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 keras==3.15.1 scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from sklearn.metrics import r2_score

random = np.random.default_rng(0)
spread, errors = random.normal(size=(1000, 1)), 0.1 * random.normal(size=(1000, 1))
found = {}
for mean in (0, 10_000, 100_000):
    truth, answers = ((spread + each + mean).astype("float32") for each in (0, errors))
    metric = keras.metrics.R2Score()
    metric.update_state(truth, answers)
    found[mean] = float(metric.result()), r2_score(truth, answers)
    print(keras.__version__, f"around {mean:,}: {found[mean][0]:.4f}, scikit-learn {found[mean][1]:.4f}")
assert all(abs(reference - found[0][1]) < 0.002 for _, reference in found.values())
assert abs(found[0][0] - found[0][1]) < 1e-4
assert found[10_000][0] > 1 and abs(found[100_000][0] - found[100_000][1]) > 0.1
PYTHON
