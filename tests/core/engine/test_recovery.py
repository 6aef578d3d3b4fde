"""When a loss has spiked, worked out by hand; and which errors say that memory did not suffice."""

import numpy as np
import pytest

from headstart.engine.train.recovery import (
    ABOVE,
    TIMES,
    USUAL,
    WINDOW,
    LossSpikedError,
    SpikeGuard,
    is_out_of_memory,
)


def spike_by_hand(losses):
    """The step, from 1, whose mean over the last WINDOW steps is so far above the least mean of USUAL steps before; or
    None."""
    usual = [np.mean(losses[max(0, end - USUAL) : end]) for end in range(WINDOW, len(losses) + 1)]
    for place in range(1, len(usual)):
        low, mean = min(usual[:place]), np.mean(losses[place : place + WINDOW])
        if mean > low + ABOVE and mean > low * TIMES:
            return place + WINDOW
    return None


def spike_heard(losses, *, cuts):
    """The same, by a guard that hears all losses so far again at each of `cuts` and at the end."""
    guard = SpikeGuard()
    try:
        for cut in (*cuts, len(losses)):
            guard.observe(list(losses[:cut]))
    except LossSpikedError as spiked:
        return spiked.step
    return None


@pytest.mark.parametrize("seed", range(30))
def test_a_spike_is_found_at_the_step_that_the_definition_says_however_losses_come(seed):
    draw = np.random.default_rng(seed)
    losses = np.exp(draw.normal(scale=0.7, size=60)) + np.where(np.arange(60) > 40, draw.uniform(0, 12), 0)
    expected = spike_by_hand(losses)

    assert spike_heard(losses, cuts=range(1, 60)) == expected
    assert spike_heard(losses, cuts=(7, 30)) == expected
    assert spike_heard(losses, cuts=()) == expected


def test_some_of_those_sequences_spike_and_some_do_not():
    """Else the test above would show little."""
    found = []
    for seed in range(30):
        draw = np.random.default_rng(seed)
        losses = np.exp(draw.normal(scale=0.7, size=60)) + np.where(np.arange(60) > 40, draw.uniform(0, 12), 0)
        found.append(spike_by_hand(losses))

    assert None in found
    assert len(set(found)) > 3


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ([0.5] * 20, None),
        ([2.0] * 8 + [17.9], None),  # one hard batch: the mean of eight is less than twice what it was
        ([2.0] * 8 + [100.0], 9),  # one so hard that the mean itself is large
        ([0.1] * 8 + [1.2] * 8, 16),  # above 0.1 + 1 only once all eight are
        ([0.1] * 8 + [1.0] * 40, None),  # ten times as large, but not above by 1
        ([4.0] * 8 + [11.9] * 40, None),  # far above, but not three times as large
        ([4.0] * 8 + [12.1] * 8, 16),
        ([50.0, 40.0, 30.0, 20.0, 10.0, 5.0, 3.0], None),  # too few to have a mean
        ([9.0] * 8 + [1.0] * 64 + [3.2] * 8, 80),  # above the lowest, though not above the first
    ],
)
def test_what_counts_as_a_spike(losses, step):
    assert spike_heard(losses, cuts=()) == step


def test_batches_of_very_different_losses_are_no_spike():
    """As those of like lengths have: now and then eight easy ones follow one another, or eight hard ones."""
    losses = np.tile([*[2.7] * 40, *[1.5] * 8, *[2.7] * 40, *[5.3] * 8], 4)

    assert spike_heard(losses, cuts=()) is None
    assert spike_heard([*losses, *[9.0] * 8], cuts=()) is not None


def test_the_window_goes_on_across_epochs_while_steps_count_anew():
    guard = SpikeGuard()
    guard.observe([1.0] * 10)
    guard.next_epoch()
    with pytest.raises(LossSpikedError) as caught:
        guard.observe([1.0, 30.0])

    assert (caught.value.step, caught.value.low) == (2, 1.0)
    assert caught.value.mean == pytest.approx((7 * 1.0 + 30.0) / 8)


def test_a_guard_made_again_from_what_it_holds_hears_the_same():
    losses = [1.0] * 11 + [9.0] * 8
    whole = SpikeGuard()
    whole.observe(losses[:12])
    again = SpikeGuard(recent=list(whole.recent), low=whole.low, observed=whole.observed)
    with pytest.raises(LossSpikedError) as caught:
        again.observe(losses)

    assert caught.value.step == spike_by_hand(losses)


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch names its own."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1099511627776 bytes."),
        RuntimeError("XLA:GPU: out of memory"),
    ],
)
def test_a_shortage_of_memory_is_told_from_its_error(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes (3,) and (4,) differ"), ValueError("out of memory"), KeyError("memory")]
)
def test_other_errors_are_not_a_shortage_of_memory(error):
    assert not is_out_of_memory(error)
