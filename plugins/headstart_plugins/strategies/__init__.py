"""The built-in strategies: from a head alone to everything, in what order, and how firmly held.

| strategy | what learns in the backbone |
|---|---|
| `as_is` | nothing, and the head as little |
| `probe` | nothing |
| `norm_only`, `bitfit` | scales and shifts of norms; biases |
| `lora` | low-rank updates of kernels |
| `last_k`, `surgical` | the topmost stages; those that the data pulls at |
| `gradual` | more in each step, from the top |
| `contrastive` | everything, by pairs of samples; the head afterwards |
| `lp_ft`, `discriminative`, `l2_sp`, `soup`, `wise_ft`, `full` | everything |
| `scratch` | everything, from random weights |

All but `as_is`, `probe`, `full`, `contrastive` and `scratch` start from a head that was fitted to frozen features:
solved for where the task can, and as it is where it comes with the weights.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import StrategySpec
from headstart_plugins.strategies._options import (
    ContrastiveOptions,
    DiscriminativeOptions,
    FewOptions,
    FullOptions,
    GradualOptions,
    L2SpOptions,
    LastKOptions,
    LoraOptions,
    LpFtOptions,
    ProbeOptions,
    ScratchOptions,
    SoupOptions,
    SurgicalOptions,
    WiseFtOptions,
)

OFFERS: tuple[tuple[str, type, str], ...] = (
    ("lp_ft", LpFtOptions, "Solve the head on frozen features first, then fine-tune backbone and head from there."),
    ("full", FullOptions, "Train backbone and head together from a random head."),
    ("scratch", ScratchOptions, "Train everything from random weights, at rates for that."),
    ("gradual", GradualOptions, "Solve the head, then unfreeze the backbone step by step from the top."),
    ("discriminative", DiscriminativeOptions, "As lp_ft, at rates that fall with depth."),
    ("norm_only", FewOptions, "Solve the head, then train it with scales and shifts of norms; statistics are fixed."),
    ("bitfit", FewOptions, "Solve the head, then train it with the backbone's biases and the shifts of its norms."),
    ("lora", LoraOptions, "Solve the head, then train it with low-rank updates of kernels, merged at the end."),
    ("last_k", LastKOptions, "Solve the head, then train it with the topmost stages."),
    (
        "contrastive",
        ContrastiveOptions,
        "Teach the backbone by pairs which samples are alike, then solve the head: for few labels.",
    ),
    (
        "surgical",
        SurgicalOptions,
        "Solve the head, then train it with the stages whose gradients are relatively largest.",
    ),
    ("l2_sp", L2SpOptions, "As lp_ft, the backbone's weights pulled back to where they began."),
    ("soup", SoupOptions, "As lp_ft, at several rates; weights are averaged where val says that it helps."),
    ("wise_ft", WiseFtOptions, "As lp_ft, then mixed with the weights before it by the share that val chooses."),
)
"""Name, options and summary of all that train the backbone."""


@hookimpl
def register_strategies() -> Iterable[StrategySpec]:
    """Offer all plans."""
    return [
        StrategySpec(
            name="strategies/probe",
            summary="Train the head alone on frozen, cached features; in closed form where the task can.",
            options=ProbeOptions,
            build=f"{__name__}._build:probe",
            trains_backbone=False,
        ),
        StrategySpec(
            name="strategies/as_is",
            summary="Train nothing: what the weights are worth with the head that they bring.",
            build=f"{__name__}._build:as_is",
            trains_backbone=False,
        ),
        *(
            StrategySpec(
                name=f"strategies/{name}",
                summary=summary,
                options=options,
                build=f"{__name__}._build:{name}",
                default=name == "lp_ft",
                default_from_scratch=name == "scratch",
            )
            for name, options, summary in OFFERS
        ),
    ]
