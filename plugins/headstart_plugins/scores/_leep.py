"""LEEP, NCE and N-LEEP: what one set of answers leaves open of another."""

from __future__ import annotations

import numpy as np
from scipy import special

from headstart.errors import DataError
from headstart.specs import Observed, Scored, ScoreRequest
from headstart_plugins.scores._classes import indicators, refuse_constant

ROUNDS = 100
SAME = 1e-4
"""The gain in log-likelihood a record at which the mixture is taken for fitted."""
MEMBERS = 5
"""The fewest records for each Gaussian."""
FLOOR = 1e-3
"""The least variance of a Gaussian along an axis, as a share of the mean one."""


class LEEP:
    """Nguyen et al. 2020, arXiv:2002.12462, equations 1 and 2: the mean over records of log sum_z p(y|z) p(z|x), where
    p(z|x) is what the source's head says, and p(y|z) the empirical distribution of targets given that.

    Equal to the Transfer-Learning-Library's (tllib.ranking, at c4aa59e).

    Cost: records x source answers x classes.

    Where it misleads: it knows the source's answers alone, and not the features below them, which are what fine-tuning
    starts from; more source answers fit better whatever they are, the more so the fewer the records.
    """

    def __init__(self, request: ScoreRequest) -> None:
        """It has no options."""

    def measure(self, observed: Observed) -> Scored:
        """See `Score`."""
        answers = answers_of(observed)
        return leep(answers, observed)


class ConditionalEntropy:
    """NCE, Tran et al. 2019, arXiv:1908.08142: minus the entropy of targets given the source's most probable answer.

    Equal to the Transfer-Learning-Library's (tllib.ranking, at c4aa59e) but for its 1e-20 inside the logarithm.

    Cost: records. Where it misleads: as LEEP, and it does not see how sure the source is.
    """

    def __init__(self, request: ScoreRequest) -> None:
        """It has no options."""

    def measure(self, observed: Observed) -> Scored:
        """See `Score`."""
        answers = answers_of(observed)
        given = np.zeros_like(answers)
        given[np.arange(len(given)), answers.argmax(axis=1)] = 1.0
        given = given[:, given.any(axis=0)]
        marks = indicators(observed)
        value = _entropy(marks, given, np.ones(len(marks)))
        return Scored(value, np.array([_entropy(marks, given, weights) for weights in observed.weights]))


def _entropy(marks: np.ndarray, given: np.ndarray, weights: np.ndarray) -> float:
    joint = (marks * weights[:, None]).T @ given / len(marks)
    return float(special.xlogy(joint, joint / joint.sum(axis=0)).sum())


class MixtureLEEP:
    """N-LEEP, Li et al. 2021, arXiv:2011.11200: LEEP where z are the components of a mixture of Gaussians, fitted to
    the features on the principal axes that hold 80 % of their variance (64 axes at most), 5 for each class.

    The Gaussians have a variance an axis; they begin at records far from each other (k-means++, Arthur &
    Vassilvitskii 2007, by a fixed seed), and there is one for each 5 records at most. Resampled at the mixture of all.

    Cost: rounds of expectation and maximisation, each records x components x axes.

    Where it misleads: the mixture is another one for each seed; with few records a component, each holds one class
    and all sources seem good; unlike LEEP, it asks for no head of the source.
    """

    def __init__(self, request: ScoreRequest) -> None:
        """Components a class, and the share of the variance."""
        self.components, self.energy = int(request.options.components), float(request.options.energy)

    def measure(self, observed: Observed) -> Scored:
        """See `Score`."""
        refuse_constant(observed)
        principal = observed.spectrum.principal
        energies = (principal**2).sum(axis=0)
        shares = np.cumsum(energies) / observed.spectrum.scatter
        kept = principal[:, : int(np.searchsorted(shares, self.energy)) + 1]
        classes = int(observed.targets.max()) + 1
        most = max(len(kept) // MEMBERS, 1)
        return leep(_responsibilities(kept, min(self.components * classes, most)), observed)


def answers_of(observed: Observed) -> np.ndarray:
    """What the source's own head answers (record, answer). Raises DataError where there is none."""
    if observed.answers is None:
        raise DataError("the source's own head is not at hand")
    return observed.answers


def leep(answers: np.ndarray, observed: Observed) -> Scored:
    """LEEP of source answers (record, answer), rows of which sum to 1."""
    answers = answers[:, answers.sum(axis=0) > 0.0]
    marks, true = indicators(observed), observed.targets

    def of(weights: np.ndarray) -> float:
        joint = (marks * weights[:, None]).T @ answers
        conditional = joint / joint.sum(axis=0)  # (class, answer)
        expected = np.einsum("rz,rz->r", answers, conditional[true])
        return float(weights @ np.log(np.maximum(expected, np.finfo(np.float64).tiny))) / len(true)

    return Scored(of(np.ones(len(true))), np.array([of(weights) for weights in observed.weights]))


def _responsibilities(points: np.ndarray, components: int) -> np.ndarray:
    """How probable each component is for each record (record, component), after expectation and maximisation."""
    random = np.random.default_rng(0)
    squares = (points**2).sum(axis=1)
    chosen = [int(random.integers(len(points)))]
    nearest = squares - 2.0 * points @ points[chosen[0]] + squares[chosen[0]]
    for _ in range(1, components):
        chances = np.maximum(nearest, 0.0)
        if not chances.sum() > 0.0:
            break  # no further record differs from those that were chosen
        chosen.append(int(random.choice(len(points), p=chances / chances.sum())))
        nearest = np.minimum(nearest, squares - 2.0 * points @ points[chosen[-1]] + squares[chosen[-1]])
    floor = FLOOR * float(points.var(axis=0).mean())
    means = points[chosen]
    variances = np.tile(np.maximum(points.var(axis=0), floor), (len(means), 1))
    shares = np.full(len(means), 1.0 / len(means))
    likely, before = np.zeros((len(points), len(means))), -np.inf
    for _ in range(ROUNDS):
        precision = 1.0 / variances
        distance = points**2 @ precision.T - 2.0 * points @ (means * precision).T + (means**2 * precision).sum(axis=1)
        logs = np.log(shares) - 0.5 * (distance + np.log(variances).sum(axis=1))
        total = special.logsumexp(logs, axis=1, keepdims=True)
        likely = np.exp(logs - total)
        now = float(total.mean())
        if now - before < SAME:
            break
        before = now
        counts = likely.sum(axis=0) + np.finfo(np.float64).eps
        shares = counts / counts.sum()
        means = likely.T @ points / counts[:, None]
        variances = np.maximum(likely.T @ points**2 / counts[:, None] - means**2, floor)
    return likely
