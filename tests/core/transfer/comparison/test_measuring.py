from headstart.events import EpochDone, RunResumed, RunStarted
from headstart.transfer.comparison.measuring import by_class, curve_of


def started(time):
    more = {"backend": "torch", "backbone": "net", "weights": "none", "task": "t", "strategy": "s"}
    names = {"primary_metric": "accuracy", "higher_is_better": True, "classes": (), "samples": {}, "parameters": {}}
    return RunStarted(time=time, run="r", phases=("full",), **more, **names)


def epoch(time, accuracy, number=1):
    val = {} if accuracy is None else {"accuracy": accuracy}
    return EpochDone(
        time=time, phase="full", epoch=number, epochs=3, train={}, val=val, rates={}, seconds=1.0, best=False
    )


def test_a_curve_leaves_out_the_time_between_a_stop_and_going_on():
    events = [
        started(100.0),
        epoch(110.0, 0.4),
        RunResumed(time=1000.0, phase="full", step=3, after=2),
        epoch(1005.0, 0.6, 2),
        epoch(1010.0, None, 3),
    ]
    assert curve_of(events, "accuracy") == ((10.0, 0.4), (15.0, 0.6))


def test_the_figure_of_each_class_is_the_one_that_the_report_names():
    report = {"class_figure": "f1", "per_class": {"cat": {"f1": 0.5, "recall": 1.0}, "dog": {"f1": None}}}
    assert by_class(report) == ("f1", {"cat": 0.5, "dog": None})
    assert by_class({"per_class": report["per_class"]}) == (None, {})
    assert by_class({}) == (None, {})
