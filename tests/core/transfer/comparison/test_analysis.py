"""What given cells say: each verdict from figures whose answer is known."""

import dataclasses
import math

import numpy as np
import pytest

from headstart.transfer.comparison.analysis import analyse, suspects
from headstart.transfer.comparison.cells import Measured

ALL = 640


def rising(factor=1.0, base=0.0, noise=0.004, salt=0):
    """Accuracy that grows by 0.08 with each doubling of the labels, as if there were `factor` times as many."""

    def figure(count, seed):
        drawn = np.random.default_rng((count, seed, salt)).normal(0, noise)
        return base + 0.05 + 0.08 * math.log2(factor * count / 80) + drawn

    return figure


def verdict(design, cells):
    return analyse(design, [*cells])["verdict"]


def test_transfer_that_is_worth_four_times_the_labels_is_called_so(design_of, cells_of):
    design = design_of("scratch", "full")
    found = analyse(design, [*cells_of(design, {"scratch": rising(), "full": rising(4, salt=1)})])
    assert found["verdict"]["transfer"] == "helps"
    (labels,) = found["labels"]
    assert labels["ratio"] == pytest.approx(4, rel=0.1)
    assert labels["ci95"][0] < 4 < labels["ci95"][1]
    assert labels["says"] == "better"
    assert "saves" in found["verdict"]["line"]
    assert "+16" in found["verdict"]["line"]  # two doublings of 8 points each


def test_the_verdict_names_the_largest_share_of_train_that_was_tried(design_of, cells_of):
    for fractions, told in (((0.5, 1.0), "on all labels (full)"), ((0.125, 0.5), "on 50 % of train (full)")):
        design = design_of("scratch", "full", fractions=fractions)
        found = verdict(design, cells_of(design, {"scratch": rising(), "full": rising(4, salt=1)}))
        assert told in found["line"]


def test_transfer_that_hurts_is_called_so_with_its_points(design_of, cells_of):
    design = design_of("scratch", "full")
    scratch = rising()
    figures = {"scratch": scratch, "full": lambda count, seed: scratch(count, seed) - 0.031 + 0.002 * (seed - 1)}
    found = verdict(design, cells_of(design, figures))
    assert found["transfer"] == "hurts"
    assert "transfer hurts here: -3.1 points (full)" in found["line"]


def test_transfer_that_changes_nothing_is_left_in_peace(design_of, cells_of):
    """In 19 of 20 draws on average, though six claims are judged in each, of which one alone is wrong in one of 20."""
    design = design_of("scratch", "probe", "lp_ft", "full")
    wrong = 0
    for draw in range(60):
        figures = {arm.name: rising(noise=0.02, salt=1000 * draw + place) for place, arm in enumerate(design.arms)}
        wrong += verdict(design, cells_of(design, figures))["transfer"] != "no difference seen"
    assert wrong <= 6


def test_an_interval_that_holds_zero_is_no_difference_whatever_the_mean(design_of, cells_of):
    design = design_of("scratch", "full", fractions=(1.0,))
    gains = (0.30, -0.05, 0.20)
    cells = cells_of(design, {"scratch": lambda count, seed: 0.5, "full": lambda count, seed: 0.5 + gains[seed]})
    found = analyse(design, [*cells])
    assert found["claims"][0]["says"] == "no difference seen"
    assert found["claims"][0]["difference"]["mean"] == pytest.approx(0.15)
    assert found["labels"] == []


def test_a_large_difference_of_two_seeds_is_neither_sure_nor_none(design_of, cells_of):
    """One degree of freedom: t of 0.05 is 12.7."""
    design = design_of("scratch", "full", fractions=(1.0,), seeds=(0, 1))
    gains = (0.32, 0.42)
    cells = cells_of(design, {"scratch": lambda count, seed: 0.5, "full": lambda count, seed: 0.5 + gains[seed]})
    found = analyse(design, [*cells])
    assert found["verdict"]["transfer"] == "no difference seen"
    assert found["verdict"]["line"] == (
        "not sure whether transfer makes a difference: full is +37.0 points (-26.5 to +100.5) beside scratch in the "
        "mean of 2 seeds; more seeds may tell"
    )


