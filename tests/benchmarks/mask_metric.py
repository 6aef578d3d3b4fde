"""S3: what it costs to score masks, beside counting pixels by hand, and as a share of an evaluation.

    KERAS_BACKEND=torch python tests/benchmarks/mask_metric.py

S3: drawn logits of 64 x 64 cells, brought to pictures of 512 px and scored by class. Ours adds them picture by picture
and gives all metrics, those of boundaries among them; by hand logits are brought to all pixels by two products, the
highest one is taken, and pairs of classes are counted by `numpy.bincount`. Matrices of confusions are compared. Beside
it stand masks that are there already: ours with and without boundaries, and bincount. S3b: scenes as files through
EfficientNet-Lite0, and how much of the time from files to metrics is spent on scoring. Seconds are of the processor,
in one thread, for S3, and of the wall for S3b.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from box_metric import ratios
from mask_answers import weights
from mask_by_hand import confusion_of, mean_overlap
from mask_scenes import enliven, saved, scenes, segmented
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios
from threadpoolctl import threadpool_limits

from headstart.artefact import Artefact
from headstart.registry import Registry, load_registry
from headstart.specs import TaskRequest, TensorSpec
from headstart_plugins.segmentation._evaluate import MaskScores, confusions

BACKEND = keras.backend.backend()
SIDE, CELLS = 512, 64
BLOCK = 32
"""Cells of the drawn truth are so many pixels wide."""


@dataclass(frozen=True)
class Drawn:
    """A picture: `logits` (cell, cell, class) float32, its `truth` and the mask that logits come to, (SIDE, SIDE)
    uint8."""

    logits: np.ndarray
    truth: np.ndarray
    found: np.ndarray


def main() -> None:
    """Measure, print and write the ratios."""
    given = parse()
    registry = load_registry()
    with threadpool_limits(1):
        found = of_masks(registry, given)
    found.append(of_an_evaluation(registry, given))
    settings = (
        f"{given.pictures} pictures of {SIDE} px with {given.classes} classes, processor seconds, one thread; and "
        f"{given.scenes} scenes at {given.size} px, {BACKEND}; {given.rounds} rounds in turn"
    )
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Scoring masks: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=FOUND / "mask-metric.json", help="where the ratios go")
    parser.add_argument("--pictures", type=int, default=100, metavar="N", help="drawn ones")
    parser.add_argument("--classes", type=int, default=21, metavar="N")
    parser.add_argument("--scenes", type=int, default=200, metavar="N", help="of the evaluation")
    parser.add_argument("--size", type=int, default=256, metavar="PIXELS", help="of the evaluation")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    return parser.parse_args()


def draw(count: int, classes: int) -> list[Drawn]:
    """Truths of large blocks, and logits that mostly say so."""
    random = np.random.default_rng(0)
    step, to_pixels = SIDE // CELLS, weights(SIDE, CELLS)
    drawn = []
    for _ in range(count):
        blocks = random.integers(0, classes, (SIDE // BLOCK, SIDE // BLOCK))
        truth = np.kron(blocks, np.ones((BLOCK, BLOCK), np.uint8)).astype(np.uint8)
        truth = np.roll(truth, random.integers(0, BLOCK, 2), (0, 1))
        logits = random.normal(0, 1, (CELLS, CELLS, classes)).astype(np.float32)
        logits += 3 * np.eye(classes, dtype=np.float32)[truth[step // 2 :: step, step // 2 :: step]]
        drawn.append(Drawn(logits, truth, (to_pixels @ logits.transpose(2, 0, 1) @ to_pixels.T).argmax(0)))
    return drawn


def of_masks(registry: Registry, given: argparse.Namespace) -> list[Ratio]:
    """S3 and what stands beside it."""
    drawn, classes = draw(given.pictures, given.classes), given.classes
    spec = registry.get("tasks", "segmentation")
    inputs = {"image": TensorSpec((SIDE, SIDE, 3), "uint8")}
    labels = {"classes": [f"class {number}" for number in range(classes)]}
    task = registry.load_target(spec, spec.build)(TaskRequest(spec.options(), labels=labels, inputs=inputs))
    sides: dict[str, Callable[[], Any]] = {
        "ours": lambda: evaluated(task, drawn),
        "by hand": lambda: by_hand(drawn, classes),
        "ours, masks alone": lambda: with_boundaries(task, drawn),
        "ours, masks without boundaries": lambda: sum(confusions(each.truth, each.found, classes) for each in drawn),
        "bincount, masks alone": lambda: sum(confusion_of(each.truth, each.found, classes) for each in drawn),
    }
    found, expected = sides["ours"](), sides["by hand"]()
    apart = abs(found.metrics()["miou"] - mean_overlap(expected))
    same = np.abs(found.scores.confusion - expected).sum() <= 2e-6 * expected.sum() and apart < 1e-5
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(given.rounds):
        for name, run in sides.items():
            started = time.process_time()
            run()
            seconds[name].append(time.process_time() - started)
    told = ", ".join(f"{name} {middle([1e3 * each / len(drawn) for each in taken])}" for name, taken in seconds.items())
    note = f"Milliseconds a picture: {told}. Mean IoU differs by {apart:.1e}."
    what = f"logits of {CELLS} x {CELLS} x {classes} to metrics of {SIDE} px"
    against, alone = "products, argmax and bincount by hand", "bincount by hand"
    return [
        Ratio("S3", what, against, ratios(seconds["ours"], seconds["by hand"]), note, holds=bool(same)),
        *(
            Ratio("S3", side, alone, ratios(seconds[side], seconds["bincount, masks alone"]), counts=False)
            for side in ("ours, masks alone", "ours, masks without boundaries")
        ),
    ]


def evaluated(task: Any, drawn: Sequence[Drawn]) -> Any:
    """Our evaluator with all pictures, as a finished network is scored."""
    evaluator = task.evaluator()
    fact = dict.fromkeys(("height", "width", "input_height", "input_width"), SIDE)
    fact |= {"scale_x": 1.0, "scale_y": 1.0, "offset_x": 0.0, "offset_y": 0.0}
    for each in drawn:
        targets = {"mask": each.truth[None], "truth_mask": each.truth[None]}
        evaluator.update(targets, {"logits": each.logits[None]}, [fact], np.zeros(1, np.float32))
    evaluator.metrics()
    return evaluator


def with_boundaries(task: Any, drawn: Sequence[Drawn]) -> MaskScores:
    """Ours of masks."""
    scores = MaskScores(task.palette, task.tolerance)
    for each in drawn:
        scores.add(each.truth, each.found.astype(np.uint8))
    return scores


def by_hand(drawn: Sequence[Drawn], classes: int) -> np.ndarray:
    """The matrix of confusions (class, class) of all pictures."""
    to_pixels, found = weights(SIDE, CELLS), np.zeros((classes, classes), np.int64)
    for each in drawn:
        values = to_pixels @ each.logits.transpose(2, 0, 1) @ to_pixels.T
        found += confusion_of(each.truth, values.argmax(0), classes)
    return found


def of_an_evaluation(registry: Registry, given: argparse.Namespace) -> Ratio:
    """S3b: seconds of the wall on scoring, over those from picture files to metrics."""
    shown = scenes(registry, given.scenes)
    with tempfile.TemporaryDirectory() as scratch:
        made = segmented(registry, scenes(registry, min(8, given.scenes)), size=given.size)
        enliven(made.network)
        saved(made, registry, Path(scratch) / "artefact")
        artefact = Artefact.load(Path(scratch) / "artefact", registry=registry)
        task: Any = artefact.task
        shares, whole = [], []
        for _ in range(given.rounds):
            started, spent, done = time.perf_counter(), 0.0, 0
            evaluator = task.evaluator()
            for batch in artefact.predictor.answer(shown.files):
                begun = time.perf_counter()
                for row, fact in enumerate(batch.facts):
                    mask = shown.masks[done + row]
                    targets = {**task.encode([mask], [fact], [""]), **task.truth(mask, fact, "")}
                    one = {name: array[row : row + 1] for name, array in batch.outputs.items()}
                    evaluator.update(targets, one, [fact], np.zeros(1, np.float32))
                done += len(batch.facts)
                spent += time.perf_counter() - begun
            begun = time.perf_counter()
            evaluator.result()
            spent += time.perf_counter() - begun
            whole.append(time.perf_counter() - started)
            shares.append(spent / whole[-1])
    what = f"encoding and scoring of {given.scenes} masks, Lite0 at {given.size} px, {BACKEND}"
    return Ratio("S3b", what, "all from files to metrics", tuple(shares), f"{middle(whole, 1, ' s')} in all.")


if __name__ == "__main__":
    main()
