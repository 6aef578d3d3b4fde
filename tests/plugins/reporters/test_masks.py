"""What the page shows of a segmentation's report, as its evaluator gives it."""

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
from headstart_plugins.reporters import HtmlOptions
from headstart_plugins.segmentation._evaluate import MaskScores
from headstart_plugins.segmentation._palette import Palette

COLOURS = ((0, 0, 0), (255, 120, 0))


@pytest.fixture(scope="module")
def page(recorded_run):
    """The page of a run with two pictures, one of them all wrong but for its ground."""
    truth = np.zeros((96, 128), np.uint8)
    truth[10:50, 20:60] = 1
    scores = MaskScores(Palette(("ground", "a <b>"), COLOURS), 2.0)
    scores.add(truth, truth, "test/0")
    scores.add(truth, np.zeros_like(truth), "test/1")
    scored = scores.result()
    events = []
    for event in recorded_run.events(str(recorded_run.path)):
        if isinstance(event, RunFinished):
            both = {"metrics": scored.metrics, "intervals": scored.intervals, "report": scored.report}
            result = {**event.result, "classes": ["ground", "a <b>"], "primary_metric": "miou"}
            result["baseline"] = {"majority_miou": 0.4}
            event = replace(event, result={**result, **{name: {"test": each} for name, each in both.items()}})
        events.append(event)
    module = importlib.import_module("headstart_plugins.reporters._html")
    reporter = module.build(ReporterRequest(options=HtmlOptions(), interactive=False, live=True))
    for event in events:
        reporter.on_event(event, recorded_run)
    return (recorded_run.path / "report" / "report.html").read_text(encoding="utf-8")


def test_the_worst_pictures_have_the_true_and_the_found_mask_on_them(page):
    section = page.split('<section class="marked">')[1].split("</section>")[0]
    assert "answered worst on test" in section
    figures = section.split("<figure>")[1:]
    assert ["test/1" in each for each in figures] == [True, False]
    assert section.count('<svg viewBox="0 0 128 96"') == 4
    masks = re.findall(r'class="mask" href="data:image/png;base64,([^"]+)"', figures[0])
    true, found = (Image.open(io.BytesIO(base64.b64decode(each))) for each in masks)
    assert np.asarray(true).sum() == 40 * 40
    assert np.asarray(found).sum() == 0
    drawn = np.asarray(true.convert("RGBA"))
    assert drawn[12, 30].tolist() == [*COLOURS[1], 255]
    assert drawn[0, 0, 3] == 0, "what is black in the palette leaves the picture as it is"
    assert "mean IoU 0.435, 13.0&nbsp;% of its pixels wrong" in figures[0]
    assert '<i style="background:#ff7800"></i>a &lt;b&gt;' in section


def test_confusions_are_shares_of_pixels_and_classes_have_their_overlap(page):
    matrix = page.split('<table class="matrix">')[1].split("</table>")[0]
    assert re.findall(r">([\d.]*)</td>", matrix) == ["100.0", "", "50.0", "50.0"]
    assert "1,600 pixels" in matrix
    classes = page.split('<section id="classes">')[1].split("</section>")[0]
    assert all(title in classes for title in ("IoU", "boundary F", "pixels"))
    assert "0.5000</td>" in classes
    assert 'class="scale"' in page, "a mean IoU lies between 0 and 1"
