"""Powers in bands against closed forms, numpy's transform in float64, and librosa's numbers."""

import sys

import numpy as np
import pytest
from recordings import babble, tone

from headstart_plugins._waves.mel import Mel

FORMS = (
    Mel(16_000, 400, 160, 80),
    Mel(16_000, 400, 160, 40, pad="zero"),
    Mel(16_000, 576, 288, 64, low=40.0, pad="zero", frames=100),
    Mel(16_000, 401, 100, 20, pad="none", scale="htk", norm=None, power=1.0),
)


def exact(mel, samples):
    """The definition, in float64."""
    half = 0 if mel.pad == "none" else mel.window // 2
    padded = np.pad(samples.astype(np.float64), half, mode="reflect" if mel.pad == "reflect" else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(padded, mel.window)[:: mel.hop][: mel.frames]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(mel.window) / mel.window)
    return np.abs(np.fft.rfft(frames * hann)) ** mel.power @ mel.filters


@pytest.mark.parametrize("mel", FORMS)
def test_numpy_gives_what_the_definition_says(mel):
    samples = babble()
    powers = mel.of_array(samples)
    assert powers.shape == (mel.count(len(samples)), mel.bands)
    assert np.abs(np.log10(powers + 1e-10) - np.log10(exact(mel, samples) + 1e-10)).max() < 1e-4


@pytest.mark.backend
@pytest.mark.parametrize("mel", [*FORMS[:3], pytest.param(FORMS[3], marks=pytest.mark.slow_on_jax)])  # 401 slices
def test_a_stage_gives_what_the_definition_says(mel):
    import keras

    samples = np.stack([babble(seed=1), babble(seed=2)])
    powers = keras.ops.convert_to_numpy(mel.of_tensor(keras.ops.convert_to_tensor(samples)))
    for made, given in zip(powers, samples, strict=True):
        reference = np.log10(exact(mel, given) + 1e-10)
        assert reference.std() > 0.01
        assert np.abs(np.log10(made + 1e-10) - reference).max() <= 1e-4 * max(1, reference.std())


@pytest.mark.backend
@pytest.mark.parametrize("mel", FORMS[:3])
def test_on_pytorch_bands_are_those_of_operations_and_graphs_have_these(mel, backend, monkeypatch):
    if backend != "torch":
        pytest.skip("a layer of PyTorch's")
    import keras

    from headstart_plugins._waves import powers, spectrum

    samples = keras.ops.convert_to_tensor(np.stack([babble(seed=seed) for seed in range(5)]))
    layer = powers.Powers(mel)
    given = keras.ops.convert_to_numpy(layer(samples))
    for frames in (7, 2 * given.shape[1]):
        monkeypatch.setattr(powers, "FRAMES", frames)
        assert np.allclose(keras.ops.convert_to_numpy(layer(samples)), given, rtol=1e-6)
    expected = keras.ops.convert_to_numpy(mel.by_operations(samples))
    assert np.abs(np.log10(given + 1e-10) - np.log10(expected + 1e-10)).max() < 1e-4
    monkeypatch.setattr(spectrum, "transforms", lambda: False)
    again = powers.Powers.from_config(layer.get_config())
    assert np.array_equal(
        keras.ops.convert_to_numpy(again(samples)), keras.ops.convert_to_numpy(mel.by_operations(samples))
    )
    assert layer.compute_output_shape(samples.shape) == given.shape


@pytest.mark.backend
def test_gradients_reach_the_samples(backend):
    if backend != "torch":
        pytest.skip("a layer of PyTorch's")
    import torch

    samples = torch.from_numpy(babble()[None]).requires_grad_()
    gradients = [
        torch.autograd.grad(made(samples).sum(), samples)[0] for made in (FORMS[0].of_tensor, FORMS[0].by_operations)
    ]
    assert gradients[1].std() > 0
    assert (gradients[0] - gradients[1]).abs().max() <= 1e-4 * gradients[1].abs().max()


@pytest.mark.backend
@pytest.mark.parametrize("window", [400, 401, 576])
def test_graphs_for_other_engines_give_the_same_spectra(monkeypatch, window):
    """By products of matrices, which every engine and exporter knows."""
    import keras

    from headstart_plugins._waves import spectrum

    frames = keras.ops.convert_to_tensor(np.lib.stride_tricks.sliding_window_view(babble(), window)[::160][None].copy())
    layer = spectrum.PowerSpectrum(window)
    transformed = keras.ops.convert_to_numpy(layer(frames))
    monkeypatch.setattr(spectrum, "transforms", lambda: False)
    multiplied = keras.ops.convert_to_numpy(layer(frames))
    again = spectrum.PowerSpectrum.from_config(layer.get_config())
    assert np.array_equal(keras.ops.convert_to_numpy(again(frames)), multiplied)
    assert transformed.shape == (1, frames.shape[1], window // 2 + 1)
    filters = Mel(16_000, window, 160, 80).filters
    levels = [np.log10(each @ filters + 1e-10) for each in (transformed, multiplied)]
    assert levels[0].std() > 0.01
    assert np.abs(levels[0] - levels[1]).max() <= 1e-4 * max(1, levels[0].std())


def test_a_tone_lies_in_its_band():
    mel = Mel(16_000, 400, 160, 80)
    loudest = mel.of_array(tone(1_000))[20:80].argmax(axis=1)
    centre = (np.arange(201) * 40)[mel.filters[:, loudest[0]].argmax()]
    assert (loudest == loudest[0]).all()
    assert abs(centre - 1_000) <= 40


def test_doubled_samples_have_four_times_the_power():
    mel, samples = FORMS[0], babble()
    assert np.allclose(mel.of_array(2 * samples), 4 * mel.of_array(samples), rtol=1e-4)


def test_16_000_samples_are_101_frames():
    assert Mel(16_000, 400, 160, 40, pad="zero").count(16_000) == 101
    assert Mel(16_000, 400, 160, 40, pad="none").count(16_000) == 98
    assert Mel(16_000, 400, 160, 40, frames=100).count(16_000) == 100


def test_slaneys_triangles_have_an_area_of_one_and_htks_a_peak_of_one():
    filters = Mel(16_000, 8192, 160, 40).filters  # fine enough to add up
    assert np.allclose(filters.sum(axis=0) * 16_000 / 8192, 1, atol=1e-3)
    peaks = Mel(16_000, 8192, 160, 40, scale="htk", norm=None).filters.max(axis=0)
    assert np.allclose(peaks, 1, atol=0.06)


@pytest.mark.backend
def test_spectra_on_pytorch_load_no_exporter(backend, monkeypatch):
    """PyTorch 2.13 loads torch.onnx where one of its names is asked for, and wakes what waits to be imported: seconds
    of a prediction's start."""
    if backend != "torch":
        pytest.skip("PyTorch has that exporter")
    import torch

    from headstart_plugins._waves.spectrum import PowerSpectrum

    monkeypatch.delitem(sys.modules, "torch.onnx", raising=False)
    monkeypatch.delattr(torch, "onnx", raising=False)
    PowerSpectrum(16)(np.ones((1, 2, 16), np.float32))
    assert "torch.onnx" not in sys.modules
