"""What the page shows of a detection's report, as its evaluator gives it."""

from __future__ import annotations

import base64
import importlib
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from headstart.events import RunFinished
from headstart.specs import ReporterRequest
from headstart_plugins._boxes import Boxes, Detections
from headstart_plugins.detection._evaluate import BoxEvaluator
from headstart_plugins.reporters import HtmlOptions


@pytest.fixture(scope="module")
def page(recorded_run):
    """The page of a run with a report of three detections: right, wrong, and beside what they should have found."""
    truth = Boxes(
        np.array([[4.0, 4, 20, 20], [40, 8, 60, 40]]), ("cat", "a <b>"), np.array([256.0, 640]), *np.zeros((2, 2), bool)
    )
    found = Detections(
        np.array([[4.0, 4, 20, 20], [70, 70, 80, 90], [40, 30, 60, 62]]), np.array([0.9, 0.8, 0.7]), np.array([0, 0, 1])
    )
    evaluator = BoxEvaluator(("cat", "a <b>"))
    evaluator.add(truth, found, key="test/1", size=(128, 96))
    scored = evaluator.result()
    events = []
    for event in recorded_run.events(str(recorded_run.path)):
        if isinstance(event, RunFinished):
            both = {"metrics": scored.metrics, "intervals": scored.intervals, "report": scored.report}
            result = {**event.result, "classes": ["cat", "a <b>"], "primary_metric": "map", "baseline": {}}
            event = replace(event, result={**result, **{name: {"test": each} for name, each in both.items()}})
        events.append(event)
    module = importlib.import_module("headstart_plugins.reporters._html")
    reporter = module.build(ReporterRequest(options=HtmlOptions(), interactive=False, live=True))
    for event in events:
        reporter.on_event(event, recorded_run)
    return (recorded_run.path / "report" / "report.html").read_text(encoding="utf-8")


def test_the_worst_errors_are_drawn_in_their_pictures(page):
    sections = page.split('<section class="marked">')[1:]
    misses, alarms = (re.findall(r'<rect class="(\w+)" x="([\d.]+)"', each) for each in sections)
    assert misses == [("found", "40.0"), ("truth", "40.0")]  # what is beside lies below
    assert alarms == [("found", "70.0"), ("truth", "40.0"), ("found", "40.0")]
    assert page.count('<svg viewBox="0 0 128 96"') == page.count('<image href="data:image/png;base64,') == 3
    assert "a &lt;b&gt; 0.70" in sections[1]
    assert "badly placed (IoU 0.19)" in sections[0]


def test_background_has_its_row_and_column_and_classes_their_average_precision(page):
    matrix = page.split('<table class="matrix">')[1].split("</table>")[0]
    assert re.findall(r"<span>(.*?)</span>", matrix) == ["cat", "a &lt;b&gt;", "background"]
    assert re.findall(r">(\d*)</td>", matrix) == ["1", "", "", "", "", "1", "1", "1", ""]
    classes = page.split('<section id="classes">')[1].split("</section>")[0]
    assert "AP 50" in classes
    assert "1.0000</td>" in classes  # the cat's


def test_precision_over_recall_is_a_picture(page):
    found = re.search(r'class="curves" src="data:image/png;base64,([^"]+)" alt="Precision', page)
    picture = Image.open(io.BytesIO(base64.b64decode(found[1])))
    assert picture.width > 1000
    assert len(picture.convert("RGB").getcolors(10**6)) > 50
