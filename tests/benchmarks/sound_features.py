"""A2: log-mel features in a stage beside librosa's; A4: recordings read and resampled beside a network that hears them.

    OMP_NUM_THREADS=1 KERAS_BACKEND=torch python tests/benchmarks/sound_features.py --control PYTHON
    OMP_NUM_THREADS=1 KERAS_BACKEND=jax taskset -c 0 python tests/benchmarks/sound_features.py --control PYTHON

A2: Whisper's form, 80 bands of 30 s at 16 kHz; librosa's `melspectrogram` of the same numbers and its logarithm, in the
interpreter CONTROL, which has librosa. A4: FLAC files of 22,050 Hz, read, resampled and cut by the kind
`sound/spectrogram`, and EfficientNet-Lite0 with its stage, stock layers, on pictures of 224 px. All on one core; the
sides take turns; seconds are of the processor, of each round the median of ten passes.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

HERE = Path(__file__).parent
RATE, SECONDS, PASSES = 16_000, 30, 10
CLIPS, CLIP_SECONDS, BATCH = 64, 3.0, 16


def main() -> None:
    """Measure, print and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the ratios go")
    parser.add_argument("--control", default="", help="a Python with librosa; without it A2 is left out")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    given = parser.parse_args()
    import keras

    backend = keras.backend.backend()
    found = [*([features(given, backend)] if given.control else []), reading(given, backend)]
    settings = f"{backend}, one core, processor seconds, {given.rounds} rounds in turn"
    write_ratios(given.json or FOUND / f"sound-features-{backend}.json", found, settings=settings)
    show_ratios(found, title=f"Sounds: {settings}")


def features(given: argparse.Namespace, backend: str) -> Ratio:
    """Theirs over ours, a round each."""
    ours, theirs = [], []
    passing = log_mel(backend)
    for _ in range(given.rounds):
        ours.append(processor_seconds(passing))
        command = (given.control, HERE / "sound_features_librosa.py", str(SECONDS), str(PASSES))
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        theirs.append(float(json.loads(done.stdout)["seconds"]))
    return Ratio(
        "A2" if backend == "torch" else "A2j",
        f"log-mel of {SECONDS} s, 80 bands, {backend}",
        "librosa",
        tuple(other / own for own, other in zip(ours, theirs, strict=True)),
        f"{middle([1000 * each for each in ours], 1, ' ms')} against "
        f"{middle([1000 * each for each in theirs], 1, ' ms')}",
    )


def log_mel(backend: str) -> Callable[[], Any]:
    """One pass over so many seconds, compiled where the backend compiles."""
    import keras
    from keras import ops

    from headstart_plugins._waves.mel import Mel

    mel = Mel(RATE, 400, 160, 80, frames=100 * SECONDS)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (1, RATE * SECONDS)).astype(np.float32)

    entry = keras.Input(samples.shape[1:], dtype="float32")
    stage = keras.Model(entry, ops.log10(ops.maximum(mel.of_tensor(entry), 1e-10)))  # built once, as a stage is
    return passed(lambda given: stage(given, training=False), samples, backend)


def passed(of: Callable[[Any], Any], batch: np.ndarray, backend: str) -> Callable[[], Any]:
    """`of` on the device, for inference."""
    if backend == "torch":
        import torch

        held = torch.from_numpy(batch)

        def run() -> Any:
            with torch.inference_mode():
                return of(held)

        return run
    import jax

    compiled = jax.jit(of)
    return lambda: jax.block_until_ready(compiled(batch))


def processor_seconds(run: Callable[[], Any]) -> float:
    """The median of so many passes, after two that warm up."""
    run(), run()
    taken = []
    for _ in range(PASSES):
        started = time.process_time()
        run()
        taken.append(time.process_time() - started)
    return statistics.median(taken)


def reading(given: argparse.Namespace, backend: str) -> Ratio:
    """Clips a second read over clips a second through the network."""
    import keras
    import soundfile

    from headstart.registry import load_registry
    from headstart.specs import BackboneRequest, InputRequest, TensorSpec

    registry = load_registry()
    spec = registry.get("backbones", "efficientnet_lite/lite0")
    reader = registry.get("inputs", "sound/spectrogram")
    request = InputRequest(spec.preprocess, reader.options(seconds=CLIP_SECONDS))
    kind = registry.load_target(reader, reader.build)(request)
    files = []
    for number in range(CLIPS):
        stream = io.BytesIO()
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, round(CLIP_SECONDS * 22_050))
        soundfile.write(stream, noise, 22_050, format="FLAC", subtype="PCM_16")
        files.append(stream.getvalue())
    inputs = {"image": TensorSpec((224, 224, 3), "float32")}
    backbone = registry.load_target(spec, spec.build)(BackboneRequest(spec.default_options(), inputs))
    stage = kind.stage()

    def heard(batch: Any) -> Any:
        found = stage(batch, training=False)
        for part in backbone.stages:
            found = part.model(found, training=False)
        return found["pooled"]

    rows = [kind.prepare(kind.read(file, "a.flac")).tensors for file in files[:BATCH]]
    masks = keras.ops.convert_to_tensor(np.stack([row["masks"] for row in rows]))
    network = passed(
        lambda samples: heard({"samples": samples, "masks": masks}), np.stack([row["samples"] for row in rows]), backend
    )
    read, through = [], []
    for _ in range(given.rounds):
        started = time.process_time()
        for file in files:
            kind.prepare(kind.read(file, "a.flac"))
        read.append((time.process_time() - started) / CLIPS)
        through.append(processor_seconds(network) / BATCH)
    return Ratio(
        "A4" if backend == "torch" else "A4j",
        f"FLAC of {CLIP_SECONDS:g} s at 22,050 Hz to windows, {backend}",
        "the network that hears them, stock layers",
        tuple(slow / fast for fast, slow in zip(read, through, strict=True)),
        f"{middle([1000 * each for each in read], 2, ' ms')} a clip against "
        f"{middle([1000 * each for each in through], 1, ' ms')}",
    )


if __name__ == "__main__":
    main()
