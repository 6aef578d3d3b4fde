"""The reporter `stress/stress`. The environment variable HEADSTART_STRESS holds JSON, all of whose keys may be absent:

- `event`, `count`, `signal`, `delay`: at the `count`th event of that name, `signal` is sent to this process, `delay`
  seconds later from another thread where there is a delay. `Progress.train` is a Progress event of that activity.
  Events of an earlier process, which a run that goes on tells again, do not count; with `resumed` only those count that
  come after it went on.
  With `told`, a path, the moment of the signal is written there. The event `fsync` is one of a checkpoint's files.
- `record`: a path to which the digests of each checkpoint's files are appended, a line of JSON each.
- `plant`: the name of a bug below.
"""

import json
import os
import signal
import threading
import time

VARIABLE = "HEADSTART_STRESS"


def build(request):
    """The reporter; every step's progress is told while it is there."""
    import headstart.eventlog

    headstart.eventlog.TICK = 0.0
    wanted = json.loads(os.environ.get(VARIABLE, "{}"))
    if "plant" in wanted:
        PLANTS[wanted["plant"]]()
    return Stress(wanted)


class Stress:
    """Counts events of one name."""

    def __init__(self, wanted):
        self._event, self._left = wanted.get("event"), wanted.get("count", 0)
        self._signal = getattr(signal, wanted.get("signal", "SIGTERM"))
        self._delay = wanted.get("delay", 0.0)
        self._counting = not wanted.get("resumed", False)
        self._began = time.time()
        self._told, self._record = wanted.get("told"), wanted.get("record")
        if self._event == "fsync":
            self._listen()

    def on_event(self, event, run):
        """Send the signal when its time has come."""
        if event.time < self._began:
            return
        name = type(event).__name__
        if self._record and name == "CheckpointSaved":
            self._append(event.path, run.path)
        self._counting = self._counting or name == "RunResumed"
        if self._counting and self._event in (name, f"{name}.{getattr(event, 'activity', '')}"):
            self._count()

    def _append(self, checkpoint, run):
        manifest = json.loads((run / "checkpoints" / checkpoint / "manifest.json").read_text(encoding="utf-8"))
        with open(self._record, "a", encoding="utf-8") as file:
            file.write(json.dumps({"path": checkpoint, "files": manifest["files"]}) + "\n")

    def _listen(self):
        real = os.fsync

        def fsync(descriptor):
            if "/checkpoints/" in os.readlink(f"/proc/self/fd/{descriptor}"):
                self._count()
            real(descriptor)

        os.fsync = fsync

    def _count(self):
        self._left -= 1
        if self._left == 0:
            if self._delay:
                threading.Timer(self._delay, self._send).start()
            else:
                self._send()

    def _send(self):
        if self._told:
            with open(self._told, "w", encoding="utf-8") as file:
                file.write(repr(time.time()))
        os.kill(os.getpid(), self._signal)


def _forget(*groups):
    """A checkpoint is read without some of its arrays."""

    def plant():
        import dataclasses

        import numpy as np

        from headstart.engine.train.checkpoints import Checkpoints

        real = Checkpoints.load

        def load(self, name):
            loaded = real(self, name)
            kept = {
                group: {name: np.zeros_like(array) for name, array in arrays.items()} if group in groups else arrays
                for group, arrays in loaded.groups.items()
            }
            return dataclasses.replace(loaded, groups=kept)

        Checkpoints.load = load

    return plant


def _in_place():
    """Checkpoints are written where they are to be."""
    from headstart.engine.train import checkpoints

    def write_directory(target, fill):
        target.mkdir(parents=True)
        fill(target)

    checkpoints.write_directory = write_directory


def _forget_steps():
    """Only the epoch is known, not how many of its steps were made."""
    from headstart.engine.train import state

    real = state.TrainState.of

    def of(facts, groups, record):
        return real(facts, {**groups, "epoch": {}}, record)

    state.TrainState.of = staticmethod(of)


def _brittle():
    """A training loss that is no number where a logit is above 2, as the root of a negative number is none."""
    import keras

    from headstart_plugins.classification._build import Classification

    real = Classification.loss

    def loss(self, targets, outputs, *, training):
        found = real(self, targets, outputs, training=training)
        if not training:
            return found
        return found + 0 * keras.ops.sqrt(2.0 - keras.ops.max(outputs["logits"], axis=-1))

    Classification.loss = loss


def _deaf():
    """The same, and nobody looks whether a loss and its gradients are numbers: no step, and no file that is written."""
    import keras

    _brittle()
    strict = json.dumps
    json.dumps = lambda *values, **given: strict(*values, **{**given, "allow_nan": True})
    if keras.backend.backend() == "torch":
        import torch

        torch.isfinite = lambda tensor: torch.ones_like(tensor, dtype=torch.bool)
        return
    import jax

    from headstart.engine.jax import scan, step

    step.all_finite = scan.all_finite = lambda arrays: jax.numpy.bool(True)


def _unsaved():
    """Between two steps, nothing is saved."""
    from headstart.engine.train import trainer

    real = trainer.Trainer._save

    def save(self, *, anchor, best):
        if anchor:
            real(self, anchor=anchor, best=best)

    trainer.Trainer._save = save


PLANTS = {
    "unsaved": _unsaved,
    "moments": _forget("first", "second"),
    "averages": _forget("averages"),
    "seeds": _forget("seeds"),
    "begun_seeds": _forget("begun_seeds"),
    "steps": _forget_steps,
    "in place": _in_place,
    "brittle": _brittle,
    "deaf": _deaf,
}