@pytest.mark.parametrize(("reach", "is_open"), [(0.1, True), (0.25, False)])
def test_what_chance_in_the_samples_of_test_would_not_make_is_not_called_none(design_of, cells_of, reach, is_open):
    """Seeds that differ much, each far above scratch: p is 0.2, and the accuracies of both lie apart."""
    design = design_of("scratch", "full", fractions=(1.0,), seeds=(0, 1))
    gains = (0.2, 0.6)
    cells = cells_of(design, {"scratch": lambda count, seed: 0.3, "full": lambda count, seed: 0.3 + gains[seed]})
    known = [dataclasses.replace(each, bounds=(each.test - reach, each.test + reach)) for each in cells]
    found = analyse(design, known)
    assert found["verdict"]["transfer"] == "no difference seen"
    assert found["claims"][0]["p"] > 0.1
    assert ("not sure whether transfer makes a difference: full is +40.0" in found["verdict"]["line"]) == is_open
    if not is_open:  # how little that says is told by its interval
        assert found["verdict"]["line"] == (
            "no difference between transfer and training from scratch seen: full is +40.0 points (-214.1 to +294.1) "
            "beside scratch"
        )
    assert "no sure difference from scratch: +40.0 points" in found["claims"][0]["sentence"]


def test_labels_that_are_worth_more_are_not_said_to_be_needed(design_of, cells_of):
    """`9x the labels of scratch` reads as a cost."""
    design = design_of("scratch", "full", seeds=(0,))
    found = analyse(design, [*cells_of(design, {"scratch": rising(noise=0), "full": rising(4, noise=0)})])
    (labels,) = (claim for claim in found["claims"] if claim["kind"] == "labels")
    assert labels["sentence"].startswith("full: its labels are worth 4x those of scratch (one seed")


def test_an_interval_that_is_sure_alone_may_not_be_beside_others(design_of, cells_of):
    """p of the one is below 0.05, and three times that is not."""
    gains = (0.04, 0.05, 0.065)
    alone = design_of("scratch", "one", fractions=(1.0,))
    several = design_of("scratch", "one", "two", "three", fractions=(1.0,))
    figures = {
        "scratch": lambda count, seed: 0.5 + 0.001 * seed,
        "one": lambda count, seed: 0.5 + 0.001 * seed + gains[seed],
        "two": lambda count, seed: 0.5 + 0.02 * (-1) ** seed,
        "three": lambda count, seed: 0.5 - 0.03 * (-1) ** seed,
    }
    (claim,) = analyse(alone, [*cells_of(alone, {name: figures[name] for name in ("scratch", "one")})])["claims"]
    assert claim["difference"]["low"] > 0
    assert (claim["p"] < 0.05) == (claim["says"] == "better")
    claim, *_ = analyse(several, [*cells_of(several, figures)])["claims"]
    assert claim["difference"]["low"] > 0
    assert claim["says"] == "no difference seen"
    assert "other comparisons" in claim["sentence"]


def test_one_seed_is_no_finding(design_of, cells_of):
    design = design_of("scratch", "full", seeds=(0,))
    cells = [*cells_of(design, {"scratch": rising(), "full": rising(16)})]
    found = verdict(design, cells)
    assert found["transfer"] == "unknown"
    assert "no interval" in found["sentences"][0]
    assert suspects(design, cells) == []


def test_full_that_is_no_better_than_the_probe_is_called_so(design_of, cells_of):
    design = design_of("scratch", "probe", "full")
    figures = {"scratch": rising(), "probe": rising(8, salt=1), "full": rising(8, noise=0.01, salt=2)}
    sentences = verdict(design, cells_of(design, figures))["sentences"]
    assert any(each.startswith("full is no better than probe") for each in sentences)


