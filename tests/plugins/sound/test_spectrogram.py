"""Sounds as pictures for image backbones: the rows, what the stage makes of them, what reports show."""

import io
import wave

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("soundfile")
pytest.importorskip("soxr")

from recordings import babble, encoded, tone

from headstart.specs import Change, Drawn, InputRequest, Shown
from headstart_plugins.sound import SpectrogramOptions
from headstart_plugins.sound._spectrogram import build, stretching

RATE = 16_000
PREPROCESS = {"size": [48, 64], "scale": [1 / 128] * 3, "offset": [-127 / 128] * 3}


def kind_of(**options):
    return build(InputRequest(PREPROCESS, SpectrogramOptions(**{"seconds": 2.0, **options})))


def staged(kind, *tensors):
    import keras

    batch = {name: np.stack([each[name] for each in tensors]) for name in kind.tensors}
    return keras.ops.convert_to_numpy(kind.stage()(batch)["image"])


def test_a_short_sound_is_one_row_with_silence_behind():
    kind = kind_of()
    rows = kind.prepare_several(kind.read(encoded(babble(0.7), subtype="FLOAT"), "a"))
    assert len(rows) == 1
    assert np.array_equal(rows[0].tensors["samples"][:11_200], babble(0.7))
    assert not rows[0].tensors["samples"][11_200:].any()
    assert rows[0].facts == {"seconds": 0.7, "start": 0.0, "end": 0.7, "window": 0, "windows": 1}


def test_a_long_sound_is_several_rows_that_know_their_places():
    kind = kind_of(hop=1.0)
    samples = babble(5.0)
    rows = kind.prepare_several(kind.read((samples, RATE), "a"))
    assert [row.facts["window"] for row in rows] == list(range(len(rows)))
    for row in rows:
        start = round(row.facts["start"] * RATE)
        assert np.array_equal(row.tensors["samples"], samples[start : start + kind.window])
    assert rows[1].facts["start"] == 1.0
    assert rows[-1].facts["end"] == 5.0
    assert len(kind_of(max_windows=2).prepare_several(kind.read((samples, RATE), "a"))) == 2
    assert {row.facts["hop"] for row in rows} == {1.0}


def test_a_sound_of_which_windows_leave_some_out_has_a_note():
    kind = kind_of(max_windows=2)
    (note,) = kind.read((babble(5.0), RATE), "a").notes
    assert note == "longer than 2 windows: so many are heard, evenly spread"
    assert not kind.read((babble(3.5), RATE), "a").notes
    assert not kind_of(max_windows=3).read((babble(5.0), RATE), "a").notes


def test_a_window_is_as_long_as_asked_for_to_a_hop():
    assert kind_of(seconds=2.0).window == 64 * 496  # 496 of 500 samples a column: whole pieces of 16
    assert kind_of(seconds=2.0, rate=8_000).window == 64 * 256


@pytest.mark.backend
def test_a_tone_is_a_bright_line_at_its_height():
    kind = kind_of()
    row = kind.prepare(kind.read((tone(1_000.0, 2.1), RATE), "a"))
    picture = (staged(kind, row.tensors)[0] * 128 + 127) / 255
    assert picture.shape == (48, 64, 3)
    assert np.allclose(picture[..., 0], picture[..., 2])
    rows = picture[:, 5:-5, 0].argmax(axis=0)
    assert np.ptp(rows) == 0
    loudest = kind.mel.of_array(row.tensors["samples"])[30].argmax()
    assert abs(rows[0] - (48 - (loudest + 0.5) * 48 / 64)) <= 1  # low frequencies are below
    assert picture.max() > 0.95  # 64 bands in 48 rows
    assert picture.min() == pytest.approx(0, abs=1e-3)


@pytest.mark.backend
def test_the_picture_does_not_depend_on_how_loud_the_recording_is():
    kind = kind_of()
    rows = [kind.prepare(kind.read((level * babble(2.0), RATE), "a")) for level in (1.0, 0.05)]
    loud, soft = staged(kind, *(row.tensors for row in rows))
    assert np.abs(loud - soft).max() < 1e-3
    assert loud.std() > 0.1


