"""The three input kinds."""

import numpy as np

from headstart.errors import DataError, PluginError
from headstart.specs import Prepared, Preview, Sample, TensorSpec

LONGEST = 128
SIDE = 32
WINDOW = 64


class Marks:
    """A Sample's value is (time,) int32. Trims batches to 8, 32 or 128 symbols."""

    lengths = (8, 32, LONGEST)
    hint = "symbols are whole numbers from 1 on"

    def __init__(self, request):
        self.tensors = {
            "tokens": TensorSpec((LONGEST,), "int32", length_axis=0),
            "mask": TensorSpec((LONGEST,), "bool", length_axis=0),
        }
        self.output_ranges = {}

    def read(self, payload, where):
        symbols = np.array(payload.split(), np.int32) if isinstance(payload, str) else np.asarray(payload)
        if symbols.ndim != 1 or not 1 <= len(symbols) <= LONGEST or symbols.min() < 1:
            raise DataError(f"{where}: expected 1 to {LONGEST} symbols from 1 on, received {symbols.shape}")
        return Sample(symbols.astype(np.int32))

    def prepare(self, sample):
        length = len(sample.value)
        tokens = np.zeros(LONGEST, np.int32)
        tokens[:length] = sample.value
        return Prepared({"tokens": tokens, "mask": np.arange(LONGEST) < length}, {"symbols": length}, length)

    def transform(self, tensors, changes):
        for change in changes:
            raise PluginError(f"cannot apply {change.name!r}: no change is declared")
        return tensors

    def stage(self):
        import keras

        tokens = keras.Input((None,), dtype="int32", name="tokens")
        mask = keras.Input((None,), dtype="bool", name="mask")
        outputs = {"tokens": keras.layers.Identity()(tokens), "mask": keras.layers.Identity()(mask)}
        return keras.Model({"tokens": tokens, "mask": mask}, outputs)

    def find(self, raw):
        return [str(raw)]

    def fingerprint(self, sample):
        return None

    def preview(self, sample, changes=()):
        return Preview("text/plain", " ".join(map(str, sample.value)).encode())


class Scenes:
    """A Sample's value is (height, width) uint8; facts keep its size."""

    hint = "grey values are 0 to 255"

    def __init__(self, request):
        self.tensors = {"scene": TensorSpec((SIDE, SIDE, 1), "uint8")}
        self.output_ranges = {"scene": (0.0, 1.0)}

    def read(self, payload, where):
        try:
            picture = payload if isinstance(payload, np.ndarray) else np.load(payload)
        except (OSError, TypeError, ValueError) as exc:
            raise DataError(f"{where}: cannot be read: {exc}") from exc
        if picture.ndim != 2 or picture.dtype != np.uint8:
            raise DataError(f"{where}: expected (height, width) uint8, received {picture.shape} {picture.dtype}")
        return Sample(picture)

    def prepare(self, sample):
        height, width = sample.value.shape
        return Prepared({"scene": resized(sample.value, SIDE, SIDE)[..., None]}, {"height": height, "width": width})

    def transform(self, tensors, changes):
        picture = tensors["scene"]
        for change in changes:
            if change.name != "mirror":
                raise PluginError(f"cannot apply {change.name!r}: only mirror is declared")
            picture = picture[:, ::-1]
        return {"scene": np.ascontiguousarray(picture)}

    def stage(self):
        import keras

        scene = keras.Input((SIDE, SIDE, 1), dtype="uint8", name="scene")
        return keras.Model({"scene": scene}, {"scene": keras.layers.Rescaling(1 / 255)(scene)})

    def find(self, raw):
        from pathlib import Path

        path = Path(raw)
        return sorted(path.glob("*.npy")) if path.is_dir() else [path]

    def fingerprint(self, sample):
        return None

    def preview(self, sample, changes=()):
        return None


class Waves:
    """A Sample's value is (time,) float32; each record gives a row for every 64 samples begun."""

    hint = "waves lie between -10 and 10"

    def __init__(self, request):
        self.tensors = {"wave": TensorSpec((WINDOW, 1), "float32")}
        self.output_ranges = {"wave": (-10.0, 10.0)}

    def read(self, payload, where):
        wave = np.asarray(payload)
        if wave.ndim != 1 or not len(wave) or not np.isfinite(wave).all():
            raise DataError(f"{where}: expected finite samples (time,), received {wave.shape}")
        return Sample(wave.astype(np.float32))

    def prepare(self, sample):
        return self.prepare_several(sample)[0]

    def prepare_several(self, sample):
        count = -(-len(sample.value) // WINDOW)
        padded = np.pad(sample.value, (0, count * WINDOW - len(sample.value)))
        return [
            Prepared({"wave": window[:, None]}, {"window": number})
            for number, window in enumerate(padded.reshape(count, WINDOW))
        ]

    def transform(self, tensors, changes):
        for change in changes:
            raise PluginError(f"cannot apply {change.name!r}: no change is declared")
        return tensors

    def stage(self):
        import keras

        wave = keras.Input((WINDOW, 1), name="wave")
        return keras.Model({"wave": wave}, {"wave": keras.layers.Identity()(wave)})

    def find(self, raw):
        return [np.load(raw)]

    def fingerprint(self, sample):
        return None

    def preview(self, sample, changes=()):
        return None


def resized(picture, height, width):
    """(height, width) of a picture (rows, columns): the nearest pixel."""
    rows = (np.arange(height) + 0.5) * picture.shape[0] // height
    columns = (np.arange(width) + 0.5) * picture.shape[1] // width
    return picture[rows.astype(int)][:, columns.astype(int)]
