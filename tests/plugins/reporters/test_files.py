"""The reporters that write: json, curves and html, driven by a recorded run."""

from __future__ import annotations

import base64
import importlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from headstart.events import EpochDone, PhaseDone, RunFinished, WentBack
from headstart.lineage import as_documents
from headstart.specs import Beginning, Preview, ReporterRequest, Training
from headstart_plugins.reporters import CurvesOptions, HtmlOptions, register_reporters

SPECS = {spec.short_name: spec for spec in register_reporters()}
VOID = {"meta", "br", "img", "link", "hr", "input"}


def report(name, run, options=None, events=None):
    spec = SPECS[name]
    module, _, function = spec.build.partition(":")
    build = getattr(importlib.import_module(module), function)
    reporter = build(ReporterRequest(options=options or spec.options(), interactive=False, live=True))
    for event in events or run.events(str(run.path)):
        reporter.on_event(event, run)


class Page(HTMLParser):
    """A page as tags and text; notes tags that do not nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text, self.problems = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)

    def handle_data(self, data):
        self.text.append(data)

    def attributes(self, name):
        return [attrs[name] for _, attrs in self.tags if name in attrs]


def page_of(run, options=None, events=None):
    report("html", run, options, events)
    return Page((run.path / "report" / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def written(recorded_run):
    """A run folder with its page, for tests that only read it."""
    return recorded_run, page_of(recorded_run)


@pytest.mark.parametrize("name", list(SPECS))
def test_each_reporter_writes_exactly_what_it_declares_and_touches_nothing_else(name, run):
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    report(name, run)
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    written = {str(path.relative_to(run.path)) for path in after.keys() - before.keys()}
    assert written == set(SPECS[name].writes)
    assert before.items() <= after.items()


def test_the_json_document_holds_run_history_and_result(run):
    report("json", run)
    document = json.loads((run.path / "report" / "report.json").read_text(encoding="utf-8"))
    assert list(document) == ["schema", "run", "phases", "warnings", "notes", "result"]
    assert [note["message"] for note in document["notes"]] == document["result"]["notes"]
    probe, fine_tune = document["phases"]
    assert [epoch["strength"] for epoch in probe["epochs"]] == [1.0, 0.1, 0.01, 0.001, 0.0001]
    assert [epoch["val"]["accuracy"] for epoch in fine_tune["epochs"]] == [0.85, 0.9, 0.9375, 0.92]
    assert fine_tune["done"]["best_epoch"] == 3
    assert document["result"] == run.result(str(run.path))


def test_curves_are_a_picture_of_the_declared_size_with_something_on_it(run):
    report("curves", run, CurvesOptions(dpi=60))
    with Image.open(run.path / "report" / "curves.png") as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.size == (660, 468)
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 24)) > 50


def test_curves_are_drawn_again_only_where_they_show_something_else(run, monkeypatch):
    from headstart_plugins.reporters import _curves
    from headstart_plugins.reporters._history import History

    def drawn(change):
        _curves._drawn.cache_clear()  # as in another process
        history = History()
        for event in run.events():
            history.hear(change(event) if isinstance(event, EpochDone) else event)
        return _curves.draw_png(history, 60)

    first = drawn(lambda event: event)
    monkeypatch.setattr(_curves, "draw_figure", lambda _: pytest.fail("it is drawn"))
    assert drawn(lambda event: replace(event, seconds=9.0, time=7.0)) == first
    with pytest.raises(pytest.fail.Exception):
        drawn(lambda event: replace(event, val={**event.val, "accuracy": 0.5}))


def test_curves_hold_every_epoch_at_its_place_and_mark_the_kept_one(run):
    from headstart_plugins.reporters._curves import draw_figure
    from headstart_plugins.reporters._history import History

    history = History()
    for event in run.events():
        history.hear(event)
    strength_accuracy, _, epoch_accuracy, epoch_loss = draw_figure(history).axes
    assert strength_accuracy.get_xscale() == "log"
    (val,) = epoch_accuracy.get_lines()
    assert (list(val.get_xdata()), list(val.get_ydata())) == ([1, 2, 3, 4], [0.85, 0.9, 0.9375, 0.92])
    assert [line.get_label() for line in epoch_loss.get_lines()] == ["train", "val"]
    assert epoch_accuracy.collections[0].get_offsets().tolist() == [[3, 0.9375]]


def test_epochs_that_training_went_back_behind_are_no_part_of_a_history(run):
    from headstart_plugins.reporters._history import History

    history, events = History(), [*run.events()]
    epochs = [event for event in events if isinstance(event, EpochDone) and event.strength is None]
    for event in events:
        history.hear(event)
        if event is epochs[-1]:
            history.hear(WentBack(phase=event.phase, epoch=2, reason="the loss rose"))
            history.hear(replace(epochs[1], val={"loss": 0.5}))
    phase = history.phases[-1]
    assert [epoch.epoch for epoch in phase.epochs] == [1, 2]
    assert phase.epochs[1].val == {"loss": 0.5}


def test_the_figure_of_the_kept_epoch_stands_inside_its_plot(run):
    from headstart_plugins.reporters._curves import draw_figure
    from headstart_plugins.reporters._history import History

    history = History()
    for event in run.events():
        if isinstance(event, EpochDone) and event.strength is None:  # low, as losses of the best epochs are
            event = replace(
                event, train={"loss": 9.0 / event.epoch}, val={**event.val, "loss": abs(event.epoch - 3) + 0.1}
            )
        history.hear(event)
    figure = draw_figure(history)
    figure.draw_without_rendering()
    for axis in figure.axes:
        inside = axis.get_window_extent()
        for text in axis.texts:
            place = text.get_window_extent()
            assert inside.y0 <= place.y0 < place.y1 <= inside.y1, (axis.get_title(loc="left"), text.get_text())


def test_a_phase_whose_start_was_kept_says_so(run):
    events = [
        replace(event, best=False) if isinstance(event, EpochDone) and event.strength is None else event
        for event in run.events(str(run.path))
    ]
    told = [page_of(run, events=each) for each in (None, events)]
    assert ["its start" in "".join(page.text) for page in told] == [False, True]


def test_heads_of_each_solver_are_a_curve_of_their_own(run):
    from headstart_plugins.reporters._curves import draw_figure
    from headstart_plugins.reporters._history import History

    history = History()
    for event in run.events():
        if isinstance(event, EpochDone) and event.strength is not None:
            event = replace(event, solver="ridge" if event.epoch == 1 else "logistic")
        history.hear(event)
    loss = draw_figure(history).axes[1]
    assert {line.get_label(): len(line.get_xdata()) for line in loss.get_lines()} == {
        "train, ridge": 1,
        "val, ridge": 1,
        "train, logistic": 4,
        "val, logistic": 4,
    }


def test_a_run_that_breaks_off_keeps_the_curves_of_its_finished_phases(run):
    events = run.events()
    first_phase = events[: next(i for i, event in enumerate(events) if isinstance(event, PhaseDone)) + 1]
    report("curves", run, CurvesOptions(dpi=60), first_phase)
    with Image.open(run.path / "report" / "curves.png") as picture:
        assert picture.size == (660, 234)


def test_the_page_is_well_formed_and_needs_nothing_from_outside(written):
    _, page = written
    assert page.problems == []
    assert page.open == []
    assert not [tag for tag, _ in page.tags if tag in {"script", "link", "iframe"}]
    assert all(source.startswith("data:image/") for source in page.attributes("src"))
    assert page.attributes("href") == []


def test_the_page_shows_a_class_named_script_as_text(written):
    _, page = written
    text = "".join(page.text)
    assert "<script>alert(1)</script>" in text
    assert r"cat\x1b[31m" in text
    assert "<b>mine</b>" in text, "the recipe is shown as written"


def test_the_page_holds_figures_intervals_baseline_and_how_to_repeat(written):
    run, page = written
    text = " ".join("".join(page.text).split())
    for part in ("0.8833", "0.7785 to 0.9423", "0.3333", "epoch 3 of 4", "strength 0.01", "98 verified"):
        assert part in text
    assert f"headstart fit --recipe {run.path}/recipe.toml" in text
    assert "3f5a" * 16 in text
    assert "versions keras" in text
    assert "The red mark is the baseline." in text
    assert "scale" in page.attributes("class")
    assert "3 images were converted from CMYK" in text
    assert "Notes 4 images <turned>as their\\x07 EXIF says" in text


def test_the_page_says_what_the_weights_were_trained_on_where_the_result_does(run):
    lineage = as_documents(
        [
            Beginning(
                backbone="a/net", weights="imagenet", source="<its authors>", licence="MIT", digest="unknown",
                trained_on="ImageNet-1k (classes), then <edges>",
            ),
            Training(
                run="x", data="flowers", task="t/classes", strategy="s/probe", stages=("head",), samples=40, classes=3,
                headstart="0.2", digest="sha256:ab",
            ),
        ]
    )  # fmt: skip
    *before, finished = run.events()
    told = [*before, replace(finished, result={**finished.result, "lineage": lineage})]
    text = " ".join("".join(page_of(run, events=told).text).split())
    assert (
        "What its weights were trained on imagenet of a/net, trained on ImageNet-1k (classes), then <edges>, "
        "<its authors>, licence MIT the run x: classes of" in text
    )
    assert "What its weights were trained on" not in "".join(page_of(run).text)


def test_a_metric_without_a_scale_has_no_mark_that_a_caption_speaks_of(run):
    """As of a regression: its errors are in the unit of the targets."""
    (run.path / "predictions.csv").unlink()
    number = {
        **{name: value for name, value in run.result(str(run.path)).items() if name != "report"},
        "primary_metric": "rmse",
        "higher_is_better": False,
        "classes": [],
        "metrics": {split: {"rmse": 2.19896e-12, "loss": 0.31} for split in ("val", "test")},
        "intervals": {"test": {"rmse": [2.0e-12, 2.4e-12]}},
        "baseline": {"mean_rmse": 7.5e-12},
    }
    events = [*run.events(str(run.path))[:-1], RunFinished(time=1.8e9, result=number)]
    page = page_of(run, events=events)
    text = " ".join("".join(page.text).split())
    for part in ("2.199e-12", "2e-12 to 2.4e-12", "the baseline mean rmse is 7.5e-12"):
        assert part in text
    assert "red mark" not in text
    assert "scale" not in page.attributes("class")


def test_a_baseline_stands_beside_its_own_metric_though_another_one_is_the_first(run):
    """As of a translation that the loss chose, and of classes that are balanced."""
    values = {"loss": 0.4, "accuracy": 0.9, "balanced_accuracy": 0.8, "chrf": 44.5}
    result = {
        **run.result(str(run.path)),
        "primary_metric": "loss",
        "higher_is_better": False,
        "metrics": {split: values for split in ("val", "test")},
        "intervals": {},
        "baseline": {"majority_balanced_accuracy": 0.5, "copy_chrf": 18.762},
    }
    page = page_of(run, events=[*run.events(str(run.path))[:-1], RunFinished(time=1.8e9, result=result)])
    text = "".join("".join(page.text).split())
    assert "chrf44.500044.5000copychrf18.7620" in text
    assert "0.80000.8000majoritybalancedaccuracy0.5000" in text
    assert text.count("majoritybalancedaccuracy") == 1


def test_the_most_confident_mistakes_come_first_with_their_pictures(written):
    _, page = written
    text = "".join(page.text)
    assert "7 of 60 test samples were answered wrongly" in text
    pictures = [uri for uri in page.attributes("src") if uri.startswith("data:image/png")]
    assert len(pictures) == 1 + 7
    for uri in pictures:
        Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).verify()
    sure = [float(number) for number in re.findall(r" (0\.\d{3})is ", text)]
    assert len(sure) == 7
    assert sure == sorted(sure, reverse=True)


def test_mistakes_whose_data_is_gone_are_listed_without_pictures(run):
    class Gone(type(run)):
        def preview(self, key):
            raise FileNotFoundError(key)

    page = page_of(Gone(run.path), HtmlOptions(mistakes=3))
    assert "".join(page.text).count("not shown") == 3


def test_mistakes_of_texts_and_sounds_show_them_as_such(run):
    """A text is no markup, whatever stands in it."""
    texts = iter((b"<u>fine</u> & \x00\xff dandy\n", b"word " * 50))
    sounds = iter((Preview("audio/wav", b"RIFF...."), Preview("model/obj", b"v 0 0 0")))

    class Mixed(type(run)):
        def preview(self, key):
            text = next(texts, None)
            return next(sounds, None) if text is None else Preview("text/plain", text)

    page = page_of(Mixed(run.path), HtmlOptions(mistakes=4))
    shown = "".join(page.text)
    assert "<u>fine</u> & " in shown
    assert " dandy" in shown
    assert "word word" in shown
    tags = [tag for tag, _ in page.tags]
    assert "u" not in tags
    assert tags.count("audio") == 1
    assert page.attributes("src").count("data:audio/wav;base64,UklGRi4uLi4=") == 1
    assert shown.count("not shown") == 1
    assert any("media-src data:" in each for each in page.attributes("content"))


def told_of_texts(run, table, report):
    """The words of the section of mistakes, of a run on texts whose answers are `table`."""
    (run.path / "predictions.csv").write_text(table, encoding="utf-8")

    class Texts(type(run)):
        def preview(self, key):
            return Preview("text/plain", f"the text of {key}".encode())

    result = {**run.result(str(run.path)), "classes": [], "report": {"test": report}}
    events = [*run.events(str(run.path))[:-1], RunFinished(time=1.8e9, result=result)]
    text = " ".join(" ".join(page_of(Texts(run.path), HtmlOptions(mistakes=3), events).text).split())
    return text.partition(" Repeat this run")[0]


def test_of_numbers_those_that_are_furthest_off_are_shown(run):
    rows = "r0,val,1,900\nr1,test,1,1.5\nr2,test,-2,1e3\nr3,test,4,4\nr4,test,0.25,0.125\nr5,test,7,4\n"
    text = told_of_texts(run, "key,split,target,prediction\n" + rows, {"absolute_error": {"50%": 0.5}})
    assert text.endswith(
        "The largest errors Of 5 test samples, those whose answers are furthest off. "
        "the text of r2 1e3 , off by 1002 is -2 r2 the text of r5 4 , off by 3 is 7 r5 "
        "the text of r1 1.5 , off by 0.5 is 1 r1"
    )


def test_of_several_labels_the_surest_that_is_wrong_decides(run):
    rows = (
        "r0,test,a|b,b|a,0.9,0.8,0.1\n"  # right, in another order
        "r1,test,a,a|b|c,0.9,0.7,0.95\nr2,test,a|b,,0.03,0.2,0.1\nr3,test,,b,0.2,0.6,0.1\nr4,test,b,a,0.6,0.45,0\n"
    )
    text = told_of_texts(run, "key,split,target,prediction,p:a,p:b,p:c\n" + rows, {})
    assert text.endswith(
        "The most confident mistakes 4 of 5 test samples were answered wrongly. "
        "the text of r2 nothing : not a 0.970 is a|b r2 the text of r1 a|b|c : c 0.950 is a r1 "
        "the text of r3 b : b 0.600 is nothing r3"
    )


def test_a_long_text_is_cut_between_words_and_there_whole_on_demand(run):
    long = "A first line.\n\n" + "word " * 200 + "the end"

    class Long(type(run)):
        def preview(self, key):
            return Preview("text/plain", long.encode())

    page_of(Long(run.path), HtmlOptions(mistakes=1))
    written = (run.path / "report" / "report.html").read_text("utf-8")
    beginning = re.search(r'<blockquote dir="auto">(.*?)</blockquote>', written, re.S)[1]
    assert beginning.startswith("A first line.\nword word")
    assert beginning.endswith("word ...")
    assert len(beginning) <= 404
    whole = re.search(r'<summary>the whole text</summary><div class="whole" dir="auto">(.*?)</div>', written, re.S)[1]
    assert whole == long


def test_a_book_is_cut_too_and_a_short_text_is_not(run):
    texts = {"book": "word " * 10_000}

    class Books(type(run)):
        def preview(self, key):
            return Preview("text/plain", texts["book"].encode())

    page_of(Books(run.path), HtmlOptions(mistakes=1))
    written = (run.path / "report" / "report.html").read_text("utf-8")
    assert "(30,000 more characters)" in written
    assert written.count("word ") == 80 + 4000
    texts["book"] = "short and dear\n\n  and\tin lines\n"
    page_of(Books(run.path), HtmlOptions(mistakes=1))
    written = (run.path / "report" / "report.html").read_text("utf-8")
    assert '<blockquote dir="auto">short and dear\nand in lines</blockquote>' in written
    assert "the whole text" not in written


def test_texts_of_any_script_are_shown_as_they_are_written(run):
    """Joiners of Persian and of emoji and wide spaces belong to a text; an override of direction would hide it."""
    persian, family = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    odd = f"{persian} {family} \u202egnorw"

    class Scripts(type(run)):
        def preview(self, key):
            return Preview("text/plain", odd.encode())

    page = page_of(Scripts(run.path), HtmlOptions(mistakes=1))
    shown = "".join(page.text)
    assert f"{persian} {family} \\u202egnorw" in shown
    assert page.attributes("dir") == ["auto"]
    assert any("texts" in each.split() for each in page.attributes("class"))


def test_many_classes_give_the_commonest_confusions_instead_of_a_matrix(run):
    text = "".join(page_of(run, HtmlOptions(matrix_classes=2)).text)
    assert "Commonest confusions on test" in text
    assert "Confusion matrix" not in text


@pytest.mark.parametrize("most", [2, 9])
def test_a_matrix_whose_classes_nobody_names_is_left_out(run, most):
    bare = {name: value for name, value in run.result("x").items() if name != "classes"}
    events = [replace(each, result=bare) if isinstance(each, RunFinished) else each for each in run.events("x")]
    text = "".join(page_of(run, HtmlOptions(matrix_classes=most), events).text)
    assert "onfusion" not in text
    assert "macro f1" in text


def test_a_result_without_classes_report_or_epochs_still_gives_a_page(run):
    (run.path / "predictions.csv").unlink()
    (run.path / "environment.json").unlink()
    bare = {name: value for name, value in run.result("x").items() if name not in {"report", "classes"}}
    events = [
        replace(event, result=bare) if isinstance(event, RunFinished) else event
        for event in run.events("x")
        if not isinstance(event, EpochDone)
    ]
    page = page_of(run, events=events)
    assert page.problems == []
    assert "0.8833" in "".join(page.text)


def test_trainings_at_several_rates_are_told_one_after_the_other(run):
    """Their epochs are of `fine_tune x0.3`, ...; none may be lost."""
    events = []
    for event in run.events(str(run.path)):
        if isinstance(event, EpochDone) and event.phase == "fine_tune":
            events += [replace(event, phase=f"fine_tune x{factor}") for factor in ("0.3", "3")]
        else:
            events.append(event)
    report("json", run, events=events)
    phases = json.loads((run.path / "report" / "report.json").read_text(encoding="utf-8"))["phases"]
    counts = {phase["started"]["phase"]: len(phase["epochs"]) for phase in phases}
    assert counts == {"probe": 5, "fine_tune": 0, "fine_tune x0.3": 4, "fine_tune x3": 4}


@pytest.mark.slow
def test_drawing_again_from_the_same_events_gives_the_same_bytes(run):
    first = {}
    for _ in range(2):
        for name in ("json", "html"):
            report(name, run)
        files = {path.name: path.read_bytes() for path in (run.path / "report").iterdir()}
        assert not first or files == first
        first = files


def test_without_a_test_side_the_page_shows_val_and_why(run):
    page = page_of(run, events=run.untested())
    text = " ".join("".join(page.text).split())
    assert page.problems == []
    assert "0.9375accuracy on val, 95 % interval 0.7785 to 0.9423" in text.replace("\xa0", " ")
    assert "no sample was held out: split.test is 0; val chose the epoch, so its figures flatter" in text
    assert "Confusion matrix on val" in text
    assert "7 of 60 val samples were answered wrongly" in text
    assert "on test" not in text


def test_curves_of_a_run_without_a_test_side_say_so(run):
    from headstart_plugins.reporters._curves import draw_figure
    from headstart_plugins.reporters._history import History

    with_test, without = History(), History()
    for event, other in zip(run.events(), run.untested(), strict=True):
        with_test.hear(event)
        without.hear(other)
    assert draw_figure(with_test).get_supxlabel() == ""
    assert draw_figure(without).get_supxlabel().startswith("no sample is held out as test; val chooses")