def test_a_metric_that_should_be_low_is_read_the_other_way_and_in_its_own_unit(design_of, cells_of):
    design = design_of("scratch", "full")
    better, worse = rising(4), rising(salt=1)
    cells = cells_of(
        design,
        {"scratch": lambda *at: 3 - worse(*at), "full": lambda *at: 3 - better(*at)},
        higher_is_better=False,
    )
    found = analyse(design, [*cells])
    assert found["unit"] == ""
    assert found["verdict"]["transfer"] == "helps"
    assert found["labels"][0]["ratio"] == pytest.approx(4, rel=0.1)
    full = [row for row in found["curves"] if row["arm"] == "full"]
    assert full[-1]["mean"] == pytest.approx(3 - 0.05 - 0.08 * 5, abs=0.02)  # as it was measured, not turned round


def test_a_saving_beyond_the_curve_in_every_seed_is_at_least_that(design_of, cells_of):
    design = design_of("scratch", "full")
    found = analyse(design, [*cells_of(design, {"scratch": rising(), "full": rising(2**10, salt=1)})])
    (labels,) = found["labels"]
    assert (labels["ratio"], labels["bound"], labels["says"]) == (8, "at least", "better")
    assert "saves at least 8x the labels" in found["verdict"]["line"]


def test_labels_cannot_be_read_off_a_curve_that_is_flat(design_of, cells_of):
    """`no labels saved: at least 1x (95 % interval 1x to 1x)` would be said of two bounds, of an arm that is far better
    with fewest labels."""
    design = design_of("scratch", "full")
    flat = {"scratch": lambda count, seed: 0.10 + 0.01 * seed, "full": rising(16, base=0.2, salt=1)}
    found = analyse(design, [*cells_of(design, flat)])
    (labels,) = found["labels"]
    assert (labels["ratio"], labels["bound"], labels["ci95"], labels["says"]) == (
        1,
        "at least",
        None,
        "no difference seen",
    )
    (claim,) = (claim for claim in found["claims"] if claim["kind"] == "labels")
    assert claim["sentence"] == (
        "full: how many labels it saves cannot be read off: scratch is no better with more labels than with the "
        "fewest, in each of 3 seeds"
    )
    assert [each["bound"] for each in labels["scratch_needs"]] == ["at least"] * 4
    turned = analyse(design, [*cells_of(design, {"scratch": flat["full"], "full": flat["scratch"]})])
    (claim,) = (claim for claim in turned["claims"] if claim["kind"] == "labels")
    assert "full is no better with more labels" in claim["sentence"]


def test_what_an_answer_without_the_input_gets_is_the_mean_over_seeds_on_the_largest_share(design_of, cells_of):
    design = design_of("scratch", "full", seeds=(0, 1), fractions=(0.5, 1.0))
    cells = [
        dataclasses.replace(each, baseline={"majority_accuracy": each.fraction * (0.1 + 0.1 * each.seed)})
        for each in cells_of(design, {"scratch": rising(), "full": rising()})
    ]
    assert analyse(design, cells)["baseline"] == {"majority_accuracy": pytest.approx(0.15)}


def twin(design, name):
    arm = design.arm(name)
    return dataclasses.replace(
        design, twins=(*design.twins, dataclasses.replace(arm, name=f"{name} (random)", twin=name))
    )


def on_all_labels(design, name, figure):
    return [
        Measured(arm=name, fraction=1.0, seed=seed, test=figure(ALL, seed), metric="accuracy") for seed in design.seeds
    ]


