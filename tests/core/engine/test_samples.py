"""What training and validation see: an order from the seed alone, views that vary, and val that never does."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from headstart.data.order import batches, epoch_order
from headstart.engine.features.source import STORED_LIMIT, is_storable
from headstart.engine.train.epochs import Stored

pytestmark = pytest.mark.backend


def rows_of(samples, epoch, seed=0):
    return np.concatenate([rows[mask > 0] for rows, mask in batches(epoch_order(seed, epoch, samples.count), 8)])


def test_the_order_is_a_function_of_seed_and_epoch_and_takes_each_row_once():
    samples = Stored(({"x": np.arange(21)},))

    assert np.array_equal(rows_of(samples, 3), rows_of(samples, 3))
    assert not np.array_equal(rows_of(samples, 3), rows_of(samples, 4))
    assert not np.array_equal(rows_of(samples, 3), rows_of(samples, 3, seed=1))
    assert sorted(rows_of(samples, 3)) == list(range(21))


def test_validation_is_the_same_every_epoch_with_augmentation_on_while_training_varies(bench, network, tmp_path):
    source = bench.source(network, tmp_path, bench.view())
    rows = np.arange(8)
    for cut in (1, 4):
        val = source.plain(cut, "val").samples
        train = source.training(cut, views=0, fresh=True).samples
        first, second = val.take(1, rows), val.take(2, rows)
        assert all(np.array_equal(first[name], second[name]) for name in first)
        assert not np.array_equal(train.take(1, rows)["image"], train.take(2, rows)["image"])
        assert np.array_equal(train.take(1, rows)["image"], train.take(1, rows)["image"])


def test_validation_equals_that_of_a_run_without_augmentation(bench, network, tmp_path):
    rows = np.arange(8)
    plain = bench.source(network, tmp_path).plain(4, "val").samples.take(1, rows)
    beside = bench.source(network, tmp_path, bench.view()).plain(4, "val").samples.take(1, rows)

    assert np.array_equal(plain["@pooled"], beside["@pooled"])


def test_stored_views_are_the_plain_one_and_as_many_drawn_ones_each_augmented_once(bench, network, tmp_path):
    from headstart.data.views import TrainingSamples, varied
    from headstart.engine.device import forward

    view = bench.view()
    samples = bench.source(network, tmp_path, view).training(4, views=2, fresh=False).samples
    rows = bench.data.indices("train")
    train = TrainingSamples(bench.data.tensors, bench.data.keys, rows)
    pooled = forward(network, 0, 4)
    expected = [bench.batch(rows[:8])]
    expected += [varied(train, np.arange(8), view, number).tensors for number in range(2)]

    assert len(samples.views) == 3
    for stored, fresh in zip(samples.views, expected, strict=True):
        reference = pooled(fresh)["@pooled"]
        assert reference.std() > 0.01
        assert stored["@pooled"][:8] == pytest.approx(reference, abs=1e-4 * max(1.0, float(reference.std())))
    assert not np.array_equal(samples.views[0]["@pooled"], samples.views[1]["@pooled"])


def test_epochs_go_round_the_stored_views(bench, network, tmp_path):
    samples = bench.source(network, tmp_path, bench.view()).training(4, views=2, fresh=False).samples
    rows = np.arange(8)
    taken = [samples.take(epoch, rows)["@pooled"] for epoch in range(1, 7)]

    assert all(np.array_equal(taken[epoch], taken[epoch + 3]) for epoch in range(3))
    assert not np.array_equal(taken[0], taken[1])


def test_nothing_is_stored_where_nothing_below_the_cut_is_worth_it(bench, network, tmp_path):
    source = bench.source(network, tmp_path)

    assert source.training(1, views=0, fresh=False).start == 0
    assert source.training(2, views=0, fresh=False).start == 2


def test_tensors_are_stored_up_to_the_limit_and_not_beyond(network):
    fitting = STORED_LIMIT // (4 * 12)  # at the head: 12 channels of float32 a sample

    assert is_storable(network, 4, SimpleNamespace(owners=range(fitting), lengths=None))
    assert not is_storable(network, 4, SimpleNamespace(owners=range(fitting + 1), lengths=None))


def test_stored_views_of_mixtures_know_the_partners_of_each(bench, network, tmp_path):
    from headstart.data.views import TrainingSamples, partners, varied
    from headstart.engine.device import forward

    view = bench.view_of("cutmix", "mixup")
    samples = bench.source(network, tmp_path, view).training(4, views=2, fresh=False).samples
    train = TrainingSamples(bench.data.tensors, bench.data.keys, bench.data.indices("train"))
    rows, pooled = np.array([5, 0, 5, 11, 3, 2, 7, 1]), forward(network, 0, 4)

    plain = samples.partners(3, rows)  # epochs go round: the plain view, then two drawn ones
    assert plain.rows.tolist() == rows.tolist()
    assert plain.shares.tolist() == [1.0] * 8
    for epoch, number in ((1, 0), (2, 1), (4, 0)):
        found, expected = samples.partners(epoch, rows), partners(train, rows, view, number)
        assert found.rows.tolist() == expected.rows.tolist()
        assert found.shares.tolist() == expected.shares.tolist()
        assert (found.shares < 1).mean() > 0.8
        reference = pooled(varied(train, rows, view, number).tensors)["@pooled"]
        assert samples.take(epoch, rows)["@pooled"] == pytest.approx(
            reference, abs=1e-4 * max(1.0, float(reference.std()))
        )


def test_samples_that_are_drawn_anew_know_their_partners_and_those_that_never_mix_have_none(bench, network, tmp_path):
    rows = np.arange(8)
    source = bench.source(network, tmp_path, bench.view_of("mixup"))
    mixing = source.training(4, views=0, fresh=True).samples
    first, second = mixing.partners(1, rows), mixing.partners(2, rows)
    assert first.rows.tolist() != second.rows.tolist()
    assert first.shares.tolist() == mixing.partners(1, rows).shares.tolist()
    assert source.plain(4, "val").samples.partners(1, rows) is None
    for view in (None, bench.view()):
        for fresh in (True, False):
            other = bench.source(network, tmp_path, view).training(4, views=1, fresh=fresh).samples
            assert other.partners(1, rows) is None


def test_without_mixing_the_same_views_are_stored_apart_from_the_mixed_ones(bench, network, tmp_path):
    source = bench.source(network, tmp_path, bench.view_of("classic", "mixup"))
    mixed = source.training(4, views=1, fresh=False).samples
    alone = source.training(4, views=1, fresh=False, mixing=False).samples
    other = (
        bench.source(network, tmp_path / "other", bench.view_of("classic")).training(4, views=1, fresh=False).samples
    )

    assert alone.partners(1, np.arange(8)) is None
    assert np.array_equal(alone.views[0]["@pooled"], mixed.views[0]["@pooled"])
    assert not np.array_equal(alone.views[1]["@pooled"], mixed.views[1]["@pooled"])
    assert np.array_equal(alone.views[1]["@pooled"], other.views[1]["@pooled"])
    again = bench.source(network, tmp_path, bench.view_of("classic", "mixup"))  # from the cache on disk
    assert np.array_equal(
        again.training(4, views=1, fresh=False).samples.views[1]["@pooled"], mixed.views[1]["@pooled"]
    )


def test_an_epoch_has_the_same_bytes_on_every_backend(bench, network, tmp_path):
    """The digest is one for both: nothing that is drawn or applied asks which backend is active."""
    names = ("trivial_augment", "rand_augment", "colour", "random_erasing", "mixup", "cutmix")
    samples = bench.source(network, tmp_path, bench.view_of(*names)).training(4, views=0, fresh=True).samples
    digest = hashlib.sha256()
    for rows, _ in batches(epoch_order(0, 1, samples.count), 16):
        mixed = samples.partners(1, rows)
        for array in (samples.take(1, rows)["image"], rows, mixed.rows, mixed.shares):
            digest.update(np.ascontiguousarray(array).tobytes())
    assert digest.hexdigest() == "d9bb1d0da43c81563dc30590fcdc1c779bad565045c918c0285ff55c8bbedce4"
