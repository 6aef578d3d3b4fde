"""Rows that vary in length are computed at a few static lengths, and what comes out is that of the full length."""

import numpy as np
import pytest

from headstart.data.array_store import ArrayStore
from headstart.data.lengths import Lengths
from headstart.data.order import epoch_order
from headstart.data.views import Mixed
from headstart.engine.device import forward
from headstart.engine.features.extract import Passing, extract
from headstart.engine.features.extractor import Opened
from headstart.engine.network.assemble import backbone_inputs, build_backbone, without_head
from headstart.engine.network.lsuv_init import initialise
from headstart.engine.train.epochs import Examples, Stored, Trimmed
from headstart.predictor import Predictor
from headstart.specs import InputRequest

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="module")
def kind(foreign_registry):
    spec = foreign_registry.get("inputs", "foreign/marks")
    return foreign_registry.load_target(spec, spec.build)(InputRequest({}, spec.options()))


@pytest.fixture(scope="module")
def network(kind, foreign_registry):
    spec = foreign_registry.get("backbones", "foreign/words")
    stages = build_backbone(spec, foreign_registry, options=spec.options(), inputs=backbone_inputs(kind))
    network = without_head(kind, stages, spec.features, ("tokens", "pooled"))
    initialise(network.backbone, forward(network, 0, 1)(tensors_of(kind)[0]), features=spec.features)
    return network


def tensors_of(kind, count=50):
    """Sequences of 1 to 120 symbols, most of them short, and their lengths."""
    random = np.random.default_rng(0)
    used = np.minimum(120, random.geometric(0.1, count))
    rows = [kind.prepare(kind.read(random.integers(1, 12, length), "")) for length in used]
    return {name: np.stack([row.tensors[name] for row in rows]) for name in kind.tensors}, used


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_what_is_computed_at_few_lengths_is_what_the_full_length_gives(cut, kind, network):
    tensors, used = tensors_of(kind)
    run, shapes = forward(network, 0, cut), []

    def compiled(batch):
        shapes.append(batch["tokens"].shape)
        return run(batch)

    def extracted(lengths):
        return ArrayStore().keep(
            lambda append: extract(
                Opened(compiled, {}, {}, 8, (network.length_axes(0), network.length_axes(cut))),
                Passing(
                    lambda rows: {name: array[rows] for name, array in tensors.items()}, len(used), {}, "", lengths
                ),
                append,
                lambda done, total: None,
            )
        )

    whole = extracted(None)
    lengths = Lengths(used, kind.lengths)
    shapes.clear()
    found = extracted(lengths)
    assert {length for _, length in shapes} == {8, 32, 128}
    assert sum(length for _, length in shapes) < 0.5 * 128 * len(shapes)
    real = np.arange(128) < used[:, None]
    for name, reference in whole.items():
        assert found[name].shape == reference.shape
        counts = real if reference.ndim > 1 and reference.shape[1] == 128 else np.ones(len(used), bool)
        allowed = 1e-4 * max(1.0, float(reference[counts].std()))
        assert np.abs(found[name][counts].astype(float) - reference[counts].astype(float)).max() <= allowed


def test_a_batch_is_as_long_as_those_whom_its_rows_are_mixed_with(kind):
    tensors, _ = tensors_of(kind, 4)
    mixed = Mixed(np.array([3, 1, 2, 3]), np.full(4, 0.5, np.float32))
    samples = Trimmed(Stored((tensors,), (mixed,)), Lengths(np.array([4, 5, 6, 100]), kind.lengths), {"tokens": 0})
    assert samples.take(0, np.array([1, 2]))["tokens"].shape == (2, 8)
    assert samples.take(0, np.array([0, 1]))["tokens"].shape == (2, 128)


