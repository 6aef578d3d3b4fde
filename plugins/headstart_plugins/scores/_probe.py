"""A linear probe: a ridge on the features, whose answers about left-out records are known in closed form."""

from __future__ import annotations

import numpy as np

from headstart.errors import DataError
from headstart.specs import Observed, Scored, ScoreRequest
from headstart_plugins.scores._classes import indicators, refuse_constant
from headstart_plugins.scores._judged import judged

STRENGTHS = tuple(float(each) for each in np.logspace(-4, 3, 8))
"""In units of the mean variance along an axis."""
LARGEST = 512
"""Records of a fold, at most: its cost is their cube."""
ASKED = 8192
"""Records that are asked, at most."""


class Probe:
    """Ridge regressions on indicators of classes, or on numbers, each asked about a tenth of the records that it was
    not fitted on; groups stay together.

    What a fold b is answered by a ridge of all others follows from the one of all: y_b - (I - H_bb)^-1 r_b, with hat
    matrix H and residuals r (Allen 1974; of whole blocks Bates et al. 2023, arXiv:2104.00673, section 2). The strength
    is the one whose left-out answers have the least squared error, over all folds; so is that of the score a little
    flattered, for all sources alike. Kornblith et al. 2019, arXiv:1805.08974, relate such probes to fine-tuning.

    Cost: that of the shared decomposition; then eight strengths x folds of records squared x axes. Resampled by
    weighing the answers.

    Where it misleads: it is what a head on frozen features reaches, and not how well they move: sources that must
    change much, or that have fewer good linear directions than good layers, win by fine-tuning what they lose here.
    """

    def __init__(self, request: ScoreRequest) -> None:
        """How many folds."""
        self.folds = int(request.options.folds)

    def measure(self, observed: Observed) -> Scored:
        """See `Score`."""
        refuse_constant(observed)
        spectrum, values = observed.spectrum, indicators(observed)
        folds = self._folds(observed)
        gaps, mean, count = spectrum.centred(), spectrum.mean, spectrum.count
        centre = values.mean(axis=0)
        products = gaps.T @ (values - centre)
        unit = spectrum.scatter / len(spectrum.energies)
        asked = np.concatenate(folds)
        best, least = np.empty(0), np.inf
        for strength in STRENGTHS:
            diagonal = spectrum.energies + strength * unit
            turned = mean / diagonal
            factor = count / (1.0 - count * float(mean @ turned))
            weights = products / diagonal[:, None] + factor * np.outer(turned, turned @ products)
            answers = []
            for rows in folds:
                part = gaps[rows]
                shifted = part @ turned
                hat = (part / diagonal) @ part.T + factor * np.outer(shifted, shifted) + 1.0 / count
                residuals = values[rows] - part @ weights - centre
                left = np.linalg.solve(np.eye(len(rows)) - hat, residuals)
                answers.append(values[rows] - left)
            found = np.concatenate(answers)
            error = float(((found - values[asked]) ** 2).sum())
            if error < least:
                best, least = found, error
        return judged(observed, asked, best)

    def _folds(self, observed: Observed) -> list[np.ndarray]:
        """Rows of each fold: groups dealt out in turn, those of one target behind each other, so that each fold has
        about the same of all."""
        count = len(observed.targets)
        names, first, place = np.unique(observed.groups, return_index=True, return_inverse=True)
        if len(names) < 2:
            raise DataError("all records are of one group: none is left to fit on")
        folds = max(min(self.folds, len(names)), -(-count // LARGEST))
        target = observed.targets[first] if observed.targets.ndim == 1 else observed.targets[first, 0]
        shuffled = np.random.default_rng(0).permutation(len(names))
        order = shuffled[np.argsort(target[shuffled], kind="stable")]
        dealt = np.empty(len(names), np.int64)
        dealt[order] = np.arange(len(names)) % folds
        of_rows = dealt[place]
        found = [np.flatnonzero(of_rows == each) for each in range(folds)]
        found = [rows for rows in found if len(rows)]
        kept, seen = [], 0
        for rows in found:
            kept.append(rows)
            seen += len(rows)
            if seen >= ASKED:
                break
        return kept
