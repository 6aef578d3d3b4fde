"""What moving transposes is worth: milliseconds a picture in exported graphs with and without it, taken in turn.

    KERAS_BACKEND=openvino python tests/benchmarks/layout.py    (plugins/headstart_plugins/engines/_layout.py)
    KERAS_BACKEND=torch python tests/benchmarks/layout.py       (plugins/headstart_plugins/engines/_onnx_forms.py)

One thread, float32, random weights. The machine is shared with nothing else, or the figures say little.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import keras
import numpy as np
from sweep import show

from headstart.engine.network.assemble import backbone_inputs, build_backbone, without_head
from headstart.engine.network.network import Network
from headstart.environment import processor
from headstart.registry import load_registry
from headstart.specs import Compiled, EngineExport, EngineRequest, InputRequest

NETWORKS = (
    "efficientnet_lite/lite0",
    "keras_applications/mobilenetv2",
    "keras_applications/efficientnetb0",
    "keras_applications/resnet50",
)
ENGINES = {"openvino": "engines/openvino", "torch": "engines/onnxruntime"}


def main() -> None:
    """Measure and print."""
    given = parse()
    backend = keras.backend.backend()
    rows = []
    for name in given.networks:
        network, image = build(name, given.image_size)
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            moved = opened(ENGINES[backend], network, Path(first))
            with left_as_traced(backend):
                traced = opened(ENGINES[backend], network, Path(second))
            apart = {key: np.abs(array - moved(image)[key]).max() for key, array in traced(image).items()}
            assert max(apart.values()) < 1e-3, apart
            times = [[seconds(each, image) for each in (traced, moved)] for _ in range(given.repeats)]
        without, with_it = (1e3 * statistics.median(side) for side in zip(*times, strict=True))
        rows.append((name, f"{without:.1f}", f"{with_it:.1f}", f"{without / with_it:.2f}"))
    title = f"Milliseconds a picture of {given.image_size} px in {ENGINES[backend]}, median of {given.repeats} rounds"
    show(("network", "without", "with", "ratio"), rows, title=title)
    print(f"\nMachine: {processor()}.")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=9)
    return parser.parse_args()


def build(name: str, size: int) -> tuple[Network, dict[str, np.ndarray]]:
    """A backbone with random weights, and one picture (1, height, width, 3) uint8."""
    registry = load_registry()
    spec, reading = registry.get("backbones", name), registry.get("inputs", "image/image")
    kind = registry.load_target(reading, reading.build)(InputRequest(spec.preprocess, reading.options(size=size)))
    stages = build_backbone(spec, registry, options=spec.default_options(), inputs=backbone_inputs(kind))
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    return without_head(kind, stages, spec.features, ("pooled",)), {"image": image}


def opened(name: str, network: Network, folder: Path) -> Compiled:
    """All below the head, exported and opened by an engine."""
    registry = load_registry()
    spec = registry.get("engines", name)
    stop = len(network.stages) - 1
    registry.load_target(spec, spec.export)(EngineExport(network, stop, folder))
    request = EngineRequest(network, stop, folder, batch_size=1, precision="float32", threads=1)
    compiled: Compiled = registry.load_target(spec, spec.build)(request)
    return compiled


@contextlib.contextmanager
def left_as_traced(backend: str) -> Iterator[None]:
    """Inside, an export leaves transposes where the trace has them."""
    if backend == "openvino":
        name, instead = "_openvino_export.move_transposes", lambda model, rules: None
    else:
        name, instead = "_onnx_forms.channels_first", lambda models: contextlib.nullcontext()
    with mock.patch(f"headstart_plugins.engines.{name}", instead):
        yield


def seconds(compiled: Compiled, image: dict[str, np.ndarray], calls: int = 20) -> float:
    """Seconds of processor time a picture, which work beside this hardly changes."""
    compiled(image)
    started = time.process_time()
    for _ in range(calls):
        compiled(image)
    return (time.process_time() - started) / calls


if __name__ == "__main__":
    main()
