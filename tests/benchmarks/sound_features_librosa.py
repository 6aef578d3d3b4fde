"""librosa's side of `sound_features.py`, in an interpreter that need not have headstart.

    python sound_features_librosa.py SECONDS PASSES

Prints the median processor seconds of a pass: power in 80 mel bands, and its logarithm.
"""

import json
import statistics
import sys
import time

import librosa
import numpy as np

RATE = 16_000


def main() -> None:
    seconds, passes = map(int, sys.argv[1:3])
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, RATE * seconds).astype(np.float32)
    taken = []
    for number in range(passes + 2):  # two that warm up
        started = time.process_time()
        powers = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=400, hop_length=160, n_mels=80)
        np.log10(np.maximum(powers, 1e-10))
        if number >= 2:
            taken.append(time.process_time() - started)
    print(json.dumps({"seconds": statistics.median(taken)}))


if __name__ == "__main__":
    main()
