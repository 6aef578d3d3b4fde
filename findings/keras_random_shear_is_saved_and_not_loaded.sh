#!/usr/bin/env bash
# Keras 3.15.1: a model with RandomShear(0.2, 0.2), as tutorials put in front of a network, trains, predicts and is saved
# as a .keras file without a word, and cannot be loaded again: its configuration holds the range -0.2 to 0.2 that the
# layer made of the number, and the layer takes ranges from 0 to 1 alone.
# A good guess: what a layer writes as its configuration, it takes.
# Seen 2026-11-30 on Linux, Python 3.11: "The `factor` argument should be a number (or a list of two numbers) in the range
# [0, 1.0]. Received: input_number=-0.2"; RandomZoom(0.2) in the same place is loaded.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2
cd "$folder"
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np


def loaded_again(layer):
    model = keras.Sequential([keras.Input((8, 8, 3)), layer])
    model.predict(np.zeros((2, 8, 8, 3), "float32"), verbose=0)
    model.save("model.keras")
    try:
        keras.models.load_model("model.keras")
    except (TypeError, ValueError) as error:
        return str(error)
    return "loaded"


assert loaded_again(keras.layers.RandomZoom(0.2)) == "loaded"
said = loaded_again(keras.layers.RandomShear(0.2, 0.2))
print(keras.__version__, said[-140:].strip())
assert "in the range [0, 1.0]" in said and "-0.2" in said, said
PYTHON