def test_strides_along_the_length_need_static_lengths(kind):
    """Keras 3.15 pads "same" by the parity of the length: at an odd one every window lies one step further to the left.
    So a backbone must say that it takes any length."""
    import keras

    tensors, used = tensors_of(kind, 24)
    lengths, axes = Lengths(used, kind.lengths), {"tokens": 0, "mask": 0}
    start = keras.Input((None, 1))
    model = keras.Model(start, keras.layers.Conv1D(4, 3, strides=2, padding="same")(start))

    def first_windows(tensors):
        values = tensors["tokens"][..., None].astype("float32")
        return keras.ops.convert_to_numpy(model(values, training=False))[:, :4]

    (rows,) = (used == 9).nonzero()
    differ = []
    for any_length in (False, True):
        samples = Trimmed(Stored((tensors,)), lengths, axes, any_length=any_length)
        whole = first_windows({name: array[rows] for name, array in tensors.items()})
        assert whole.std() > 0.01
        differ.append(np.abs(first_windows(samples.take(0, rows)) - whole).max() > 0.01)
    assert differ == [False, True]


def test_an_epoch_has_batches_of_like_lengths_and_each_row_once(kind):
    tensors, used = tensors_of(kind, 200)
    lengths, axes = Lengths(used, kind.lengths), {"tokens": 0, "mask": 0}
    samples = Trimmed(Stored((tensors,)), lengths, axes)
    batches = [
        rows[mask > 0]
        for rows, mask in Examples(samples, {}).batches(epoch_order(0, 1, 200), 16, statistics_move=False)
    ]
    assert sorted(np.concatenate(batches)) == list(range(200))
    seen = [samples.take(1, rows) for rows in batches]
    assert {batch["tokens"].shape[1] for batch in seen} <= set(kind.lengths)
    assert min(batch["tokens"].shape[1] for batch in seen) == 8
    for batch, rows in zip(seen, batches, strict=True):
        assert batch["mask"].sum() == used[rows].sum()  # nothing is cut off


@pytest.mark.parametrize("any_length", [False, True])
def test_answers_are_those_of_the_full_length_at_exact_lengths_too(kind, network, any_length):
    random = np.random.default_rng(0)
    payloads = [random.integers(1, 12, length) for length in np.minimum(120, random.geometric(0.1, 100))]
    run, shapes = forward(network, 0, 4), set()

    class Compiled:
        """Holds a batch back, as what computes several at once does."""

        def __call__(self, tensors):
            shapes.add(tensors["tokens"].shape[1])
            return {"pooled": run(tensors)["@pooled"]}

        def stream(self, batches):
            held = []
            for batch in batches:
                held.append(self(batch))
                if len(held) == 2:
                    yield held.pop(0)
            yield from held

    found = Predictor(kind, None, Compiled(), any_length=any_length).outputs(payloads)["pooled"]
    rows = [kind.prepare(kind.read(payload, "")) for payload in payloads]
    reference = run({name: np.stack([row.tensors[name] for row in rows]) for name in kind.tensors})["@pooled"]
    assert (shapes <= set(kind.lengths)) != any_length
    assert reference.std() > 0.01
    assert np.abs(found - reference).max() <= 1e-4 * max(1.0, float(reference.std()))


@pytest.mark.parametrize("unreadable", [False, True])
def test_inputs_of_like_length_are_answered_together_and_answers_come_in_order(kind, unreadable):
    random = np.random.default_rng(0)
    payloads = [random.integers(1, 12, length) for length in np.minimum(120, random.geometric(0.1, 1200))]
    if unreadable:
        payloads[7] = np.ones((2, 2))
    shapes = []

    def forward(tensors):
        shapes.append(tensors["tokens"].shape)
        return {"total": tensors["tokens"].sum(axis=1, dtype=np.float32)}

    refused, last = {}, 0
    for batch in Predictor(kind, None, forward).answer(payloads, refused=refused):
        for place, total in zip(batch.places, batch.outputs["total"], strict=True):
            assert total == payloads[place].sum()
            assert place >= last
            last = place
        assert len(batch.rows.facts) == len(batch.rows.tensors["tokens"]) == len(batch.places)
    assert last == 1199
    assert list(refused) == ([7] if unreadable else [])
    assert {rows for rows, _ in shapes} == {32}
    assert sum(length for _, length in shapes) < 0.5 * max(kind.lengths) * len(shapes)
