"""Features, targets and answers of a source's head, made from seeds: what transfer scores are recorded and tested
on."""

import numpy as np

CASES = {"more records": (300, 40, 5), "more channels": (60, 200, 6), "as many": (120, 120, 3)}
"""Records, channels and classes."""


def made(case):
    """Features (record, channel) float32 as those above a ReLU, classes (record,), numbers (record, 2), and
    probabilities of seven source classes (record, 7)."""
    records, channels, classes = CASES[case]
    random = np.random.default_rng(len(case))
    centres, labels = random.normal(size=(classes, channels)), np.arange(records) % classes
    noise = random.normal(size=(records, channels)) * random.gamma(1.0, 1.0, channels)
    features = np.maximum(noise + 0.7 * centres[labels] + 0.3, 0.0).astype(np.float32)
    numbers = np.stack([features[:, :3].sum(axis=1), random.normal(size=records)], axis=1).astype(np.float64)
    logits = random.normal(size=(records, 7)) + 2.0 * np.eye(7)[labels]
    answers = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return features, labels, numbers, answers
