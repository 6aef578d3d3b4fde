"""Sums over blocks equal sums over everything at once, in whatever pieces and however far from zero."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from headstart.engine.linear.pca import eigenbasis_of, moments_of
from headstart.engine.linear.rows import BLOCK, Part, Rows

OUTPUTS = np.random.default_rng(5).normal(size=(3, 2))


def values(targets):
    return OUTPUTS[targets["class"]]


def sample(count, channels=4, offset=0.0, seed=0):
    random = np.random.default_rng(seed)
    features = offset + random.normal(size=(count, channels)) @ random.normal(size=(channels, channels))
    return features.astype(np.float32), random.integers(0, 3, count)


def rows_of(features, targets, *cuts):
    pieces = zip(np.split(features, cuts), np.split(targets, cuts), strict=True)
    return Rows(tuple(Part((part,), {"class": labels}) for part, labels in pieces))


def plain(sums):
    return [np.asarray(value) for value in dataclasses.astuple(sums)]


def test_sums_are_those_that_numpy_takes_of_everything_at_once():
    features, targets = sample(2 * BLOCK + 77)
    sums = moments_of(rows_of(features, targets).blocks(), values)
    wide, outputs = features.astype(np.float64), values({"class": targets})
    assert sums.count == len(features)
    np.testing.assert_allclose(sums.mean, wide.mean(0), atol=1e-12)
    np.testing.assert_allclose(sums.target_mean, outputs.mean(0), atol=1e-12)
    np.testing.assert_allclose(sums.scatter / sums.count, np.cov(wide.T, bias=True), atol=1e-10)
    cross = (wide - wide.mean(0)).T @ (outputs - outputs.mean(0))
    assert np.abs(cross).max() > 1
    np.testing.assert_allclose(sums.cross, cross, atol=1e-8)


def test_merged_shards_equal_the_whole_and_the_order_of_blocks_fixes_every_bit():
    features, targets = sample(3 * BLOCK)
    whole = moments_of(rows_of(features, targets).blocks(), values)
    first = moments_of(rows_of(features[:BLOCK], targets[:BLOCK]).blocks(), values)
    rest = moments_of(rows_of(features[BLOCK:], targets[BLOCK:]).blocks(), values)
    for got, expected in zip(plain(first.merge(rest)), plain(whole), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-8)
    cut = moments_of(rows_of(features, targets, BLOCK, 2 * BLOCK).blocks(), values)
    assert all(np.array_equal(got, expected) for got, expected in zip(plain(cut), plain(whole), strict=True))


def test_features_far_from_zero_lose_no_digits():
    features, targets = sample(2 * BLOCK, offset=1e4)
    sums = moments_of(rows_of(features, targets).blocks(), values)
    exact = features.astype(np.longdouble)
    exact -= exact.mean(0)
    np.testing.assert_allclose(sums.scatter, (exact.T @ exact).astype(np.float64), rtol=1e-9)
    naive = features.T @ features - len(features) * np.outer(features.mean(0), features.mean(0))
    assert np.abs(naive / sums.scatter - 1).max() > 1e-3, "the offset is large enough to matter"


def test_few_rows_are_scaled_by_the_moments_of_their_channels():
    features, targets = sample(24, channels=600, offset=100.0)
    sums = moments_of(rows_of(features, targets).blocks(), values)
    scaling = eigenbasis_of(rows_of(features, targets, 7), values).scaling
    variance = np.diagonal(sums.scatter) / sums.count
    np.testing.assert_allclose(scaling.shift, sums.mean, rtol=1e-6)
    np.testing.assert_allclose(scaling.scale, np.sqrt(np.maximum(variance, variance.mean())), rtol=1e-6)


def test_mapped_arrays_give_the_same_bits(tmp_path):
    features, targets = sample(BLOCK + 5)
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    pair = [moments_of(rows_of(array, targets).blocks(), values) for array in (features, mapped)]
    assert all(np.array_equal(one, other) for one, other in zip(*map(plain, pair), strict=True))


def test_views_stand_below_one_another_with_the_targets_of_their_samples():
    features, targets = sample(10)
    rows = Rows((Part((features, features + 1), {"class": targets}),)) + rows_of(features[:3], targets[:3])
    assert (len(rows), rows.samples, rows.channels) == (23, 13, 4)
    stacked = np.concatenate([features, features + 1, features[:3]])
    assert np.array_equal(np.concatenate([block for block, _ in rows.blocks()]), stacked)
    assert np.array_equal(np.concatenate([labels["class"] for _, labels in rows.blocks()]), rows.targets["class"])
    assert np.array_equal(rows.targets["class"], np.concatenate([targets, targets, targets[:3]]))
    assert rows.columns(1, 3) == pytest.approx(stacked[:, 1:3])
    views, labels = next(rows.by_sample(every=2, batch=3))
    assert np.array_equal(views, np.stack([features, features + 1], axis=1)[[0, 2, 4]])
    assert np.array_equal(labels["class"], targets[[0, 2, 4]])