@pytest.mark.backend
def test_silence_is_black():
    kind = kind_of()
    row = kind.prepare(kind.read((np.zeros(RATE, np.float32), RATE), "a"))
    assert np.allclose(staged(kind, row.tensors), -127 / 128, atol=1e-4)


@pytest.mark.backend
def test_masks_put_the_mean_over_what_they_hide():
    kind = kind_of()
    row = kind.prepare(kind.read((babble(2.0), RATE), "a"))
    hiding = kind.transform(row.tensors, [Change("mask_times", (0.25, 0.5))])
    plain, hidden = staged(kind, row.tensors, hiding)
    assert np.allclose(np.delete(hidden, range(16, 32), axis=1), np.delete(plain, range(16, 32), axis=1), atol=1e-5)
    covered = hidden[:, 16:32]
    assert np.ptp(covered) < 1e-4
    assert covered.mean() == pytest.approx(plain.mean(), abs=0.05)


def test_bands_are_stretched_over_the_height_without_changing_what_is_even():
    for bands, height in ((64, 48), (64, 224), (8, 8), (8, 9)):
        made = stretching(bands, height)
        assert np.allclose(made.sum(axis=1), 1)
        ramp = made @ np.arange(bands, dtype=np.float32)
        assert (np.diff(ramp) <= 0).all()
    assert np.allclose(stretching(8, 8), np.eye(8)[::-1])


def test_a_preview_is_a_wav_that_plays_what_was_read():
    kind = kind_of()
    sample = kind.read((babble(1.0), RATE), "a")
    shown = kind.preview(sample)
    assert shown.media_type == "audio/wav"
    with wave.open(io.BytesIO(shown.data)) as file:
        played = np.frombuffer(file.readframes(-1), "<i2") / 32767
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1)
    assert np.abs(played - babble(1.0)).max() < 1e-4
    softer = kind.preview(sample, [Change("gain", -20.0)])
    assert len(softer.data) == 44 + 2 * kind.window


def test_a_report_shows_the_spectrogram_of_what_it_plays():
    kind = kind_of()
    for seconds in (0.01, 1.0, 9.0):
        shown = kind.detailed_preview(kind.read((tone(1_000.0, seconds), RATE), "a"))
        picture = np.asarray(Image.open(io.BytesIO(shown.data)))
        assert picture.shape[0] == 80
        assert picture.shape[1] >= 200
    rows = picture.sum(axis=2)[:, 50:200].argmax(axis=0)
    assert np.ptp(rows) <= 1
    assert 40 < rows[0] < 60  # 1 kHz is at a third of the bands, from below


def test_a_sheet_shows_spectrograms_and_says_what_was_drawn():
    kind = kind_of()
    row = kind.prepare(kind.read((babble(2.0), RATE), "a")).tensors
    drawn = Drawn((Change("noise", (10.0, 1)), Change("mask_times", (0.2, 0.6))))
    shown = [Shown(row, ("en-gb",)), Shown(kind.transform(row, drawn.changes), ("en-gb",), drawn)]
    sheet = np.asarray(Image.open(io.BytesIO(kind.sheet([shown], ("as it is", "varied")).data)).convert("RGB"))
    grey = (sheet == 128).all(axis=2)
    assert grey[:, sheet.shape[1] // 2 :].sum() > 1000  # what is hidden
    assert grey[:, : sheet.shape[1] // 2].sum() < 20  # edges of letters


def test_near_copies_share_a_fingerprint_and_others_do_not():
    kind = kind_of()

    def fingerprint(payload):
        return kind.fingerprint(kind.read(payload, "a.wav"))

    samples = babble(3.0, seed=4)
    own = fingerprint((samples, RATE))
    assert fingerprint((samples / 10, RATE)) == own
    assert fingerprint(encoded(samples, subtype="PCM_16")) == own
    assert len({fingerprint((babble(3.0, seed=seed), RATE)) for seed in range(20)}) == 20
    assert fingerprint((np.zeros(RATE, np.float32), RATE)) is None
    assert fingerprint((tone(seconds=0.2), RATE)) is None


def test_a_folder_holds_what_its_files_are_called(tmp_path):
    for name in ("b.wav", "a.FLAC", "c.txt", "d/e.mp3", ".f.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in kind_of().find(tmp_path)] == ["a.FLAC", "b.wav", "e.mp3"]
