#!/usr/bin/env bash
# OpenVINO 2026.4.1 (CPU, float32): ReLU turns NaN into 0, so a network answers rows of NaN with a finite, sure and always
# equal probability, that of its biases; numpy, PyTorch, JAX and onnxruntime answer NaN.
# A good guess: NaN goes through ReLU as through everything else, so that broken weights or inputs are seen in the answer.
# Its tanh passes NaN on: whether it is seen depends on the activation.
# Seen 2026-12-01 on Linux, Python 3.11: one NaN of four numbers, and four of four, have the same answer, 0.953.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 numpy==2.4.6
cd "$folder"
HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import openvino
from openvino import opset13 as ops

random = np.random.default_rng(0)
first, last = random.normal(size=(4, 8)).astype("float32"), random.normal(size=(8, 2)).astype("float32")
bias = np.array([3.0, 0.0], "float32")
rows = np.array([[1, 2, 3, 4], [1, np.nan, 3, 4], [np.nan] * 4], "float32")


def answers(activation):
    given = ops.parameter([3, 4], np.float32)
    hidden = activation(ops.matmul(given, first, False, False))
    network = openvino.Model([ops.softmax(ops.add(ops.matmul(hidden, last, False, False), bias), 1)], [given])
    compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([rows])[0][:, 0]


relu, tanh = answers(ops.relu), answers(ops.tanh)
logits = np.maximum(rows @ first, 0) @ last + bias
reference = 1 / (1 + np.exp(logits[:, 1] - logits[:, 0]))
print(openvino.__version__, "relu:", relu, "tanh:", tanh, "numpy, relu:", reference)
assert abs(relu[0] - reference[0]) < 1e-4
assert np.isnan(reference[1:]).all() and np.isnan(tanh[1:]).all()
assert np.isfinite(relu).all() and relu[1] == relu[2] and abs(relu[1] - 1 / (1 + np.exp(-3))) < 1e-4
PYTHON
