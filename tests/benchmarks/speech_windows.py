"""What windows shorter than Whisper's 30 s cost and lose: seconds of processor a clip, and the cosine of its pooled
features with those of 30 s; of the clips of tests/references/spoken.py.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python tests/benchmarks/speech_windows.py
"""

import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "references"), str(ROOT / "plugins" / "_sounds")]
import sound_networks  # noqa: E402  # after the line that finds them
import spoken  # noqa: E402

from headstart.registry import load_registry  # noqa: E402

WINDOWS = (30.0, 10.0, 5.0, 2.0)


def main():
    registry = load_registry()
    clips = {"spoken": spoken.spoken(), **spoken.prompts()}
    whole = {}
    print(f"{'window':>8} {'clips':>6} {'seconds a clip':>15} {'cosine, least':>14} {'mean':>7}")
    for seconds in WINDOWS:
        network = sound_networks.sound_network(registry, "whisper/tiny_en", seconds=seconds)
        heard = {name: clip for name, clip in clips.items() if len(clip) <= min(seconds, 10.0) * spoken.RATE}
        network.run(next(iter(heard.values())))
        begin = time.process_time()
        pooled = {name: network.run(clip)["pool", "pooled"][0] for name, clip in heard.items()}
        spent = (time.process_time() - begin) / len(heard)
        whole = whole or pooled
        cosines = [
            float(found @ whole[name] / np.linalg.norm(found) / np.linalg.norm(whole[name]))
            for name, found in pooled.items()
        ]
        print(f"{seconds:8g} {len(heard):6} {spent:15.3f} {min(cosines):14.4f} {np.mean(cosines):7.4f}")


if __name__ == "__main__":
    main()
