#!/usr/bin/env bash
# Pillow 13.0.0: a grey PNG of 2 or 4 bits a pixel is opened as mode L with values scaled to 0..255: a mask that stores
# class 1 is read as 85 (2 bits) or 17 (4 bits), and nothing in mode or info says that there were fewer bits. The same
# values in a palette PNG of as many bits are read as they stand.
# A good guess: mode L holds the numbers that the file holds, as it does for 8 bits, and as mode P does at any number of
# bits.
# Seen 2026-11-30 on Linux, Python 3.11: stored 0, 1, 2, 3 are read as 0, 85, 170, 255 and as 0, 17, 34, 51; with a palette
# as 0, 1, 2, 3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 pypng==0.20220715.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import PIL
import png
from PIL import Image

row = [0, 1, 2, 3]
found = {}
for bits in (2, 4):
    with open("grey.png", "wb") as file:
        png.Writer(4, 1, greyscale=True, bitdepth=bits).write(file, [row])
    with open("palette.png", "wb") as file:
        png.Writer(4, 1, palette=[(value, 0, 0) for value in range(4)], bitdepth=bits).write(file, [row])
    for name in ("grey", "palette"):
        picture = Image.open(f"{name}.png")
        found[name, bits] = (picture.mode, list(picture.get_flattened_data()))
print(PIL.__version__, found)
assert found == {
    ("grey", 2): ("L", [0, 85, 170, 255]),
    ("palette", 2): ("P", row),
    ("grey", 4): ("L", [0, 17, 34, 51]),
    ("palette", 4): ("P", row),
}
PYTHON
