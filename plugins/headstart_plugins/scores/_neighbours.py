"""k nearest neighbours, each record by all others."""

from __future__ import annotations

import numpy as np

from headstart.errors import DataError
from headstart.specs import Observed, Scored, ScoreRequest
from headstart_plugins.scores import CLASSES
from headstart_plugins.scores._classes import indicators, refuse_constant
from headstart_plugins.scores._judged import judged

BLOCK = 512
"""Records that are asked at a time."""
MOST = 10_000
"""Records that are looked at, at most: beyond, so many drawn by a fixed seed."""
NEARLY = 1e-6
"""What similarity adds to a vote: nearer ones win ties."""


class Neighbours:
    """Cover & Hart 1967: each record is answered by the 5 that are most alike, by the cosine of features less their
    mean, itself and its group left out. Classes by majority, of equal ones the nearer; numbers by the mean.

    Cost: records squared x axes, for 10,000 records at most. Resampled by weighing the answers, neighbours as they are.

    Where it misleads: channels that vary much for other reasons than the target drown the others, which a linear head
    would learn to do without; copies on both sides of a group flatter all sources alike.
    """

    def __init__(self, request: ScoreRequest) -> None:
        """How many neighbours."""
        self.neighbours = int(request.options.neighbours)

    def measure(self, observed: Observed) -> Scored:
        """See `Score`."""
        refuse_constant(observed)
        gaps, count = observed.spectrum.centred(), len(observed.targets)
        asked = np.arange(count)
        if count > MOST:
            asked = np.sort(np.random.default_rng(0).permutation(count)[:MOST])
        gaps, groups, values = gaps[asked], observed.groups[asked], indicators(observed)[asked]
        lengths = np.linalg.norm(gaps, axis=1, keepdims=True)
        gaps = gaps / np.maximum(lengths, np.finfo(np.float32).eps * lengths.max())
        answers = np.empty((len(asked), values.shape[1]))
        for start in range(0, len(asked), BLOCK):
            rows = slice(start, start + BLOCK)
            alike = gaps[rows] @ gaps.T
            alike[groups[rows, None] == groups[None]] = -np.inf
            most = min(self.neighbours, len(asked) - 1)
            nearest = np.argpartition(-alike, most - 1, axis=1)[:, :most]
            likeness = np.take_along_axis(alike, nearest, axis=1)
            there = np.isfinite(likeness)
            if not there.any(axis=1).all():
                raise DataError("a record has no other one outside its group to be answered by")
            votes = there.astype(np.float64)
            if observed.form == CLASSES:
                votes += NEARLY * np.where(there, likeness, 0.0)
            else:
                votes /= votes.sum(axis=1, keepdims=True)
            answers[rows] = np.einsum("rk,rkc->rc", votes, values[nearest])
        return judged(observed, asked, answers)
