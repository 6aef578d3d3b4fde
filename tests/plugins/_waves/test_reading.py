"""Recordings as they come: formats, rates, channels, and what is wrong with them, said by name."""

import sys

import numpy as np
import pytest

pytest.importorskip("soundfile")
pytest.importorskip("soxr")

from recordings import babble, encoded, tone

from headstart.errors import DataError, UsageError
from headstart_plugins._waves.reading import read_sound

RATE = 16_000


def read(payload, where="a.wav", rate=RATE, minutes=60):
    return read_sound(payload, where, rate, minutes)


def test_every_sample_of_a_wav_arrives_as_it_is():
    samples = babble()
    read_back = read(encoded(samples, subtype="FLOAT"))
    assert np.array_equal(read_back.value.samples, samples)
    assert read_back.notes == ()


@pytest.mark.parametrize(
    ("form", "subtype", "apart"),
    [
        ("WAV", "PCM_16", 4e-5),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "ULAW", 0.02),
        ("FLAC", "PCM_16", 4e-5),
        ("AIFF", "PCM_16", 4e-5),
        ("OGG", "VORBIS", 0.05),
        ("OGG", "OPUS", 0.15),
        ("MP3", "MPEG_LAYER_III", 0.05),
        ("WAV", "GSM610", 0.5),
    ],
)
def test_a_format_gives_the_sound_that_was_written(form, subtype, apart):
    """Loss by its coding alone, at the full length; what seeking and whole numbers would spoil is read in order as
    floats."""
    rate = 8_000 if subtype == "GSM610" else 48_000
    samples = tone(seconds=1.0, rate=rate)
    found = read(encoded(samples, rate, form, subtype), rate=rate).value.samples
    assert abs(len(found) - len(samples)) <= 320  # GSM fills its last frame
    inner = slice(rate // 10, -rate // 10)
    assert np.abs(found[: len(samples)][inner] - samples[inner]).max() < apart


def test_floats_beyond_full_scale_are_neither_wrapped_nor_cut():
    """Of soundfile's whole numbers, Vorbis wraps and float WAV is nearly all zeros."""
    loud = tone(level=1.3)
    assert np.abs(read(encoded(loud, subtype="FLOAT")).value.samples).max() == pytest.approx(1.3, abs=1e-3)
    assert np.abs(read(encoded(loud, 48_000, "OGG", "VORBIS"), rate=48_000).value.samples).max() > 1.2


def test_a_headerless_gsm_file_is_known_by_its_name(tmp_path):
    path = tmp_path / "prompt.gsm"
    path.write_bytes(encoded(tone(rate=8_000), 8_000, "RAW", "GSM610"))
    for payload, where in ((path, "x"), (path.read_bytes(), "fr/prompt.gsm")):
        assert read(payload, where, rate=8_000).value.samples.std() == pytest.approx(0.35, abs=0.05)


def test_channels_are_averaged_and_rates_resampled_which_notes_tell():
    left = tone(440, rate=44_100)
    found = read(encoded(np.stack([left, 0 * left], axis=1), 44_100, subtype="FLOAT"))
    assert found.notes == ("made mono: the mean of 2 channels", "resampled from 44,100 Hz")
    assert len(found.value.samples) == RATE
    assert found.value.seconds == pytest.approx(1.0)
    inner = slice(1000, -1000)
    assert np.abs(found.value.samples - tone(440) / 2)[inner].max() < 1e-3


def test_what_lies_above_the_new_rates_half_is_gone():
    """11 kHz would come back as 5 kHz if samples were only left out."""
    found = read(encoded(tone(11_000, rate=44_100), 44_100, subtype="FLOAT")).value.samples
    assert np.abs(found[1000:-1000]).max() < 1e-3


def test_arrays_come_with_their_rate():
    samples = tone()
    ways = [(samples, RATE), {"array": samples, "sampling_rate": RATE}, {"array": samples, "rate": RATE, "path": None}]
    for payload in ways:
        assert np.array_equal(read(payload).value.samples, samples)
    whole = np.rint(samples * 32767).astype(np.int16)
    assert np.abs(read((whole, RATE)).value.samples - samples).max() < 1e-4
    assert np.array_equal(read({"bytes": encoded(samples, subtype="FLOAT"), "path": "a.wav"}).value.samples, samples)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "an empty file"),
        (b"hello, world" * 100, "no sound that can be read"),
        (b"RIFF\0\0\0\0WAVE", "no sound that can be read"),
        (tone(), "an array without its rate"),
        ((tone(), 16_000.5), "the rate is 16000.5"),
        ((tone(), 10), "10 samples a second"),
        ((np.zeros((2, 4000), np.float32), RATE), "expected (samples,) or (samples, channels)"),
        ((np.zeros(100, np.uint8), RATE), "samples are uint8"),
        ((np.zeros(0, np.float32), RATE), "a sound without samples"),
        ((np.array([0.1, np.nan], np.float32), RATE), "not finite"),
        ((np.array([0, 20_000.0], np.float32), RATE), "up to 20,000"),
        (3, "received int"),
        ("no-such.wav", "cannot be read"),
    ],
)
def test_what_is_no_sound_is_refused_by_name(payload, said):
    with pytest.raises(DataError) as error:
        read(payload, "clips/7.wav")
    assert error.value.message.startswith("clips/7.wav: ")
    assert said in error.value.message


