"""S2: from picture files to masks at the size of the files, the whole job after loading.

    KERAS_BACKEND=torch python tests/benchmarks/mask_answers.py

Ours is what `headstart predict` runs where pictures are many: an artefact's predictor in the engine that it decides on
and holds equal to stock layers first, here of EfficientNet-Lite0 with its published weights below a light head of drawn
numbers, which answers in patches of all classes, on drawn scenes. The control is the same
network in ONNX Runtime, a picture at a time, with pictures read by Pillow in a thread ahead, logits brought to all
pixels by two products and the highest one taken in numpy. Masks of both are compared. The sides take turns; ratios are
of the wall, those of the processor stand beside them. Beside it also stand both sides with an indexed PNG made of each
mask, and stock layers, which answer where pictures are few.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from box_answers import name_of, threads
from box_step import in_turn
from mask_by_hand import ByHand
from mask_scenes import enliven, saved, scenes, segmented
from PIL import Image
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

from headstart.artefact import Artefact
from headstart.data.ahead import ahead
from headstart.engine.network.network import Network
from headstart.registry import Registry, load_registry
from headstart.runs.answering import MANY, predictor_in

BACKEND = keras.backend.backend()
ALLOWED = 1e-4
"""Share of pixels that may differ: where two logits are about equal."""
FITTED = 8
"""Scenes that the task counts its classes on."""


def main() -> None:
    """Measure, print and write the ratios."""
    given = parse()
    registry = load_registry()
    files = scenes(registry, given.count).files
    with tempfile.TemporaryDirectory() as scratch:
        found = compare(files, registry, given, Path(scratch))
    settings = (
        f"{BACKEND}, EfficientNet-Lite0 below lr_aspp, {len(files)} scenes at {given.size} px, float32, {threads()} "
        f"threads, {given.rounds} rounds in turn"
    )
    write_ratios(given.json or FOUND / f"mask-answers-{BACKEND}.json", found, settings=settings)
    show_ratios(found, title=f"Masks of picture files: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/mask-answers-BACKEND.json")
    parser.add_argument("--size", type=int, default=256, metavar="PIXELS")
    parser.add_argument("--count", type=int, default=200, metavar="N", help="pictures")
    parser.add_argument("--engine", default="auto", help="as `headstart predict` takes it")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    return parser.parse_args()


def compare(files: Sequence[Path], registry: Registry, given: argparse.Namespace, scratch: Path) -> list[Ratio]:
    """The wall's ratio, which counts, and what stands beside it."""
    made = segmented(registry, scenes(registry, FITTED), size=given.size)
    enliven(made.network)
    saved(made, registry, scratch / "artefact")
    artefact = Artefact.load(scratch / "artefact", registry=registry)
    task: Any = artefact.task
    by_hand = Control(artefact.network, given.size)
    with predictor_in(artefact, given.engine, files, print, count=MANY) as (predictor, engine):
        sides: dict[str, Callable[[], Any]] = {
            "ours": lambda: list(predictor.answers(files)),
            "by hand": lambda: list(by_hand.masks(files)),
            "ours, with PNG": lambda: [len(task.files(each)[".png"]) for each in predictor.answers(files)],
            "by hand, with PNG": lambda: [len(indexed(each)) for each in by_hand.masks(files)],
            "ours on stock layers": lambda: list(artefact.predictor.answers(files)),
        }
        expected = list(by_hand.masks(files))
        apart = {side: difference(sides[side](), expected) for side in ("ours", "ours on stock layers")}
        seconds = in_turn(sides, given.rounds, warm=0)
    rates = {side: [len(files) / each for each in taken["wall"]] for side, taken in seconds.items()}
    told = "; ".join(f"{side} {middle(values, 1)}" for side, values in rates.items())
    what = f"{len(files)} scenes at {given.size} px to masks of Lite0 below lr_aspp, float32, {BACKEND}"
    what += f", {name_of(engine)}"
    against = "ONNX Runtime, and logits to pixels by hand in numpy"
    row = "S2" if BACKEND == "torch" else "S2j"

    def ratio(side: str, other: str, clock: str = "wall", **more: Any) -> Ratio:
        pairs = zip(seconds[side][clock], seconds[other][clock], strict=True)
        said = what if side == "ours" else f"{what}, {side}"
        return Ratio(row, said, against, tuple(theirs / ours for ours, theirs in pairs), **more)

    classes = len(np.unique(np.concatenate([np.unique(mask) for mask in expected])))
    note = f"Pictures a second: {told}. {apart['ours']:.1e} of all pixels differ, which are of {classes} classes."
    found = [ratio("ours", "by hand", note=note, holds=apart["ours"] <= ALLOWED and classes > 2)]
    processor = ratio("ours", "by hand", "processor", counts=False)
    found += [Ratio(row, f"processor time of {what}", against, processor.ratios, counts=False)]
    found += [ratio("ours, with PNG", "by hand, with PNG", counts=False)]
    return found + [
        ratio(side, "by hand", note=f"{share:.1e} of all pixels differ.", counts=False)
        for side, share in apart.items()
        if side != "ours"
    ]


class Control:
    """The network of `like` in ONNX Runtime, and what comes before and after by hand."""

    def __init__(self, like: Network, size: int) -> None:
        import onnxruntime as runtime

        graph = io.BytesIO()
        model = ByHand(like, rate=0.0, exact=True).model
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (torch.zeros(1, 3, size, size),), graph, dynamo=False, input_names=["images"])
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._session = runtime.InferenceSession(graph.getvalue(), options, providers=["CPUExecutionProvider"])
        self._size = size

    def masks(self, files: Sequence[Path]) -> Iterator[np.ndarray]:
        """Of each picture (height, width) uint8; the next ones are read while one runs."""
        for sides, pixels in ahead(map(self._read, files)):
            logits = self._session.run(None, {"images": pixels})[0][0]
            down, across = (weights(pixels, cells) for pixels, cells in zip(sides, logits.shape[1:], strict=True))
            yield (down @ logits @ across.T).argmax(0).astype(np.uint8)

    def _read(self, file: Path) -> tuple[tuple[int, int], np.ndarray]:
        """Height and width of a square picture, and (1, 3, size, size) float32."""
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        sides = (picture.height, picture.width)
        if picture.size != (self._size, self._size):
            picture = picture.resize((self._size, self._size), Image.Resampling.BICUBIC)
        pixels = (np.asarray(picture).astype(np.float32) - 127) / 128
        return sides, np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def weights(pixels: int, cells: int) -> np.ndarray:
    """(pixel, cell) float32: linear interpolation between the centres of cells, and level beyond the outermost."""
    places = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    return np.maximum(1 - np.abs(places[:, None] - np.arange(cells)), 0).astype(np.float32)


def indexed(mask: np.ndarray) -> bytes:
    """A PNG with a palette."""
    image, stream = Image.fromarray(mask), io.BytesIO()
    image.putpalette([value for place in range(256) for value in (place, 255 - place, 37 * place % 256)])
    image.save(stream, "PNG")
    return stream.getvalue()


def difference(ours: Sequence[Any], by_hand: Sequence[np.ndarray]) -> float:
    """The share of all pixels in which masks differ."""
    other = sum(int((answer["mask"] != mask).sum()) for answer, mask in zip(ours, by_hand, strict=True))
    return other / sum(mask.size for mask in by_hand)


if __name__ == "__main__":
    main()
