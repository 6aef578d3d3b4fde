"""Recordings that tests make: tones, and noise that rises and falls as speech does."""

import io

import numpy as np


def tone(hertz=440.0, seconds=1.0, rate=16_000, level=0.5):
    """(n,) float32."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def babble(seconds=2.0, rate=16_000, seed=0, level=0.3):
    """Harmonics of a gliding pitch, in syllables, with a little noise: (n,) float32."""
    generator = np.random.default_rng(seed)
    count = round(seconds * rate)
    times = np.arange(count) / rate
    pitch = 120 + 30 * np.interp(times, np.linspace(0, seconds, 8), generator.uniform(-1, 1, 8))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    strengths = [np.interp(times, np.linspace(0, seconds, 12), generator.uniform(0, 1, 12)) for _ in range(20)]
    voiced = sum(each * np.sin((place + 1) * phase) / (place + 1) for place, each in enumerate(strengths))
    loud = np.interp(times, np.linspace(0, seconds, 10), generator.uniform(0.1, 1, 10))
    made = loud * voiced + 0.01 * generator.standard_normal(count)
    return (level * made / np.abs(made).max()).astype(np.float32)


def encoded(samples, rate=16_000, format="WAV", subtype=None):
    """The bytes of a file."""
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=format, subtype=subtype)
    return stream.getvalue()
