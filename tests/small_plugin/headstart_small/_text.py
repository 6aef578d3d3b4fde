"""An input kind that reads texts as small pictures: a row of pixels for each word that its vocabulary holds."""

from pathlib import Path

import keras
import numpy as np

from headstart.errors import UsageError
from headstart.specs import Prepared, Preview, Sample, TensorSpec

SIDE = 16
FILE = "vocabulary.txt"


def build(request):
    """The kind with the vocabulary that the user names, or that an artefact keeps."""
    file = request.assets.get(FILE) or request.options.vocabulary
    if not file:
        raise UsageError("small/words needs a vocabulary", hint="--set input.vocabulary=FILE")
    return Words(file)


class Words:
    hint = "does the vocabulary hold the words of these texts?"

    def __init__(self, file):
        self.file = Path(file)
        self.tensors = {"image": TensorSpec((SIDE, SIDE, 3), "uint8")}
        self.output_ranges = {"image": (-1.0, 1.0)}
        self.words = self.file.read_text("utf-8").split()

    def assets(self):
        return {FILE: self.file}

    def read(self, payload, where):
        return Sample(payload)

    def prepare(self, sample):
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        for row, word in enumerate(sample.value.split()[:SIDE]):
            if word in self.words:
                picture[row] = 255 * (self.words.index(word) + 1) // len(self.words)
        return Prepared({"image": picture})

    def stage(self):
        given = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="image")
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(given)
        return keras.Model({"image": given}, {"image": scaled})

    def find(self, raw):
        return [str(raw)]

    def fingerprint(self, sample):
        return None

    def preview(self, sample, changes=()):
        return Preview("text/plain", sample.value.encode())
