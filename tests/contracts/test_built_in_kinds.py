"""The contracts of input kinds, target kinds and tasks over every built-in one."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.specs import Change, Sample, TensorSpec
from headstart.testing import (
    InputKindDeclared,
    InputKindPrepared,
    InputKindStaged,
    TargetKindContract,
    TaskAnswered,
    TaskDeclared,
    TaskEncoded,
)

from .built_ins import built_ins, contract_of, covered, word_pieces


def encoded_boxes(self, values):
    """As a task for boxes encodes what moves: in pictures of 16 x 16 pixels."""
    boxes = np.zeros((len(values), 3, 4), np.float32)
    for row, value in enumerate(values):
        boxes[row, : len(value.corners)] = value.corners / 16
    return {"boxes": boxes, "valid": boxes[..., 2] > 0}


TURN = (Change("matrix", ((0.9, -0.2, 0.1), (0.2, 0.9, 0.0), (0.0, 0.0, 1.0))), Change("brightness", 1.2))
OF_A_SQUARE = {
    "facts": dict(
        height=16, width=16, input_height=32, input_width=48, scale_x=2.0, scale_y=2.0, offset_x=8, offset_y=0
    ),
    "inputs": {"image": TensorSpec((32, 48, 3), "uint8")},
}
"""A picture of 16 x 16 pixels, as examples of masks have them, with a frame at two sides."""
BY_HAND = {
    "boxes/boxes": {"encoded": encoded_boxes, "changes": TURN},
    "masks/mask": {**OF_A_SQUARE, "changes": TURN},
}
for offer in built_ins("targets"):
    made = contract_of(offer, TargetKindContract, **BY_HAND.get(offer.name, {}))
    globals()[made.__name__] = made
OF_NUMBERS = {"heads": ("linear", "mlp:4,3", "flatten:4")}
OF_BOXES = {
    "heads": ("pyramid:8,1", "plain"),
    "features": {"map@8": (4, 6, 8), "map@16": (2, 3, 8), "map@32": (1, 2, 8)},
    "facts": dict(
        height=64, width=80, input_height=32, input_width=48, scale_x=0.5, scale_y=0.5, offset_x=4, offset_y=0
    ),
    "targets": lambda self, folder: [
        {"corners": [[8, 8, 40, 40], [10, 30, 70, 60]][:count], "classes": ["cat", "dog"][:count]}
        for count in (2, 1, 0) * 4
    ],
    "sample": Sample(np.zeros((64, 80, 3), np.uint8)),
}
"""What the contract needs of tasks whose heads have other names and features than those of classes and numbers."""
OF_MASKS = {
    "heads": ("lr_aspp:8", "fpn:8", "side_outputs"),
    "features": {**OF_BOXES["features"], "map@1": (32, 48, 4), "map@2": (16, 24, 4), "map@4": (8, 12, 4)},
    **OF_A_SQUARE,
    "sample": Sample(np.zeros((16, 16, 3), np.uint8)),
}
OF_TEXTS = {
    "options": {
        "vocabulary": 60,
        "most": 24,
        "layers": 1,
        "width": 16,
        "heads": 2,
        "hidden": 16,
        "dropout": 0.0,
        "beams": 2,
        "answers": 2,
    },
    "facts": {"text": "a source"},
}
OF_SPEECH = {
    "options": {"most": 40, "longest": 20, "beams": 2},
    "facts": {"seconds": 1.0, "start": 0.0, "end": 1.0, "window": 0, "windows": 1},
    "assets": {"tokenizer.json": Path(__file__).parents[1] / "plugins" / "transcription" / "tokenizer.json"},
    "labels": {
        "decoder": {
            "vocabulary": 70,
            "width": 16,
            "layers": 1,
            "heads": 2,
            "hidden": 16,
            "pre_norm": True,
            "positions": "table",
            "most_positions": 64,
            "activation": "gelu",
            "key_bias": False,
        },
        "tokens": {"start": 50, "end": 51, "pad": 51, "no_times": 52, "suppressed": [1, 50, 52]},
    },
}
ON_JAX = (pytest.mark.slow,) * (os.environ.get("KERAS_BACKEND") == "jax")
"""Of tasks whose losses take long to compile, for each number of rows anew: the quick run leaves them to PyTorch; tests
of these losses themselves compare both backends."""
for offer in built_ins("tasks"):
    dense = offer.targets in ("boxes/boxes", "masks/mask", "targets/text")
    more = {"boxes/boxes": OF_BOXES, "masks/mask": OF_MASKS, "targets/text": OF_TEXTS}.get(offer.targets, OF_NUMBERS)
    more = OF_SPEECH if offer.name == "transcription/transcription" else more
    for made in (
        contract_of(offer, TaskDeclared, **more),
        contract_of(offer, TaskEncoded, **more),
        contract_of(offer, TaskAnswered, marks=(pytest.mark.backend, *(ON_JAX if dense else ())), **more),
    ):
        globals()[made.__name__] = made
del made


class Pictures:
    """The image kind with an example of each change."""

    name = "image/image"
    changes = (
        Change("matrix", ((0.9, -0.2, 0.1), (0.2, 0.9, 0.0), (0.0, 0.0, 1.0))),
        *(Change(name, 1.3) for name in ("brightness", "contrast", "saturation", "sharpness")),
        Change("hue", 0.1),
        Change("posterize", 4),
        Change("solarize", 200.0),
        *(Change(name) for name in ("autocontrast", "equalize", "invert")),
        Change("erase", ((-0.2, -0.2, 0.1, 0.2), "mean", 1)),
    )

    def payloads(self, folder):
        generator = np.random.default_rng(0)
        for number, size in enumerate(((20, 24), (40, 30))):
            pixels = generator.integers(0, 256, (*size, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
        return [folder / "0.png", folder / "1.png", generator.integers(0, 256, (16, 16), np.uint8)]


class TestImage(Pictures, InputKindDeclared, InputKindPrepared):
    pass


@pytest.mark.backend
class TestImageStaged(Pictures, InputKindStaged):
    pass


class Texts:
    """The text kind with an example of each change."""

    name = "text/text"
    changes = (Change("drop_words", (0.5, 1)), Change("mask_tokens", (0.5, 2)))
    unreadable = (Path("no-such-file"), {"no": "such thing"}, b"\xff\xfe", "caf\udce9", 7)

    def assets(self, folder):
        return word_pieces(folder)

    def payloads(self, folder):
        for name, text in (("a", "the film was good"), ("b", "not bad\n" * 500)):
            (folder / f"{name}.txt").write_text(text, "utf-8")
        return [folder / "a.txt", folder / "b.txt", "the film was bad", ("the film", "was good"), b"films", ""]


class TestText(Texts, InputKindDeclared, InputKindPrepared):
    pass


@pytest.mark.backend
class TestTextStaged(Texts, InputKindStaged):
    pass


class Pieces:
    """The kind of pieces, whose vocabulary is fitted to the payloads."""

    name = "seq2seq/pieces"
    options = {"vocabulary": 60, "max_tokens": 24}
    unreadable = (Path("no-such-file"), {"no": "such thing"}, b"\xff\xfe", "caf\udce9", 7)

    def payloads(self, folder):
        (folder / "a.txt").write_text("the film was good", "utf-8")
        return [folder / "a.txt", "the film was bad. " * 9, ("the film", "was good"), b"films", ""]


class TestPieces(Pieces, InputKindDeclared, InputKindPrepared):
    pass


@pytest.mark.backend
class TestPiecesStaged(Pieces, InputKindStaged):
    pass


class Sounds:
    """What kinds of sound share: an example of each change, and recordings."""

    changes = (
        Change("gain", -6.0),
        Change("noise", (10.0, 1)),
        Change("shift", 0.1),
        Change("speed", 1.1),
        Change("reverberation", (0.3, 6.0, 2)),
        Change("mask_times", (0.2, 0.4)),
        Change("mask_bands", (0.2, 0.4)),
    )
    unreadable = (Path("no-such-file"), {"no": "such thing"}, b"", b"junk" * 99, np.zeros(9, np.float32))

    def payloads(self, folder):
        soundfile = pytest.importorskip("soundfile")
        pytest.importorskip("soxr")
        generator = np.random.default_rng(0)
        for name, rate, count in (("a.wav", 16_000, 8_000), ("b.flac", 22_050, 200_000)):
            loud = np.repeat(generator.uniform(0, 0.3, count // 1_000), 1_000)
            soundfile.write(folder / name, loud * generator.standard_normal(count).clip(-3, 3), rate)
        return [folder / "a.wav", folder / "b.flac", (np.sin(np.arange(9_000) / 5).astype(np.float32), 8_000)]


class Spectrograms(Sounds):
    name = "sound/spectrogram"


class TestSpectrogram(Spectrograms, InputKindDeclared, InputKindPrepared):
    pass


@pytest.mark.backend
class TestSpectrogramStaged(Spectrograms, InputKindStaged):
    pass


class LogMels(Sounds):
    name = "whisper/log_mel"
    options = {"seconds": 2.0}


class TestLogMel(LogMels, InputKindDeclared, InputKindPrepared):
    pass


@pytest.mark.backend
class TestLogMelStaged(LogMels, InputKindStaged):
    pass


class Voices(Sounds):
    name = "speaker_encoder/mel"


class TestVoices(Voices, InputKindDeclared, InputKindPrepared):
    pass


@pytest.mark.backend
class TestVoicesStaged(Voices, InputKindStaged):
    pass


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("targets", TargetKindContract),
        ("inputs", InputKindPrepared),
        ("inputs", InputKindStaged),
        ("tasks", TaskEncoded),
        ("tasks", TaskAnswered),
    ],
)
def test_every_built_in_kind_has_its_contract(kind, level):
    assert covered(globals(), level) == {spec.name for spec in built_ins(kind)}
