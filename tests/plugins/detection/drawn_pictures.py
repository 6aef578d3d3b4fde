"""Drawn pictures for the measures of boxes, and what pycocotools says of them."""

from __future__ import annotations

import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from headstart_plugins._boxes import Boxes, Detections


def names_of(classes):
    return tuple(f"c{place}" for place in range(classes))


def boxes(corners=(), classes=(), areas=None, crowd=None, difficult=None):
    corners = np.array(corners, float).reshape(-1, 4)
    plain = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    none = np.zeros(len(corners), bool)
    return Boxes(
        corners,
        tuple(f"c{each}" for each in classes),
        plain if areas is None else np.array(areas, float),
        none if crowd is None else np.array(crowd, bool),
        none if difficult is None else np.array(difficult, bool),
    )


def detections(corners=(), scores=(), classes=()):
    return Detections(np.array(corners, float).reshape(-1, 4), np.array(scores, float), np.array(classes, int))


def draw(seed, pictures, classes, *, grid=None, objects=7, found=20):
    """Truth and detections of so many pictures, half of these near truth; on a `grid` scores and overlaps are often
    equal. Some truth is a crowd or difficult, some areas are not those of the boxes, some pictures are empty."""
    random = np.random.default_rng(seed)

    def anywhere(count):
        sizes = np.exp(random.uniform(np.log(8), np.log(250), (count, 2)))
        origins = random.uniform(0, 500, (count, 2))
        return np.concatenate([origins, origins + sizes], axis=1)

    drawn = []
    for _ in range(pictures):
        count = random.poisson(objects) * (random.random() > 0.1)
        corners, kinds = anywhere(count), random.integers(0, classes, count)
        other = anywhere(found)
        kinds_found, scores = random.integers(0, classes, found), random.random(found)
        if count:
            source = random.integers(0, count, found)
            sizes = np.tile(corners[source, 2:] - corners[source, :2], 2)
            near = random.random(found) < 0.6
            other = np.where(near[:, None], corners[source] + random.normal(0, 0.07, (found, 4)) * sizes, other)
            kinds_found = np.where(near & (random.random(found) < 0.8), kinds[source], kinds_found)
        if grid:
            corners, other, scores = np.round(corners / grid) * grid, np.round(other / grid) * grid, scores.round(1)
        other[:, 2:] = np.maximum(other[:, :2], other[:, 2:])
        areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1) * np.where(random.random(count) < 0.3, 0.6, 1.0)
        crowd, difficult = random.random(count) < 0.08, random.random(count) < 0.1
        drawn.append((boxes(corners, kinds, areas, crowd, difficult), detections(other, scores, kinds_found)))
    return drawn


def documents_of(pictures, classes):
    """COCO's two documents: annotations, whose ids begin at 1, and results."""
    annotations, results = [], []
    for image, (truth, found) in enumerate(pictures, 1):
        for (left, top, right, bottom), name, area, crowd in zip(
            truth.corners.tolist(), truth.classes, truth.areas.tolist(), truth.crowd.tolist(), strict=True
        ):
            row = {"id": len(annotations) + 1, "image_id": image, "category_id": int(name[1:]) + 1}
            annotations.append({**row, "bbox": [left, top, right - left, bottom - top], "area": area, "iscrowd": crowd})
        for (left, top, right, bottom), score, kind in zip(
            found.corners.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True
        ):
            row = {"image_id": image, "category_id": kind + 1, "score": score}
            results.append({**row, "bbox": [left, top, right - left, bottom - top]})
    categories = [{"id": place + 1, "name": name} for place, name in enumerate(names_of(classes))]
    images = [{"id": image} for image in range(1, len(pictures) + 1)]
    return {"images": images, "categories": categories, "annotations": annotations}, results


def ask_pycocotools(document, results):
    """COCOeval after all its steps."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = document
        truth.createIndex()
        found = truth.loadRes(results)
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation
