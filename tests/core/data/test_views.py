from dataclasses import replace

import numpy as np
import pytest

from headstart.data.views import (
    Composed,
    Mixed,
    TrainingSamples,
    View,
    check_changes,
    check_mixing,
    moved,
    partners,
    varied,
)
from headstart.errors import PluginError, UsageError
from headstart.specs import AugmentationSpec, Change, Drawn, Mix


class Shifts:
    """Draws a shift from the arguments; nothing for keys in `still`."""

    def __init__(self, still=()):
        self.still = still
        self.drawn = []

    def draw(self, seed, epoch, key):
        self.drawn.append((seed, epoch, key))
        if key in self.still:
            return Drawn()
        return Drawn((Change("shift", seed + 10 * epoch + int(key)),))


class Adding:
    """Applies a shift by adding it, so that what was drawn can be read off."""

    def transform(self, tensors, changes):
        return {"x": tensors["x"] + sum(change.value for change in changes)}


class Fixed:
    def __init__(self, *changes):
        self.changes = changes

    def draw(self, seed, epoch, key):
        return Drawn(self.changes)


KEYS = [str(i) for i in range(20)]
TENSORS = {"x": np.zeros((20, 3), np.int64)}
SAMPLES = TrainingSamples(TENSORS, KEYS, np.arange(20))


def test_each_sample_is_drawn_by_its_key_and_epoch():
    view = View(Adding(), Shifts(), 3)
    assert varied(SAMPLES, np.array([4, 2]), view, 5).tensors["x"].tolist() == [[57] * 3, [55] * 3]
    assert not TENSORS["x"].any()


def test_batch_cuts_do_not_matter():
    view = View(Adding(), Shifts(), 0)
    order = np.random.default_rng(0).permutation(20)
    whole = varied(SAMPLES, order, view, 1).tensors["x"]
    parts = [varied(SAMPLES, order[i : i + 3], view, 1).tensors["x"] for i in range(0, 20, 3)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_where_nothing_is_drawn_nothing_is_applied():
    class Refusing:
        def transform(self, tensors, changes):
            raise AssertionError("no change was applied")

    view = View(Refusing(), Shifts(still=KEYS), 0)
    assert not varied(SAMPLES, np.arange(5), view, 0).tensors["x"].any()


def test_composition_is_the_changes_of_the_first_part_then_those_of_the_next():
    first, second, third = Change("shift", 1), Change("scale", 2), Change("shift", 3)
    assert Composed((Fixed(first, second), Fixed(), Fixed(third))).draw(0, 0, "k") == Drawn((first, second, third))


def test_parts_draw_with_seeds_of_their_own_and_the_first_with_the_given_one():
    parts = (Shifts(still=KEYS), Shifts(still=KEYS))
    assert Composed(parts).draw(5, 1, "3") == Drawn()
    assert parts[0].drawn == [(5, 1, "3")]
    assert parts[1].drawn[0][0] != 5
    assert parts[1].drawn[0][1:] == (1, "3")


class Weighing:
    """A kind whose samples can be mixed; a shift is added to them."""

    def transform(self, tensors, changes):
        return {"x": tensors["x"] + sum(change.value for change in changes)}

    def mix(self, prepared, partner, mix):
        return {"x": (mix.share * prepared["x"] + (1 - mix.share) * partner["x"]).astype(prepared["x"].dtype)}

    def own_share(self, mix):
        return mix.share


class Mixing:
    """Shifts by the key, and mixes with the partner that it is made with, where the key is even."""

    def __init__(self, partner=0.5, share=0.25):
        self.mix = Mix(partner, share)

    def draw(self, seed, epoch, key):
        return Drawn((Change("shift", 100 * int(key)),), self.mix if int(key) % 2 == 0 else None)


NUMBERED = TrainingSamples({"x": np.arange(20)[:, None] * np.ones((1, 3), np.int64)}, KEYS, np.arange(1, 20, 2) - 1)
"""Rows 0, 2, ..., 18 are training samples, each of its own value."""


def test_a_sample_is_mixed_with_its_partner_as_that_one_varies_but_without_the_partners_own_mix():
    view = View(Weighing(), Mixing(), 0, mixes=True)
    # position 1 is row 2, shifted by 200; position floor(0.5 * 10) = 5 is row 10, shifted by 1000
    mixed = varied(NUMBERED, np.array([1]), view, 0).tensors["x"]
    assert mixed.tolist() == [[int(0.25 * 202 + 0.75 * 1010)] * 3]


def test_partners_are_positions_in_the_split_with_the_samples_own_share():
    view = View(Weighing(), Mixing(0.999), 0, mixes=True)
    mixed = partners(NUMBERED, np.array([4, 0, 4]), view, 3)
    assert mixed.rows.tolist() == [9, 9, 9]
    assert mixed.shares.tolist() == [0.25] * 3
    assert (mixed.rows.dtype, mixed.shares.dtype) == (np.int64, np.float32)
    odd = TrainingSamples(NUMBERED.tensors, KEYS, np.arange(20))
    assert partners(odd, np.array([3, 4]), view, 0).rows.tolist() == [3, 19]
    assert partners(odd, np.array([3, 4]), view, 0).shares.tolist() == [1.0, 0.25]


def test_partners_are_drawn_as_often_as_samples_are():
    """Or mixing would bring classes back that were evened out."""
    sampling_weights = np.where(np.arange(10) == 3, 9.0, 1.0)
    samples = replace(NUMBERED, sampling_weights=sampling_weights)
    picked = [samples.partner(Mix((place + 0.5) / 1800, 0.5)) for place in range(1800)]
    assert np.bincount(picked, minlength=10).tolist() == (100 * sampling_weights).tolist()
    assert samples.partner(Mix(float(np.nextafter(1.0, 0.0)), 0.5)) == 9


def test_labels_are_mixed_as_the_samples_are():
    """Of samples that are their own labels, what `partners` says is what `varied` made."""
    plain = TrainingSamples({"x": 1000 * np.arange(20)[:, None]}, [str(0)] * 20, np.arange(20))
    view = View(Weighing(), Mixing(0.73), 0, mixes=True)
    everything = np.arange(20)
    mixed = partners(plain, everything, view, 0)
    labels = 1000 * (mixed.shares * everything + (1 - mixed.shares) * mixed.rows)
    np.testing.assert_allclose(varied(plain, everything, view, 0).tensors["x"][:, 0], labels)


class Chain:
    """Shifts by the key; key 2 gets 10 for its mix, and two partners, of which the first gets 20."""

    def draw(self, seed, epoch, key):
        last = Mix(0.75, 0.5, own=(Change("shift", 10),))
        mix = Mix(0.5, 0.25, changes=(Change("shift", 20),), then=last) if key == "2" else None
        return Drawn((Change("shift", 100 * int(key)),), mix)


def test_several_partners_are_mixed_in_one_after_the_other_each_as_the_mix_places_it():
    view = View(
        Weighing(),
        Chain(),
        0,
        mixes=True,
        targets=lambda targets, changes, facts: Weighing().transform(targets, changes),
    )
    found = varied(NUMBERED, np.array([1, 2]), view, 0)
    own, first, second = 2 + 200 + 10, 10 + 1000 + 20, 14 + 1400  # positions 1, 5 and 7 are rows 2, 10 and 14
    expected = 0.5 * int(0.25 * own + 0.75 * first) + 0.5 * second
    assert found.tensors["x"].tolist() == [[int(expected)] * 3, [404] * 3]
    assert [each.rows.tolist() for each in found.mixed.rounds] == [[5, 2], [7, 2]]
    assert [each.shares.tolist() for each in found.mixed.rounds] == [[0.25, 1.0], [0.5, 1.0]]
    assert [len(steps) for steps in found.mixed.mixes()] == [2, 0]
    values = {"x": NUMBERED.tensors["x"][NUMBERED.rows]}
    assert moved(NUMBERED, values, np.array([1, 2]), view, 0)["x"][:, 0].tolist() == [own, 404]
    theirs = [moved(NUMBERED, values, each, view, 0)["x"][0, 0] for each in found.mixed.rounds]
    assert theirs == [first, second]
    # As a partner, key 2 does without what its own mix would do to it; without mixes so does it alone.
    assert moved(NUMBERED, values, Mixed(np.array([1]), np.ones(1)), view, 0)["x"][0, 0] == 202
    assert varied(NUMBERED, np.array([1]), view.unmixed(), 0).tensors["x"].tolist() == [[202] * 3]
    assert found.mixed.of(np.array([1])).then.rows.tolist() == [2]


def test_a_view_that_never_mixes_has_no_partners():
    assert partners(SAMPLES, np.arange(3), View(Adding(), Shifts(), 0), 0) is None
    view = View(Weighing(), Mixing(), 0, mixes=True).unmixed()
    assert partners(NUMBERED, np.arange(3), view, 0) is None
    assert varied(NUMBERED, np.array([1]), view, 0).tensors["x"].tolist() == [[202] * 3]


def test_a_mix_that_no_spec_announced_is_an_error_and_not_a_wrong_label():
    with pytest.raises(PluginError, match="drew a mix for '2' in epoch 0, but no spec of those chosen says `mixes`"):
        varied(NUMBERED, np.array([1]), View(Weighing(), Mixing(), 0), 0)


def test_of_several_mixing_parts_one_mixes_each_sample_as_often_as_the_other():
    both = Composed((Mixing(0.1), Mixing(0.9), Shifts(still=[str(2 * i) for i in range(2000)])))
    drawn = [both.draw(0, 0, str(2 * i)).mix.partner for i in range(2000)]
    assert set(drawn) == {0.1, 0.9}
    assert abs(np.mean([each == 0.1 for each in drawn]) - 0.5) < 0.04
    assert Composed((Shifts(still=KEYS), Mixing(0.9))).draw(0, 0, "2").mix.partner == 0.9


class Mirroring:
    """Rows of pixels; `mirror` turns them round."""

    def transform(self, tensors, changes):
        return {"x": tensors["x"][::-1].copy()} if Change("mirror") in changes else tensors


def move_boxes(targets, changes, facts):
    """Left and right edges in pixels of a row of `width`, moved along with a mirrored row."""
    if Change("mirror") not in changes:
        return targets
    return {"box": np.array([facts["width"] - targets["box"][1], facts["width"] - targets["box"][0]])}


def boxed_samples(count):
    """Rows of 8 pixels, of which those in the box shine."""
    lefts = np.arange(count) % 5
    boxes = np.stack([lefts, lefts + 2], axis=1)
    pixels = np.zeros((count, 8), np.int64)
    for row, (left, right) in enumerate(boxes):
        pixels[row, left:right] = 9
    facts = [{"width": 8}] * count
    return TrainingSamples({"x": pixels}, [str(i) for i in range(count)], np.arange(count), facts=facts), {"box": boxes}


class MirrorsOdd:
    """Mirrors samples whose key is odd, and mixes number 4 with the last."""

    def draw(self, seed, epoch, key):
        mix = Mix(0.99, 0.5) if key == "4" else None
        return Drawn((Change("mirror"),) if int(key) % 2 else (), mix)


def shining(pixels):
    (places,) = np.nonzero(pixels)
    return [places[0], places[-1] + 1]


def test_targets_move_along_with_their_samples():
    samples, targets = boxed_samples(10)
    before = targets["box"].copy()
    view = View(Mirroring(), MirrorsOdd(), 0, targets=move_boxes)
    pixels = varied(samples, np.arange(4), view, 0).tensors["x"]
    found = moved(samples, targets, np.arange(4), view, 0)
    assert found["box"].tolist() == [shining(row) for row in pixels]
    assert found["box"][1].tolist() == [8 - 3, 8 - 1]
    np.testing.assert_array_equal(targets["box"], before)
    still = moved(samples, targets, np.arange(4), View(Mirroring(), MirrorsOdd(), 0), 0)
    np.testing.assert_array_equal(still["box"], before[:4])


def test_targets_of_partners_move_as_the_partner_does():
    class Adding(Mirroring, Weighing):
        def transform(self, tensors, changes):
            return Mirroring.transform(self, tensors, changes)

    samples, targets = boxed_samples(10)
    view = View(Adding(), MirrorsOdd(), 0, mixes=True, targets=move_boxes)
    found = varied(samples, np.array([3, 4]), view, 0)
    assert found.mixed.rows.tolist() == [3, 9]
    assert found.mixed.shares.tolist() == [1.0, 0.5]
    assert moved(samples, targets, np.array([3, 4]), view, 0)["box"].tolist() == [[3, 5], [4, 6]]
    partners_targets = moved(samples, targets, found.mixed.rows, view, 0)
    assert partners_targets["box"].tolist() == [[3, 5], [8 - 6, 8 - 4]]  # number 9 is mirrored
    assert np.nonzero(found.tensors["x"][1])[0].tolist() == [2, 3, 4, 5]


def test_augmentations_that_mix_are_refused_by_name_where_the_kind_cannot_mix():
    spec = AugmentationSpec(name="mine/blend", summary="Mixes.", build="m:f", mixes=True)
    other = AugmentationSpec(name="mine/shift", summary="Shifts.", build="m:f")
    assert check_mixing((spec, other), Weighing(), "x/x")
    assert not check_mixing((other,), Adding(), "x/x")
    with pytest.raises(UsageError, match="mine/blend mixes samples, which the input kind x/x cannot do"):
        check_mixing((spec, other), Adding(), "x/x")


def test_augmentations_are_refused_that_draw_what_the_kind_lacks_as_it_is_built():
    class Maskless(Adding):
        def lacking(self):
            return {"mask": "its tokenizer has no mask"}

    mask = AugmentationSpec(name="mine/mask", summary="Masks.", build="m:f", draws=frozenset({"mask", "shift"}))
    shift = AugmentationSpec(name="mine/shift", summary="Shifts.", build="m:f", draws=frozenset({"shift"}))
    check_changes((mask, shift), Adding(), "x/x")
    check_changes((shift,), Maskless(), "x/x")
    expected = "mine/mask draws mask, which x/x cannot apply for these weights: its tokenizer has no mask"
    with pytest.raises(UsageError, match=expected):
        check_changes((shift, mask), Maskless(), "x/x")
