"""One temperature for the probabilities of pixels, from sums: where the loss is least, and what it is worth."""

import drawn_masks as examples
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from headstart.calibration import expected_calibration_error
from headstart.specs import Calibrates
from headstart_plugins._mask import VOID
from headstart_plugins.segmentation._calibrate import STEP


def drawn(rows=3):
    """Logits that are twice as large as they should be, and masks drawn from what they ought to say."""
    random = np.random.default_rng(0)
    values = examples.logits(random, rows, spread=2.0)
    masks = np.zeros((rows, *examples.SIZE), np.uint8)
    for row in range(rows):
        large = examples.on_input(values[row])
        for place in np.ndindex(*examples.SIZE):
            masks[row][place] = random.choice(4, p=examples.probabilities(large[place] / 2.0))
    masks[random.random(masks.shape) < 0.1] = VOID
    return masks, values


def judged(masks, values):
    """True classes and logits of every fourth pixel along both sides that is not void."""
    pairs = []
    for mask, value in zip(masks, values, strict=True):
        large = examples.on_input(value)
        for y in range(STEP // 2, mask.shape[0], STEP):
            pairs += [(mask[y, x], large[y, x]) for x in range(STEP // 2, mask.shape[1], STEP) if mask[y, x] != VOID]
    return pairs


def likelihood(pairs, temperature):
    return -np.mean([np.log(examples.probabilities(value / temperature)[true]) for true, value in pairs])


def test_the_temperature_is_where_the_loss_of_the_judged_pixels_is_least():
    masks, values = drawn()
    task = examples.task(calibrate=True)
    whole, parts = task.calibrator(), task.calibrator()
    whole.update({"mask": masks}, {"logits": values})
    for row in range(3):
        parts.update({"mask": masks[row : row + 1]}, {"logits": values[row : row + 1]})
    found = whole.found()["temperature"]
    assert parts.found()["temperature"] == pytest.approx(found, rel=1e-6)
    pairs = judged(masks, values)
    best = minimize_scalar(lambda t: likelihood(pairs, t), bounds=(0.5, 8.0), method="bounded").x
    assert found == pytest.approx(best, rel=2e-3)
    assert found == pytest.approx(2.0, rel=0.25)


def test_an_evaluation_tells_how_honest_probabilities_are_without_and_with_it():
    masks, values = drawn()
    task = examples.task(calibrate=True).calibrated({"temperature": 2.0})
    evaluators = [task.evaluator() for _ in range(2)]
    for row in range(3):
        evaluators[row % 2].update(
            {"mask": masks[row : row + 1]}, {"logits": values[row : row + 1]}, [{}], np.zeros(1, np.float32)
        )
    evaluators[0].merge(evaluators[1])
    told = evaluators[0].result().calibration
    pairs = judged(masks, values)
    for when, temperature in (("before", 1.0), ("after", 2.0)):
        sure = [examples.probabilities(value / temperature) for _, value in pairs]
        right = [float(each.argmax() == true) for each, (true, _) in zip(sure, pairs, strict=True)]
        expected = expected_calibration_error(np.array([each.max() for each in sure]), np.array(right))
        assert told["ece"][when] == pytest.approx(expected, abs=1e-6)
        assert told["nll"][when] == pytest.approx(likelihood(pairs, temperature), rel=1e-5)
    assert told["nll"]["after"] < told["nll"]["before"]


def test_without_the_option_nothing_is_calibrated():
    assert not isinstance(examples.task(), Calibrates)
    assert isinstance(examples.task(calibrate=True), Calibrates)
    nothing = examples.task(calibrate=True).calibrator()
    nothing.update(
        {"mask": np.full((1, *examples.SIZE), VOID, np.uint8)}, {"logits": np.zeros((1, 4, 6, 4), np.float32)}
    )
    assert nothing.found() == {}
    with pytest.raises(ValueError, match="not finite"):
        nothing.update({"mask": np.zeros((1, *examples.SIZE), np.uint8)}, {"logits": np.full((1, 4, 6, 4), np.nan)})
