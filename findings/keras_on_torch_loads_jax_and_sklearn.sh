#!/usr/bin/env bash
# Keras 3.15.1 on PyTorch 2.13.0: `import keras` loads JAX, scikit-learn, matplotlib and TorchDynamo, where they are
# installed, though the backend is PyTorch and nothing of them was asked for.
# A good guess: with KERAS_BACKEND=torch the import loads torch and Keras, as an environment without the others shows it
# can, so that what is installed beside it costs a process nothing.
# Seen 2026-12-01 on Linux, Python 3.11: all four are in sys.modules after the import. What the same import takes in the
# same environment without JAX, scikit-learn and matplotlib is printed beside it.
# They come by the callback for Orbax (JAX), keras.src.wrappers (scikit-learn), keras.src.visualization (matplotlib) and a
# decorator in keras.src.backend.torch (TorchDynamo).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 torch==2.13.0 jax==0.10.2 scikit-learn==1.9.1 matplotlib==3.11.2
cd "$folder"
cat > loaded.py <<'PYTHON'
import sys
import time

import torch

started = time.perf_counter()
import keras

seconds = time.perf_counter() - started
others = [name for name in ("jax", "sklearn", "matplotlib", "torch._dynamo") if name in sys.modules]
print(f"keras {keras.__version__} on {keras.backend.backend()}, torch {torch.__version__}: {seconds:.1f} s after torch,", others)
assert keras.backend.backend() == "torch"
assert others == sys.argv[1:], others
PYTHON
export KERAS_BACKEND=torch
"$folder/venv/bin/python" loaded.py jax sklearn matplotlib torch._dynamo
"$folder/venv/bin/pip" uninstall --quiet --yes jax jaxlib scikit-learn matplotlib
"$folder/venv/bin/python" loaded.py torch._dynamo
