"""D3: the measures of detection beside pycocotools, and what a bootstrap over pictures costs.

    python tests/benchmarks/box_metric.py

5,000 drawn pictures with 7 boxes and 20 detections of 80 classes. Ours adds them one by one and gives the metrics;
pycocotools gets its documents ready made, and indexes, evaluates, accumulates and summarizes. The sides take turns;
seconds are of the processor, in one thread. faster-coco-eval stands beside it where it is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins" / "detection"))
from drawn_pictures import ask_pycocotools, documents_of, draw, names_of

from headstart_plugins._boxes import Boxes, Detections
from headstart_plugins.detection._evaluate import BoxEvaluator
from headstart_plugins.detection._measures_resampled import intervals

EVALUATIONS = 5
"""So many evaluations' time a thousand resamples may take."""


def main() -> None:
    """Measure, print and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=FOUND / "box_metric.json", help="where the ratios go")
    parser.add_argument("--pictures", type=int, default=5000, metavar="N")
    parser.add_argument("--classes", type=int, default=80, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    given = parser.parse_args()
    found = compare(draw(0, given.pictures, given.classes), given.classes, given.rounds)
    settings = f"{given.pictures} pictures, {given.classes} classes, {given.rounds} rounds in turn, processor seconds"
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Boxes: {settings}")


def compare(pictures: Sequence[tuple[Boxes, Detections]], classes: int, rounds: int) -> list[Ratio]:
    """Ratios of each round; of differing figures none."""
    document, results = documents_of(pictures, classes)
    kept = evaluate(pictures, classes)
    sides: dict[str, Callable[[], Any]] = {
        "ours": lambda: evaluate(pictures, classes).metrics(),
        "pycocotools": lambda: ask_pycocotools(document, results).stats,
        "1,000 resamples": lambda: intervals(kept.metrics(), kept.matches, len(pictures), classes),
        **faster(document, results),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            started = time.process_time()
            answer = side()
            seconds[name].append(time.process_time() - started)
            if name == "pycocotools":
                np.testing.assert_allclose(list(kept.metrics().values()), answer, rtol=0, atol=1e-9)
    note = ", ".join(f"{name} {middle(taken, 2, ' s')}" for name, taken in seconds.items())
    what = "COCO's twelve figures"
    resamples = [each / EVALUATIONS for each in seconds["1,000 resamples"]]
    own = [
        Ratio("D3", what, name, ratios(seconds["ours"], taken), note, counts=name == "pycocotools")
        for name, taken in seconds.items()
        if name not in ("ours", "1,000 resamples")
    ]
    return own + [
        Ratio("D3b", "1,000 resamples", f"{EVALUATIONS} evaluations of {name}", ratios(resamples, seconds[name]))
        for name in ("ours", "pycocotools")
    ]


def evaluate(pictures: Sequence[tuple[Boxes, Detections]], classes: int) -> BoxEvaluator:
    """Ours, with all pictures added."""
    evaluator = BoxEvaluator(names_of(classes))
    for truth, found in pictures:
        evaluator.add(truth, found)
    return evaluator


def faster(document: Any, results: Any) -> dict[str, Callable[[], Any]]:
    """faster-coco-eval as a side, where it is installed."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError:
        return {}

    def ask() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(document)
            evaluation = COCOeval_faster(truth, truth.loadRes(results), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return evaluation.stats

    return {"faster-coco-eval": ask}


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Of each round."""
    return tuple(own / other for own, other in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
