"""Strategies: plans of phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from headstart.specs.base import Spec

Optimizer = Literal["adamw", "adam", "sgd", "rmsprop"]
"""How weights follow their gradients: as Keras' own optimizers of these names do."""
RateSchedule = Literal["cosine", "constant"]
"""How rates go after their warm-up: down to zero as a cosine, or on at their peak."""
INPUT, HEAD = "input", "head"
"""The names of the first and the last stage of every network."""
NORM = "norm"
"""Among the `roles` of a phase: all that normalisation layers learn."""


@dataclass(frozen=True)
class LowRank:
    """Low-rank updates of kernels (Hu et al. 2021, arXiv:2106.09685): kernel + `scale` * a @ b, where a is (input,
    `rank`) and b is (`rank`, output). `scale` is what the paper calls alpha / rank. With `head` kernels of the head
    learn so too, for one that comes trained, such as a decoder; the rest of it learns as it is."""

    rank: int = 8
    scale: float = 2.0
    head: bool = False


@dataclass(frozen=True)
class RateSetting:
    """What all rates of a phase are in proportion to: `--learning-rate`, or an option such as `strategy.head_rate`.

    At `value` the phase has the rates that are planned; the user need not have set it.
    """

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One training period with a fixed cut, optimizer and schedule.

    `train` are the stages that learn, the head among them. `solver` is "closed_form" (the head by convex solving on
    cached features: what `Task.solve` finds at `strengths`, the least loss on val taken) or "gradient" (by the
    `optimizer`; `momentum` is of "sgd"; with the same `weight_decay`, "adam" and "adamw" make the same updates).
    `roles` are the kinds of weights that learn in the backbone's stages: NORM, all that normalisation layers learn,
    whatever it is called, or how a weight's own role begins ("kernel", "beta", "bias"); empty: all. With `adapter`
    those weights stay, and low-rank updates of kernels learn instead, which are merged at the phase's end. With `pick`
    only so many of the backbone's stages in `train` learn: those whose gradient, relative to their weights, is the
    largest in one pass over the training split.
    `rates` give each learning stage the peak of its update rate; rates rise to it in a line over `warmup` (share of
    all steps; 0: at once) and then go as the `schedule` says, down to zero as a cosine or on at the peak.
    `rate_setting` is what the user sets to move all of them together, and `headstart lr` suggests a value for; None:
    nothing does. All gradients together are clipped to the norm `clip` (0: not at all). `weight_decay` pulls weights
    towards 0, `l2_sp` those of the backbone towards where the phase began; both are decoupled from the gradient for
    every optimizer, and biases and norms are spared by the former.
    `average` is the decay of a moving average of the weights, which is what is validated and kept (0: none).
    The phase runs once for each of `rate_factors`, always from the same start; of several outcomes a greedy soup is
    made on val. `wise_ft` are tried on val as the share of what was learned in an interpolation with the phase's start.
    `views` is how many augmented views of a frozen prefix are cached; 0 means that each epoch draws anew.
    `patience` is the number of epochs without a better validation metric after which the phase ends.
    `contrast` is the share of the loss, 0 to 1, that is of pairs: the cosine of two samples' features is to be how
    alike their targets are, which a task says that is a `headstart.specs.ComparesTargets`. Such a phase keeps its last
    epoch: no head is fitted to its features before the next phase.
    `refit` solves for the head once more on train and val together, by the solver and strength that val chose.
    """

    name: str
    train: tuple[str, ...]
    solver: Literal["closed_form", "gradient"]
    optimizer: Optimizer = "adamw"
    momentum: float = 0.0
    roles: tuple[str, ...] = ()
    adapter: LowRank | None = None
    pick: int = 0
    epochs: int = 1
    rates: Mapping[str, float] = field(default_factory=dict)
    rate_setting: RateSetting | None = None
    warmup: float = 0.1
    schedule: RateSchedule = "cosine"
    clip: float = 0.0
    weight_decay: float = 0.0
    l2_sp: float = 0.0
    average: float = 0.0
    rate_factors: tuple[float, ...] = (1.0,)
    wise_ft: tuple[float, ...] = ()
    strengths: tuple[float, ...] = ()
    views: int = 0
    patience: int = 0
    contrast: float = 0.0
    refit: bool = False


@dataclass(frozen=True)
class StrategyRequest:
    """What a strategy plans with.

    `stages` are the backbone's stages, bottom first; `train` the user's choice among them, or None for the
    strategy's own; `solvable` whether the task can fit this head in closed form, and nothing would be lost by it;
    `head_fitted` whether the whole head comes trained for these targets, so that no phase need fit it first;
    `augmented` whether training samples vary; `views`, `epochs` and `learning_rate` the user's, or None; `family` the
    backbone's, by which default rates are chosen; `idle` those of `stages` in which nothing can learn: the
    topmost that the head takes nothing of, and those without weights. A phase that trains no other one is refused.
    """

    options: Any
    stages: tuple[str, ...]
    train: tuple[str, ...] | None
    solvable: bool
    augmented: bool
    views: int | None
    epochs: int | None
    learning_rate: float | None
    family: str = "cnn"
    head_fitted: bool = False
    idle: tuple[str, ...] = ()


class StrategyBuild(Protocol):
    """Build target of a StrategySpec; imports no framework. Raises UsageError where the request contradicts itself.
    Without a phase the run is of the weights as they are; only a head that is fitted may stay so.

    It is a pure function: called several times, without the flags that were given too, and equal requests give equal
    phases. An option that was set is refused where the build does not read it, so read each where it acts.
    """

    def __call__(self, request: StrategyRequest) -> Sequence[Phase]:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class StrategySpec(Spec):
    """A named plan of phases. `trains_backbone` says whether `--train STAGE,...` makes sense with it.

    Where the user names none, the `default` one is taken, and by `headstart pretrain` the one for random weights,
    `default_from_scratch`.
    """

    build: str
    trains_backbone: bool = True
    default: bool = False
    default_from_scratch: bool = False
