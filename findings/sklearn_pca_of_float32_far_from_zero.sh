#!/usr/bin/env bash
# scikit-learn 1.9.1: PCA with its default solver gives wrong axes and variances for float32 numbers whose means are large
# beside their spread: where there are ten times as many samples as features, "auto" means "covariance_eigh", which
# subtracts the means' product from X'X in float32. `svd_solver="full"` is right on the same array.
# A good guess: PCA centres its input, as its documentation says, so a constant that is added to a feature changes nothing
# that float32 can hold; all numbers here are held to 0.0001.
# Features of networks without a norm at their end, temperatures in kelvin, years, coordinates are such numbers.
# Seen 2026-12-01 on Linux, Python 3.11: 2,000 samples of 20 features with deviations of 0.1 to 2, plus 1,000: the first
# variance is 2.8 times what it should be, and its axis shares 0.05 with the right one; plus 100, all is right to 1 %.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.decomposition import PCA

spread = np.random.default_rng(0).normal(size=(2000, 20)) * np.linspace(0.1, 2, 20)
found = {}
for mean in (0, 100, 1000):
    rows = (spread + mean).astype("float32")
    right = PCA(5, svd_solver="full").fit(rows.astype("float64"))
    for solver in ("auto", "full"):
        fitted = PCA(5, svd_solver=solver).fit(rows)
        ratio = fitted.explained_variance_[0] / right.explained_variance_[0]
        shared = abs(float(fitted.components_[0] @ right.components_[0]))
        found[mean, solver] = ratio, shared
        print(sklearn.__version__, f"mean {mean}, {solver}: variance x {ratio:.3f}, axis shares {shared:.3f}")
for mean in (0, 100, 1000):
    assert np.allclose(found[mean, "full"], 1, atol=1e-3)
assert np.allclose(found[0, "auto"], 1, atol=1e-3)
assert found[1000, "auto"][0] > 1.5 and found[1000, "auto"][1] < 0.5
PYTHON
