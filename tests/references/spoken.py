"""Recordings that the scripts of this folder and the tests hear: one that lies here, and Debian's prompts if there.

`spoken.flac` was made by `flite -voice slt -t SENTENCE` (flite 2.2): 3.3 s at 16 kHz, 16 bits.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RATE = 16_000
SENTENCE = "Whoever learns one thing well learns the next one sooner."
PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PACKAGE = "asterisk-core-sounds-en-wav"
"""Of Debian; real recordings of one speaker, 8 kHz (CC-BY-SA-3.0)."""
HEARD = ("activated", "all-circuits-busy-now", "demo-moreinfo", "demo-thanks", "vm-options")
"""Prompts of 1 to 17 s."""


def samples(file):
    """Samples (n,) float32 of a file at 16 kHz: as our own reading has them, by soundfile and soxr."""
    import soundfile
    import soxr

    read, rate = soundfile.read(file, dtype="float32")
    return np.ascontiguousarray(read if rate == RATE else soxr.resample(read, rate, RATE, quality="HQ"), np.float32)


def spoken():
    """Samples (n,) float32 of the recording that lies here."""
    return samples(HERE / "spoken.flac")


def prompts():
    """Samples by name, of the prompts that are on this machine; often none."""
    return {name: samples(PROMPTS / f"{name}.wav") for name in HEARD if (PROMPTS / f"{name}.wav").is_file()}
