"""Learning curves as an SVG: each value where it belongs, whatever a run left."""

import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from headstart.events import EpochDone, RunStarted, WentBack
from headstart.runs.curves import HEIGHT, WIDTH, draw_svg

SVG = "{http://www.w3.org/2000/svg}"


def started(metric="accuracy"):
    return RunStarted(
        run="r",
        backend="torch",
        backbone="b",
        weights="none",
        task="t",
        strategy="s",
        primary_metric=metric,
        higher_is_better=True,
        classes=(),
        samples={},
        parameters={},
        phases=(),
    )


def epoch(number, *, phase="fine_tune", best=False, train=None, **val):
    return EpochDone(phase=phase, epoch=number, epochs=9, train=train or {}, val=val, rates={}, seconds=1.0, best=best)


def drawn(*events):
    """The picture, and the dots of val in each of its panels."""
    picture = ElementTree.fromstring(draw_svg(events))
    panels = picture.findall(f"{SVG}g")
    return picture, [
        [
            (float(dot.get("cx")), float(dot.get("cy")))
            for dot in panel.findall(f"{SVG}circle")
            if dot.get("fill") == "#0b6fb8"
        ]
        for panel in panels
    ]


def test_values_are_in_proportion_to_their_height_and_epochs_to_their_place():
    values = {1: 0.5, 2: 0.9, 3: 0.7}
    _, (accuracy, loss) = drawn(started(), *(epoch(n, accuracy=v, loss=10 * v) for n, v in values.items()))
    for dots in (accuracy, loss):
        (x1, y1), (x2, y2), (x3, y3) = dots
        assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
        assert (y1 - y3) / (y1 - y2) == pytest.approx((0.7 - 0.5) / (0.9 - 0.5), abs=0.01)
        assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in dots)
    assert accuracy == loss, "the same curve in other units"


def test_phases_follow_each_other_and_an_epoch_taken_again_counts_once():
    events = [epoch(1, phase="probe", loss=3.0), epoch(1, loss=9.0), epoch(1, loss=2.0), epoch(2, loss=1.0, best=True)]
    picture, ((*dots,),) = drawn(started("loss"), *events)
    assert len(dots) == 3
    assert [x for x, _ in dots] == sorted(x for x, _ in dots)
    assert [y for _, y in dots] == sorted(y for _, y in dots), "losses fall"
    texts = [each.text for each in picture.iter(f"{SVG}text")]
    assert {"probe", "fine tune", "kept", "val"} <= set(texts)
    assert "train" not in texts
    (ring,) = (each for each in picture.iter(f"{SVG}circle") if each.get("fill") == "none")
    assert (float(ring.get("cx")), float(ring.get("cy"))) == dots[-1]
    assert sum(each.get("stroke-dasharray") is not None for each in picture.iter(f"{SVG}path")) == 1


def test_epochs_that_training_went_back_behind_are_left_out():
    before = [epoch(1, loss=3.0), epoch(2, loss=1.0, best=True), epoch(3, loss=2.0)]
    back = WentBack(phase="fine_tune", epoch=2, reason="")
    _, ((*dots,),) = drawn(started("loss"), *before, back, epoch(2, loss=2.5, best=True))
    assert len(dots) == 2
    assert draw_svg([started("loss"), epoch(1, loss=3.0), replace(back, epoch=1)]) == ""


def test_what_was_not_measured_is_left_out():
    _, (loss,) = drawn(started(), epoch(1, accuracy=None, loss=1.0), epoch(2, loss=math.nan), epoch(3, loss=1.0))
    assert len(loss) == 2


@pytest.mark.parametrize("events", [[], [started()], [started(), epoch(1)], [epoch(1, accuracy=None)]])
def test_where_nothing_was_measured_there_is_no_picture(events):
    assert draw_svg(events) == ""


def test_thousands_of_epochs_and_odd_names_make_a_small_and_sound_picture():
    events = [epoch(n, phase="<b>&'" * 9, train={"loss": 1.5 / n}, loss=1 / n, accuracy=1.0) for n in range(1, 20_001)]
    text = draw_svg([started(), *events])
    assert len(text) < 100_000
    assert "<b>" not in text
    assert "script" not in text
    picture = ElementTree.fromstring(text)
    points = [each.get("points").split() for each in picture.iter(f"{SVG}polyline")]
    assert all(len(each) == 400 for each in points)
