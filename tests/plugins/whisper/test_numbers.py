"""Spectrograms and states of the encoder beside those of `transformers`, recorded by tests/references/whisper.py."""

from pathlib import Path

import numpy as np
import pytest
import spoken
from whisper_folders import CONFIGS, mels_of, write_folder

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True
SMALL = np.load(Path(__file__).with_name("small.npz"))
SPOKEN = np.load(Path(__file__).with_name("spoken.npz"))
CHANNELS = slice(0, None, 8)


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_state_of_a_small_encoder_is_that_of_transformers(kind, tmp_path, sound_network, assert_close):
    from headstart.testing.backbones.network import run_stages

    network = sound_network(str(write_folder(tmp_path / kind, kind)))
    mels = mels_of(kind).transpose(0, 2, 1)
    outputs = run_stages(network.stages[1:], {"mel": mels, "mask": np.ones(mels.shape[:2], bool)})
    states = SMALL[f"{kind} states"]
    for stage, state in zip(network.stages[1:-2], states[:-1], strict=True):
        assert_close(outputs[stage.name, "x"], state)
    # transformers gives the last block's state after the norm that is the last stage here
    assert_close(outputs["pool", "x"], states[-1])
    assert_close(outputs["pool", "pooled"], states[-1].mean(axis=1))


@pytest.fixture(scope="module")
def heard(sound_network):
    pytest.importorskip("soundfile", reason="sounds need the extra `sound`")
    return sound_network("whisper/tiny_en").run(spoken.spoken())


def test_a_recording_has_the_spectrogram_of_transformers_extractor(heard, assert_close):
    found = heard["input", "mel"][0]
    assert found.shape == (3000, 80)
    assert_close(found[np.r_[0:340:10, 2999]], SPOKEN["mel"])
    assert heard["input", "mask"].sum() == -(-53_040 // 160)


def test_a_recording_has_the_states_of_transformers_encoder(heard, assert_close):
    positions = SPOKEN["positions"]
    for stage, states in zip(("front", "block1", "block2", "block3", "pool"), SPOKEN["states"], strict=True):
        assert_close(heard[stage, "x"][0][positions][:, CHANNELS], states)
    assert_close(heard["pool", "pooled"][0], SPOKEN["pooled"])


def test_a_shorter_window_cuts_positions_and_hears_nearly_the_same(heard, sound_network):
    short = sound_network("whisper/tiny_en", seconds=5.0).run(spoken.spoken())
    assert short["pool", "x"].shape == (1, 250, 384)
    np.testing.assert_allclose(short["front", "x"][0, :166], heard["front", "x"][0, :166], atol=1e-5)
    a, b = short["pool", "pooled"][0], heard["pool", "pooled"][0]
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.9


def test_longer_windows_than_the_weights_take_are_refused(sound_network):
    from headstart.errors import UsageError

    with pytest.raises(UsageError, match="30 seconds at most, not 31"):
        sound_network("whisper/tiny_en", seconds=31.0)
