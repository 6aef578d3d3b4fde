"""What the package Resemblyzer computes of recordings: spectrograms, embeddings of windows, and of whole recordings.

    pip install torch librosa soxr soundfile webrtcvad-wheels
    pip install --no-deps Resemblyzer==0.1.4
    python tests/references/ge2e.py [--write]

Compares with tests/plugins/speaker_encoder/voices.npz, or writes it. The detector of voices is left out, as by our
default, and asked for where a name ends in " voiced".
"""

import importlib.metadata
import sys
import types
from pathlib import Path

import numpy as np
import scipy.ndimage
import spoken
import torch

# Since SciPy 1.13 the module that the package imports is gone; its one function is where it always was.
sys.modules["scipy.ndimage.morphology"] = types.SimpleNamespace(binary_dilation=scipy.ndimage.binary_dilation)
from resemblyzer import VoiceEncoder, audio  # noqa: E402  # after the line that it needs

FILE = Path(__file__).parents[1] / "plugins" / "speaker_encoder" / "voices.npz"
FRAMES = slice(0, None, 20)
"""Of the spectrogram that are written down."""


def recordings():
    """Samples by name: the recording as it is, quieter than the package wants, louder, and twice over; and prompts."""
    own = spoken.spoken()
    return {
        "spoken": own,
        "quiet": own * np.float32(0.02),
        "loud": np.clip(own * np.float32(1.6), -1, 1),
        "twice": np.concatenate([own, own]),
        **spoken.prompts(),
    }


def computed(encoder, samples):
    normal = audio.normalize_volume(samples, audio.audio_norm_target_dBFS, increase_only=True)
    whole, parts, _ = encoder.embed_utterance(normal.astype(np.float32), return_partials=True)
    return {"mel": audio.wav_to_mel_spectrogram(normal)[FRAMES], "windows": parts, "whole": whole}


def main():
    torch.set_num_threads(1)
    encoder = VoiceEncoder("cpu", verbose=False)
    found = {
        f"{name} {key}": array for name, each in recordings().items() for key, array in computed(encoder, each).items()
    }
    for name in ("spoken", "twice"):
        found[f"{name} voiced"] = encoder.embed_utterance(audio.preprocess_wav(recordings()[name]).astype(np.float32))
    if "--write" in sys.argv[1:]:
        np.savez_compressed(FILE, **found)
        return
    stored, wrong = np.load(FILE), 0
    for name, array in found.items():
        apart = np.abs(array - stored[name]).max() if array.shape == stored[name].shape else np.inf
        wrong += apart > 1e-5
        print(f"ge2e {name}: {apart:.1e} apart")
    print(f"computed with torch {torch.__version__}, Resemblyzer {importlib.metadata.version('Resemblyzer')}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
