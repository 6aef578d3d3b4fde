"""A phase as the tutorials of Keras train: at a constant rate, nothing clipped or decayed, it is what `fit` does."""

import keras
import numpy as np
import pytest

from headstart.engine.network.stages import read_arrays
from headstart.engine.train.phases import run_phases
from headstart.eventlog import read_events
from headstart.events import EpochDone, PhaseStarted
from headstart.specs import Phase

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

EPOCHS, BATCH, TRAIN = 3, 8, ("top", "head")
KERAS_OWN = {
    "adam": ({"optimizer": "adam"}, 1e-3, lambda rate: keras.optimizers.Adam(rate, epsilon=1e-8)),
    "momentum": ({"optimizer": "sgd", "momentum": 0.9}, 1e-2, lambda rate: keras.optimizers.SGD(rate, momentum=0.9)),
}


def plain_keras(network):
    """All of the network as one functional model, of which the kernels of TRAIN and the head's bias learn.

    BatchNorm is set to learn nothing, which is inference mode: `training=False` in a call is overruled by `fit`.
    """
    for stage in network.learned:
        stage.model.trainable = stage.name in TRAIN
        for layer in stage.model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    entering = {name: keras.Input(each.shape[1:], dtype=each.dtype) for name, each in network.alive(0).items()}
    return keras.Model(entering, network.run(entering, 0, len(network.stages))["logits"])


@pytest.mark.parametrize("kind", KERAS_OWN)
def test_a_phase_at_a_constant_rate_is_a_fit_of_plain_keras(bench, training, kind):
    settings, rate, build = KERAS_OWN[kind]
    ours, theirs = bench.network(), bench.network()
    start = read_arrays(ours.learned)
    phase = Phase(
        name="fine_tune",
        train=TRAIN,
        roles=("kernel",),
        solver="gradient",
        epochs=EPOCHS,
        rates=dict.fromkeys(TRAIN, rate),
        schedule="constant",
        warmup=0.0,
        **settings,
    )
    made = training(ours, batch_size=BATCH)
    (result,) = run_phases([phase], made)
    assert result.best_epoch > 0

    model = plain_keras(theirs)
    model.compile(build(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    inputs, labels = bench.batch(bench.data.indices("train")), bench.targets("train")["class"]
    losses, ends = [], []
    for epoch in range(1, EPOCHS + 1):
        rows = made.order(epoch)
        samples = {name: array[rows] for name, array in inputs.items()}
        fitted = model.fit(samples, labels[rows], batch_size=BATCH, shuffle=False, verbose=0)
        losses += fitted.history["loss"]
        ends.append(read_arrays(theirs.learned))

    events = read_events(made.log._path)
    told = [event.train["loss"] for event in events if isinstance(event, EpochDone)]
    assert told == pytest.approx(losses, abs=1e-4)
    assert losses[-1] < losses[0] - 0.1
    found = read_arrays(ours.learned)
    for name, expected in ends[result.best_epoch - 1].items():
        assert np.abs(found[name] - expected).max() <= 1e-4, name
    assert max(np.abs(found[name] - start[name]).max() for name in start) > 1e-3


def test_a_phase_tells_what_it_is_trained_by(bench, training):
    phase = Phase(
        name="tune",
        train=("head",),
        solver="gradient",
        rates={"head": 1e-2},
        optimizer="sgd",
        momentum=0.5,
        schedule="constant",
        warmup=0.0,
    )
    made = training(bench.network())
    (result,) = run_phases([phase], made)
    (started,) = (event for event in read_events(made.log._path) if isinstance(event, PhaseStarted))
    assert (started.optimizer, started.momentum, started.schedule, started.warmup) == ("sgd", 0.5, "constant", 0)
    assert (result.facts()["optimizer"], result.facts()["schedule"]) == ("sgd", "constant")
