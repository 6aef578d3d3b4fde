"""Sources of pictures, texts and sounds whose worth is known: one ruined on purpose is called harmful, one that is
like random weights is not."""

import wave
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from headstart.runs.fitting import pretrain
from headstart.transfer.comparison.comparing import conclude, with_twins
from headstart.transfer.comparison.measuring import job_of, run_cell
from headstart.transfer.comparison.planning import Asked, make_design

pytestmark = [pytest.mark.backend, pytest.mark.slow]

RATE = 8_000
"""Of the sounds, samples a second."""
WORDS = [f"word{number:02d}" for number in range(32)]


@dataclass(frozen=True)
class Field:
    """Data to compare on, the same inverted with shuffled labels, and how both are read."""

    data: str
    inverted: str
    flags: dict
    sets: tuple = ()


def shuffled(count, rng):
    """True labels of `count` samples of four classes, and these in disorder."""
    true = np.arange(count) % 4
    return true, rng.permutation(true)


def course(label, length, rng):
    """What distinguishes the four classes of texts and of sounds: from 0 to 1 and back, with noise."""
    along = np.linspace(0, 1, length)
    shape = (along, 1 - along, np.abs(2 * along - 1), 1 - np.abs(2 * along - 1))[label]
    return np.clip(0.15 + 0.7 * shape + rng.normal(0, 0.05), 0, 1)


def pictures(folder, rng):
    """Digits, and as ink on paper rather than light on dark."""
    digits = load_digits()
    chosen = rng.permutation(len(digits.images))[:200]
    for place, label in zip(chosen, rng.permutation(digits.target[chosen]), strict=True):
        (folder / str(label)).mkdir(exist_ok=True)
        picture = 255 - np.clip(digits.images[place] * 16, 0, 255).astype(np.uint8)
        Image.fromarray(np.kron(picture, np.ones((2, 2), np.uint8))).save(folder / str(label) / f"{place}.png")
    return Field("digits", f"image_folder:{folder}", {"limit": 300, "image_size": 16})


def texts(folder, rng):
    """Sentences whose words rise and fall in a vocabulary, and in one that is read from its end."""
    vocabularies = {"data": WORDS, "inverted": WORDS[::-1]}
    (folder / "words.txt").write_text(" ".join(WORDS))
    for name, vocabulary in vocabularies.items():
        true, disordered = shuffled(200, rng)
        rows = []
        for number, label in enumerate(true):
            places = course(label, 16, rng) * 31 + rng.normal(0, 3, 16)
            said = " ".join(vocabulary[int(np.clip(place, 0, 31))] for place in places)
            rows.append(f"{said},class {disordered[number] if name == 'inverted' else label}")
        (folder / f"{name}.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    sets = (f"input.vocabulary={folder / 'words.txt'}",)
    return Field(str(folder / "data.csv"), str(folder / "inverted.csv"), {}, sets)


def sounds(folder, rng):
    """Tones that rise and fall, and a hiss that has a gap where the tone would be."""
    for name in ("data", "inverted"):
        true, disordered = shuffled(200, rng)
        for number, label in enumerate(true):
            tone = 300 + 3000 * course(label, RATE // 2, rng)
            heard = 0.3 * np.sin(2 * np.pi * np.cumsum(tone) / RATE) + rng.normal(0, 0.05, len(tone))
            if name == "inverted":
                label = disordered[number]
                spectrum = np.fft.rfft(heard)
                heard = np.fft.irfft(30 / (1 + np.abs(spectrum)) * np.exp(1j * np.angle(spectrum)), len(tone))
            place = folder / name / f"class {label}" / f"{number}.wav"
            place.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(place), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes((np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes())
    paths = {name: f"audio_folder:{folder / name}" for name in ("data", "inverted")}
    return Field(paths["data"], paths["inverted"], {"image_size": 16}, ("input.rate=8000",))


@pytest.fixture(scope="module", params=[pictures, texts, sounds])
def field(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp(request.param.__name__), np.random.default_rng(0))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_registry, backend, field):
    def train(data, name, **settings):
        out = tmp_path_factory.mktemp("sources") / name
        fixed = {"backbone": "small/net", "backend": backend, "engine": "native", "augment": ("none",)}
        flags = {**fixed, "reporters": ("json",), **field.flags, **settings}
        return pretrain(data, out=str(out), registry=small_registry, sets=field.sets, **flags).path

    return train


@pytest.fixture(scope="module")
def compared(tmp_path_factory, small_registry, backend, field):
    """The document of a comparison with a source, its cells run one after the other in this process."""

    def compare(source):
        asked = Asked(
            data=field.data,
            backbones=(str(source),),
            strategies=("full",),
            seeds=(0, 1, 2),
            fractions=(1.0,),
            epochs=12,
            flags={"backend": backend, "engine": "native", **field.flags},
            sets=("strategy.backbone_rate=5e-3", "strategy.head_factor=1", *field.sets),
        )
        folder = tmp_path_factory.mktemp("compared")
        design = make_design(asked, small_registry)
        for cell in design.cells():
            run_cell(job_of(design, cell, folder), small_registry)
        design = with_twins(design, folder)
        for cell in design.cells():
            run_cell(job_of(design, cell, folder), small_registry)
        return conclude(design, folder).document

    return compare


def test_a_source_of_shuffled_labels_and_inverted_inputs_is_called_harmful(field, trained, compared):
    ruined = trained(field.inverted, "ruined", epochs=30, learning_rate=0.3, limit=None)
    document = compared(ruined)
    told = document["verdict"]
    assert told["transfer"] == "hurts", told
    assert "transfer hurts here: -" in told["line"]
    assert any("the source itself hurts" in sentence for sentence in told["sentences"]), told
    assert [twin["twin"] for twin in document["twins"]] == ["full"]


def test_a_source_that_changes_nothing_is_left_in_peace(field, trained, compared):
    untouched = trained(field.data, "untouched", limit=100, epochs=1, learning_rate=1e-9, batch_norm="frozen")
    told = compared(untouched)["verdict"]
    assert told["transfer"] == "no difference seen", told
    assert "hurts" not in told["line"]
