"""A run with mosaic and mixup that is stopped in the middle of an epoch ends with the bits of one that was not: what is
drawn and mixed is a function of seed, epoch and key."""

import signal

import pytest

from headstart.errors import InterruptedRunError
from headstart.eventlog import read_events
from headstart.events import EpochDone
from headstart.runs.fitting import fit
from headstart_plugins.detection import _task

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

STEPS = 4
"""Of an epoch: 13 pictures of 20 train, four a step."""
SETS = ("backbone.width=0.3", "backbone.depth=0.1", "input.size=32", "dataset.count=20", "dataset.side=40", "threads=1")


def begin(out, registry, augment):
    return fit(
        "shapes/shapes",
        out=str(out),
        registry=registry,
        backbone="efficientnet_lite/lite0",
        weights="none",
        strategy="scratch",
        head="pyramid:16,1",
        epochs=2,
        batch_size=4,
        learning_rate=1e-2,
        augment=[augment],
        reporters=("json",),
        engine="native",
        sets=SETS,
    )


def history(folder):
    events = [event for event in read_events(folder / "events.jsonl") if isinstance(event, EpochDone)]
    return [(event.epoch, event.train, event.val, event.best) for event in events]


def weights(folder):
    return (folder / "artefact" / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("augment", ["mosaic", pytest.param("mixup", marks=pytest.mark.slow)])
def test_a_run_that_was_stopped_in_an_epoch_mixes_on_to_the_same_bits(
    augment, tmp_path, shapes_registry, monkeypatch, signalled
):
    begin(tmp_path / "whole", shapes_registry, augment)
    calls, join = [], _task.join

    def stopping(targets, partners, mixes):
        calls.append(sum(map(len, mixes)))
        if len(calls) == 2:
            signalled(signal.SIGINT)
        return join(targets, partners, mixes)

    with monkeypatch.context() as patch:
        patch.setattr(_task, "join", stopping)
        with pytest.raises(InterruptedRunError):
            begin(tmp_path / "stopped", shapes_registry, augment)
    assert sum(calls), "nothing was mixed"
    last = max(int(path.name.partition(".")[2]) for path in (tmp_path / "stopped" / "checkpoints").glob("step.*"))
    assert last % STEPS, f"it stopped after {last} steps, which is no middle of an epoch"
    fit(out=str(tmp_path / "stopped"), resume=True, registry=shapes_registry)
    assert history(tmp_path / "stopped") == history(tmp_path / "whole")
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")