def test_a_container_that_is_not_read_says_what_to_do():
    with pytest.raises(DataError) as error:
        read(b"\0\0\0\x20ftypM4A " * 20, "a.m4a")
    assert error.value.message == "a.m4a: .m4a files are not read"
    assert "ffmpeg" in error.value.hint


@pytest.mark.parametrize(("form", "subtype"), [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("MP3", "MPEG_LAYER_III")])
def test_a_truncated_file_is_refused_with_what_is_there(form, subtype):
    """libsndfile itself reads the rest of these without a word."""
    whole = encoded(babble(4.0), RATE, form, subtype)
    with pytest.raises(DataError, match=r"truncated: \d\.\d\d s are there, \d\d% of what its header says"):
        read(whole[: len(whole) // 2])


def test_other_truncated_files_are_refused_or_told():
    flac, ogg = encoded(babble(), RATE, "FLAC"), encoded(babble(20.0), RATE, "OGG", "VORBIS")
    with pytest.raises(DataError, match="no sound that can be read: Error : flac decoder lost sync"):
        read(flac[: len(flac) // 2])
    assert any("cut off" in note for note in read(ogg[: len(ogg) // 2]).notes)
    assert read(ogg).notes == ()


def test_a_stream_whose_header_cannot_know_its_length_is_whole():
    """As espeak-ng writes to a pipe: 0x7ffff000 bytes."""
    whole = bytearray(encoded(babble(), subtype="PCM_16"))
    place = whole.index(b"data") + 4
    whole[place : place + 4] = (0x7FFFF000).to_bytes(4, "little")
    assert read(bytes(whole)).value.seconds == pytest.approx(2.0)


def test_silence_clipping_and_brevity_are_told():
    assert read((np.zeros(RATE, np.float32), RATE)).notes[0].startswith("warning: with hardly any sound")
    clipped = np.clip(3 * tone(), -1, 1)
    assert "warning: clipped at full scale" in read((clipped, RATE)).notes
    assert read((tone(level=1.0), RATE)).notes == ()  # a sine that just reaches full scale is not clipped
    assert read((tone(seconds=0.05), RATE)).notes == ("warning: shorter than 0.1 s",)


def test_one_sample_that_resampling_leaves_nothing_of_is_refused():
    with pytest.raises(DataError, match="a sound of 1 samples is too short"):
        read((np.ones(1, np.float32) / 2, 44_100))


def test_long_sounds_are_refused_with_the_option_that_takes_them():
    with pytest.raises(DataError) as error:
        read(encoded(np.zeros(RATE * 61, np.float32)), minutes=1)
    assert error.value.message == "a.wav: 1 minutes; expected 1 at most"
    assert "input.max_minutes" in error.value.hint


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(UsageError) as error:
        read(b"RIFF")
    assert error.value.hint == 'pip install "headstart[sound]"'
