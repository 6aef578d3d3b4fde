"""What a detection's report holds, as plain values."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart_plugins._heads.evaluators import describe_classes
from headstart_plugins.detection._evaluate_errors import Box, Error, Errors
from headstart_plugins.detection._evaluate_matching import IOU_LIMITS
from headstart_plugins.detection._measures import RECALLS, Curves, mean_of_known

BACKGROUND = "background"
DIGITS = 4
"""Of a curve's precision."""


def describe(curves: Curves, errors: Errors) -> dict[str, Any]:
    """The report of `Evaluation`.

    `per_class` has precision, recall, F1 and support at the IoU and scores of `at`, and average precision (`ap`,
    `ap50`, `ap75`) and recall (`ar100`), None without truth. `confusion_matrix` has background last, in rows (found
    though nothing is there) and columns (not found); `confusion_names` says what its rows are. `precision_recall` has
    precision at each of `recall`: `mean` over classes by IoU, and at IoU 0.5 by class. `worst_misses` are the largest
    boxes that were missed, `worst_alarms` the surest detections that are wrong.
    """
    counts = errors.confusions
    names = (*errors.classes, BACKGROUND)
    per_class = describe_classes(
        errors.classes, np.diagonal(counts)[:-1], counts.sum(axis=0)[:-1], counts.sum(axis=1)[:-1]
    )
    precisions = curves.precisions[..., 0]
    with_truth = ~np.isnan(precisions[0, 0])
    for index, (name, limit) in enumerate(zip(errors.classes, errors.limits, strict=True)):
        per_class[name] |= {
            "threshold": float(limit),
            "ap": _number(precisions[:, :, index]),
            "ap50": _number(precisions[0, :, index]),
            "ap75": _number(precisions[5, :, index]),
            "ar100": _number(curves.recalls[:, index, 0, -1]),
        }
    mean = {"0.5": precisions[0], "0.75": precisions[5], "0.5 to 0.95": precisions.mean(axis=0)}
    return {
        "at": {"iou": float(IOU_LIMITS[0]), "scores": errors.limits.tolist()},
        "per_class": per_class,
        "class_figure": "ap",
        "confusion_matrix": counts.tolist(),
        "confusion_names": list(names),
        "precision_recall": {
            "recall": RECALLS.round(DIGITS).tolist(),
            "mean": {name: _curve(each[:, with_truth].mean(axis=1)) for name, each in mean.items() if with_truth.any()},
            "classes": {
                name: _curve(precisions[0, :, index]) for index, name in enumerate(errors.classes) if with_truth[index]
            },
        },
        "worst_misses": list(map(_plain, errors.misses)),
        "worst_alarms": list(map(_plain, errors.alarms)),
    }


def _number(values: np.ndarray) -> float | None:
    mean = mean_of_known(values)
    return None if np.isnan(mean) else mean


def _curve(precision: np.ndarray) -> list[float]:
    return [float(each) for each in precision.round(DIGITS)]


def _plain(error: Error) -> dict[str, Any]:
    return {
        "key": error.picture.key,
        "size": list(error.picture.size),
        "reason": error.reason,
        "overlap": round(error.overlap, DIGITS),
        "box": _box(error.box),
        "beside": None if error.beside is None else _box(error.beside),
    }


def _box(box: Box) -> dict[str, Any]:
    return {"corners": list(box.corners), "label": box.label, "score": box.score}
