"""Photographs, and outputs on them as plain numbers: what the scripts of this folder write and tests compare with."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PLACES = 100
"""How many numbers of a tensor are written down."""


def photographs(height, width):
    """(2, height, width, 3) uint8: the middle of scikit-learn's china.jpg and flower.jpg, nearest pixels."""
    from sklearn.datasets import load_sample_images

    pictures = np.stack(load_sample_images().images)
    tall, wide = pictures.shape[1:3]
    scale = min(tall / height, wide / width)
    rows = (tall - height * scale) / 2 + (np.arange(height) + 0.5) * scale
    columns = (wide - width * scale) / 2 + (np.arange(width) + 0.5) * scale
    return np.ascontiguousarray(pictures[:, rows.astype(int)][:, :, columns.astype(int)])


def digest(pixels):
    """Says whether a JPEG decoder gave the same pixels."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def places(count):
    """The places, in a flat tensor of that many numbers, of those that are written down."""
    return np.unique(np.linspace(0, count - 1, PLACES).astype(int))


def written(tensor):
    """A tensor (batch, ..., channel) as plain values: its shape, its deviation, and some of its numbers."""
    values = np.ravel(tensor)[places(tensor.size)]
    return {
        "shape": list(tensor.shape),
        "deviation": float(tensor.std()),
        "values": [float(f"{value:.8g}") for value in values],
    }


def problems(tensor, expected):
    """How a tensor differs from what was written down, by the rule for all tolerances; None where it does not."""
    deviation = expected["deviation"]
    if list(tensor.shape) != expected["shape"] or deviation <= 0.01:
        return f"shape {list(tensor.shape)}, deviation {deviation}; expected {expected['shape']}, above 0.01"
    apart = np.abs(np.ravel(tensor)[places(tensor.size)] - np.array(expected["values"])).max()
    return None if apart <= 1e-4 * max(1.0, deviation) else f"{apart} apart at a deviation of {deviation}"


def recorded(name):
    """The JSON file of a script."""
    return json.loads((HERE / f"{name}.json").read_text("utf-8"))


def conclude(name, versions, outputs, pixels):
    """Write what a script computed, or compare it with the file. `outputs` and `pixels` are by size, "224x160"."""
    if "--write" in sys.argv[1:]:
        document = {
            "versions": versions,
            "pixels": {size: digest(each) for size, each in pixels.items()},
            "outputs": {
                size: {key: written(tensor) for key, tensor in tensors.items()} for size, tensors in outputs.items()
            },
        }
        (HERE / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        return
    stored, wrong = recorded(name), 0
    for size, tensors in outputs.items():
        if digest(pixels[size]) != stored["pixels"][size]:
            sys.exit(f"{name} {size}: this JPEG decoder gives other pixels than those of {name}.json")
        for key, tensor in tensors.items():
            problem = problems(tensor, stored["outputs"][size][key])
            wrong += problem is not None
            print(f"{name} {size} {key}: {problem or 'as recorded'}")
    print(f"computed with {versions}, recorded with {stored['versions']}")
    sys.exit(bool(wrong))


def conclude_arrays(file, arrays, versions):
    """Write what a script computed into its .npz `file`, with --write, or stop where it differs from that."""
    if "--write" in sys.argv[1:]:
        np.savez_compressed(file, **arrays, versions=np.array(json.dumps(versions)))
        return
    stored = np.load(file)
    for key, array in arrays.items():
        assert stored[key].shape == array.shape, key
        apart = np.abs(stored[key] - array).max()
        assert apart <= 1e-4 * max(1.0, array.std()), (key, apart)
    print(f"{file.name} as recorded, by {stored['versions']}; now {versions}")
