#!/usr/bin/env bash
# Pillow 13.0.0: a palette picture whose values go beyond its palette loses them where it is saved as PNG: with three
# colours, the value 255 (void, in masks of classes) comes back as 3, without an error or a warning. With a palette of 256
# colours all values come back.
# A good guess: a PNG of mode P keeps the indices that the picture holds, since they are what is stored, or is refused
# where an index has no colour.
# Why: the number of bits a pixel is chosen by the length of the palette, and values are cut to these bits.
# Seen 2026-11-30 on Linux, Python 3.11: {0, 1, 255} is read back as {0, 1, 3}; with 256 colours as {0, 1, 255}.
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

mask = np.zeros((4, 4), np.uint8)
mask[1], mask[2] = 1, 255
found = {}
for colours in (3, 256):
    picture = Image.fromarray(mask)
    picture.putpalette([value % 256 for value in range(3 * colours)])
    picture.save("mask.png")
    read = Image.open("mask.png")
    found[colours] = (read.mode, sorted(set(np.asarray(read).ravel().tolist())))
print(PIL.__version__, found)
assert found == {3: ("P", [0, 1, 3]), 256: ("P", [0, 1, 255])}
PYTHON