def test_an_arm_that_is_worse_than_scratch_for_how_it_is_trained_is_not_called_harmful(design_of, cells_of):
    design = twin(design_of("scratch", "full"), "full")
    cells = [*cells_of(design, {"scratch": rising(), "full": rising(base=-0.06, salt=1)})]
    harmless = analyse(design, [*cells, *on_all_labels(design, "full (random)", rising(base=-0.06, salt=2))])
    assert harmless["verdict"]["transfer"] == "no difference seen"
    line = harmless["verdict"]["line"]
    assert line.startswith("no effect of the source itself seen: full is -")
    assert line.endswith("so the difference may come of how it is trained")
    first = harmless["verdict"]["sentences"][0]
    assert "hurts" not in first
    assert first.endswith("it may come of how it is trained, not of its source")
    harmful = analyse(design, [*cells, *on_all_labels(design, "full (random)", rising(salt=2))])
    assert harmful["verdict"]["transfer"] == "hurts"
    assert any("the source itself hurts" in each for each in harmful["verdict"]["sentences"])


def test_twins_are_for_the_best_arm_and_those_that_look_worse(design_of, cells_of):
    design = design_of("scratch", "probe", "lp_ft", "full")
    figures = {"scratch": rising(), "probe": rising(2), "lp_ft": rising(8), "full": rising(0.5)}
    assert [arm.name for arm in suspects(design, [*cells_of(design, figures)])] == ["lp_ft", "full"]
    as_is = tuple(dataclasses.replace(arm, trained=arm.name != "lp_ft") for arm in design.arms)
    untrained = dataclasses.replace(design, arms=as_is)  # from random weights there is nothing to be without training
    assert [arm.name for arm in suspects(untrained, [*cells_of(design, figures)])] == ["probe", "full"]


def test_time_is_until_val_is_as_good_as_every_run_from_scratch_becomes(design_of):
    design = design_of("scratch", "full", fractions=(1.0,), seeds=(0, 1))
    curves = {
        ("scratch", 0): ((10, 0.3), (20, 0.5)),
        ("scratch", 1): ((10, 0.4), (20, 0.6)),
        ("full", 0): ((1, 0.45), (4, 0.7)),
        ("full", 1): ((1, 0.45), (2, 0.49)),
    }
    cells = [
        Measured(
            arm=name,
            fraction=1.0,
            seed=seed,
            test=0.5,
            curve=curve,
            seconds={"features": {("full", 0): 0.5, ("full", 1): 3.5}.get((name, seed), 0.0)},
        )
        for (name, seed), curve in curves.items()
    ]
    scratch, full = analyse(design, cells)["time"]
    assert (scratch["val"], scratch["seconds"], scratch["reached"]) == (0.5, 20, 2)
    assert (full["seconds"], full["reached"], full["of"]) == (4 + 3.0, 1, 2)  # features of the other cell are added


def test_classes_that_gain_and_lose_are_named_where_they_are_sure(design_of, cells_of):
    design = design_of("scratch", "full", fractions=(1.0,), seeds=(0, 1, 2, 3))
    cells = []
    for each in cells_of(design, {"scratch": rising(), "full": rising(2)}):
        shift = 0.002 * each.seed
        own = {"cat": 0.9 + shift / 3, "dog": 0.2 + shift / 2, "owl": 0.5 + 0.1 * (-1) ** each.seed, "elk": None}
        theirs = {"cat": 0.4, "dog": 0.6 + shift, "owl": 0.5, "elk": 0.1}
        cells.append(dataclasses.replace(each, classes=own if each.arm == "full" else theirs, class_figure="f1"))
    (row,) = analyse(design, cells)["classes"]
    assert (row["gained"], row["lost"], row["figure"]) == (["cat"], ["dog"], "f1")
    assert [each["class"] for each in row["gains"]] == ["cat", "owl", "dog"]


def test_a_cell_that_diverged_is_told_and_leaves_its_pair_out(design_of, cells_of):
    design = design_of("scratch", "full", fractions=(1.0,))
    cells = [*cells_of(design, {"scratch": rising(), "full": rising(4, salt=1)})]
    cells[-1] = Measured(arm="full", fraction=1.0, seed=2, failed="training diverged: loss is nan")
    found = analyse(design, cells)
    assert found["claims"][0]["difference"]["count"] == 2
    assert found["failed"] == ["full, 100 % of train, seed 2: training diverged: loss is nan"]
