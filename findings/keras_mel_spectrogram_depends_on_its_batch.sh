#!/usr/bin/env bash
# Keras 3.15.1: `MelSpectrogram` with its defaults gives a clip other numbers beside a louder one than alone: `top_db`
# cuts at 80 dB below the loudest value of the whole batch.
# A good guess: a layer without weights that makes a picture of each clip looks at that clip alone, so `predict` with
# another batch size, or one clip at a time, answers the same. `top_db` is documented as the range of a spectrogram.
# Seen 2026-12-01 on Linux, Python 3.11, on JAX and PyTorch alike: of a clip at -70 dBFS 55 % of the values are cut to one
# beside a clip at -10 dBFS, 1 % alone, and they are up to 45 dB apart. With `top_db` of 200 both are equal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 numpy==2.4.6
cd "$folder"
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

random = np.random.default_rng(0)
loud = random.normal(size=16000)
falling = np.convolve(random.normal(size=16000), 0.97 ** np.arange(400), "same")  # weaker in high bands, as most sounds
clips = np.stack([0.3 * loud / loud.std(), 0.0003 * falling / falling.std()]).astype("float32")
found = {}
for top_db in (80.0, 200.0):
    layer = keras.layers.MelSpectrogram(sampling_rate=16000, fft_length=512, top_db=top_db)
    beside = keras.ops.convert_to_numpy(layer(clips))[1]
    alone = keras.ops.convert_to_numpy(layer(clips[1:]))[0]
    cut = [float(np.mean(each == each.min())) for each in (alone, beside)]
    found[top_db] = (*cut, float(abs(alone - beside).max()))
    print(keras.__version__, "top_db={:.0f}: cut {:.1%} alone, {:.1%} beside; {:.1f} dB apart".format(top_db, *found[top_db]))
assert found[80.0][0] < 0.05 and found[80.0][1] > 0.4 and found[80.0][2] > 20
assert found[200.0][2] < 1e-3
PYTHON
