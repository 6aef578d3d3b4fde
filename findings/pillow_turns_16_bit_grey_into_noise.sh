#!/usr/bin/env bash
# Pillow 13.0.0: `rotate` and `transform` of a 16-bit grey picture (mode I;16) with BILINEAR or BICUBIC give other numbers,
# below 256 for the most part, without an error: an affine transform that moves nothing turns 33280 into 0. NEAREST and
# `resize` with any filter are right, and so are `rotate` and `transform` after `convert("I")`.
# A good guess: since `resize` takes 16 bits with all filters, the geometry beside it does, or says that it cannot.
# Whoever varies depth maps, thermal or medical pictures by small turns trains on noise.
# Seen 2026-12-01 on Linux, Python 3.11: of values from 0 to 65520 the largest after such a transform is 253.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import PIL
from PIL import Image

values = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
picture = Image.fromarray(values)
assert picture.mode == "I;16"
stays = (1, 0, 0, 0, 1, 0)


def moved(picture, filter):
    found = picture.transform(picture.size, Image.Transform.AFFINE, stays, filter)
    return np.asarray(found).astype(np.int64)


found = {filter.name: moved(picture, filter) for filter in (Image.Resampling.NEAREST, Image.Resampling.BILINEAR)}
wide = moved(picture.convert("I"), Image.Resampling.BILINEAR)
turned = np.asarray(picture.rotate(10, Image.Resampling.BICUBIC))
print(PIL.__version__, "in:", values[32, 32], values.max())
print({name: (int(each[32, 32]), int(each.max())) for name, each in found.items()}, "after convert: ", wide[32, 32])
print("turned by 10 degrees:", turned[32, 32], turned.max())
assert (found["NEAREST"] == values).all() and (wide == values).all()
assert found["BILINEAR"].max() < 256 and found["BILINEAR"][32, 32] == 0
assert turned.max() < 256
assert np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR)).max() > 60000
PYTHON
