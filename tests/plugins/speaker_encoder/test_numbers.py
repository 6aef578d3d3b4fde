"""Spectrograms and embeddings beside those of the package Resemblyzer, recorded by tests/references/ge2e.py."""

from pathlib import Path

import numpy as np
import pytest
import spoken

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True
pytest.importorskip("soundfile", reason="sounds need the extra `sound`")
REFERENCE = np.load(Path(__file__).with_name("voices.npz"))
SECONDS = 20.0
NAMES = sorted({name.rpartition(" ")[0] for name in REFERENCE.files})


@pytest.fixture(scope="module")
def network(sound_network):
    return sound_network("speaker_encoder/ge2e", seconds=SECONDS)


def _sound(name):
    own = spoken.spoken()
    made = {
        "spoken": own,
        "quiet": own * np.float32(0.02),
        "loud": np.clip(own * np.float32(1.6), -1, 1),
        "twice": np.concatenate([own, own]),
        **spoken.prompts(),
    }
    if name not in made:
        pytest.skip(f"{name} is a recording of Debian's {spoken.PACKAGE}")
    return made[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_has_the_embedding_of_the_package(name, network, assert_close):
    outputs = network.run(_sound(name))
    mel, windows = REFERENCE[f"{name} mel"], REFERENCE[f"{name} windows"]
    given = outputs["input", "mel"][0, ::20][: len(mel)]
    assert mel.std() > 0.01
    np.testing.assert_allclose(given, mel, rtol=0, atol=1e-4)
    there = outputs["voice", "mask"][0]
    assert there.sum() == len(windows)
    # embeddings have the length 1, so their numbers deviate by 0.06 or less
    assert_close(outputs["voice", "x"][0][there] * 16, windows * 16)
    assert_close(outputs["voice", "pooled"] * 16, REFERENCE[f"{name} whole"][None] * 16)


def test_what_is_behind_a_recording_does_not_matter(network, sound_network):
    own = spoken.spoken()
    shorter = sound_network("speaker_encoder/ge2e", seconds=4.0)
    found = [each.run(own)["voice", "pooled"] for each in (network, shorter)]
    np.testing.assert_allclose(*found, atol=1e-5)


def test_a_recording_that_ends_in_digital_silence_is_as_long_as_it_is(network):
    """Synthetic speech does; Resemblyzer 0.1.4 counts its windows by all samples, those that are 0 too."""
    own = spoken.spoken()
    silent = np.concatenate([own, np.zeros(3 * spoken.RATE, np.float32)])
    noisy = np.concatenate([own, np.full(3 * spoken.RATE, 1e-7, np.float32)])
    windows = [network.run(samples)["voice", "mask"].sum() for samples in (own, silent, noisy)]
    assert windows[1] == windows[2] > windows[0]


def test_a_recording_that_is_longer_than_a_window_is_heard_in_several(sound_network):
    kind = sound_network("speaker_encoder/ge2e", seconds=2.0).kind
    rows = kind.prepare_several(kind.read((spoken.spoken(), spoken.RATE), "a sound"))
    assert [row.facts["windows"] for row in rows] == [2, 2]


@pytest.mark.parametrize("name", ["spoken", "twice"])
def test_stretches_without_a_voice_are_left_out_as_the_package_does_it(name, sound_network, assert_close):
    pytest.importorskip("webrtcvad", reason="the detector of voices is not installed")
    outputs = sound_network("speaker_encoder/ge2e", seconds=SECONDS, voiced=True).run(_sound(name))
    assert_close(outputs["voice", "pooled"] * 16, REFERENCE[f"{name} voiced"][None] * 16)


def test_what_was_heard_before_does_not_change_where_a_voice_is_found(sound_network):
    """Detectors of webrtcvad-wheels 2.0.14.post1 keep an estimate of the noise from call to call: one that has heard
    five seconds of another recording decides otherwise on the same bytes. Resemblyzer 0.1.4 makes one each time."""
    pytest.importorskip("webrtcvad", reason="the detector of voices is not installed")
    kind = sound_network("speaker_encoder/ge2e", seconds=SECONDS, voiced=True).kind
    loud = np.random.default_rng(0).normal(0, 0.3, 5 * spoken.RATE).clip(-1, 1).astype(np.float32)
    first, _, again = (
        kind.prepare(kind.read((samples, spoken.RATE), "a sound")).tensors["samples"]
        for samples in (spoken.spoken(), loud, spoken.spoken())
    )
    np.testing.assert_array_equal(again, first)


def test_without_the_detector_asking_for_it_says_what_to_install(monkeypatch, sound_network):
    import sys

    from headstart.errors import UsageError

    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(UsageError, match="webrtcvad") as caught:
        sound_network("speaker_encoder/ge2e", voiced=True)
    assert "pip install" in caught.value.hint
