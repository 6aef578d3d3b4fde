"""Transfer scores: each bug turns red what asserts it, for that reason, and nothing else."""

from dataclasses import replace

import pytest

from headstart.host.guard import PluginFailure
from headstart.host.verification import verify_spec
from headstart.specs import ScoreSpec
from headstart.testing import ScoreContract, ScoreDeclared, ScoreMeasured

from .planting import assert_fails_only, changed, failures, named

PLUGIN = """
from headstart.hookspecs import hookimpl
from headstart.specs import ScoreSpec

@hookimpl
def register_scores():
    return [ScoreSpec(
        name="planted/it", summary="How far class means are apart.", build="planted_build:Apart",
        reads=("classes", "numbers"), unit="share of the variance", low=0.0, high=1.0,
    )]
"""

BUILD = '''
import itertools

import numpy as np

from headstart.errors import DataError
from headstart.specs import Baseline, Scored

COUNTER = itertools.count()

class Apart:
    """The share of the variance that lies between classes."""

    def __init__(self, request):
        pass

    def measure(self, observed):
        labels = observed.targets if observed.form == "classes" else observed.targets[:, 0].astype(int)
        if observed.features.std() == 0:
            raise DataError("its features are all alike")
        features = observed.features.astype(np.float64)
        value = share(features, labels, np.ones(len(labels)))
        return Scored(value, np.array([share(features, labels, weights) for weights in observed.weights]))

def share(features, labels, weights):
    gaps = features - weights @ features / weights.sum()
    between = 0.0
    for each in np.unique(labels):
        rows = labels == each
        mean = weights[rows] @ gaps[rows] / weights[rows].sum()
        between += weights[rows].sum() * float(mean @ mean)
    return between / float(weights @ (gaps**2).sum(axis=1))
'''


def test_a_sound_score_passes(garden):
    garden.plant(PLUGIN, planted_build=BUILD)
    assert failures(named(ScoreContract)) == {}


DECLARED = {
    "a framework": (BUILD.replace("import numpy as np", "import numpy as np\nimport keras", 1), r"imports keras"),
}


@pytest.mark.parametrize("bug", DECLARED)
def test_a_bug_in_what_it_imports_is_found(garden, bug):
    source, message = DECLARED[bug]
    garden.plant(PLUGIN, planted_build=source)
    assert_fails_only(named(ScoreDeclared), {"test_its_build_module_imports_no_framework": message})


FORMS = "test_it_scores_every_form_that_it_reads"
MEASURED = {
    "NaN for features that are all alike": (
        ("if observed.features.std() == 0:", "if False:"),
        {"test_hard_data_gives_a_number_or_a_refusal": r"features that are all alike.*nan"},
    ),
    "an error of its own": (
        ('raise DataError("its', 'raise ValueError("its'),
        {"test_hard_data_gives_a_number_or_a_refusal": r"features that are all alike it raises ValueError"},
    ),
    "another number each time": (
        ("return Scored(value,", "return Scored(value + 1e-9 * next(COUNTER),"),
        {"test_it_gives_the_same_bits_twice": r"the same features give"},
    ),
    "lower is better": (
        ("    return between / ", "    return 1.0 - between / "),
        {"test_better_features_score_higher": r"and 0\.9.* for noise"},
    ),
    "beyond its bounds": (
        ("    return between / ", "    return 2.0 * between / "),
        {"test_it_stays_within_its_bounds": r"beyond 0\.0 to 1\.0"},
    ),
    "weights unheard": (
        ("share(features, labels, weights) for", "share(features, labels, np.ones(len(labels))) for"),
        {FORMS: r"of classes all resamples give"},
    ),
    "a baseline that is no number": (
        (
            "for weights in observed.weights]))",
            "for weights in observed.weights]), None, Baseline(np.nan, 'the mean'))",
        ),
        {
            name: r"its baseline is Baseline\(value=nan"
            for name in (
                FORMS,
                "test_better_features_score_higher",
                "test_it_gives_the_same_bits_twice",
                "test_hard_data_gives_a_number_or_a_refusal",
                "test_it_leaves_what_it_is_given_as_it_is",
            )
        },
    ),
    "a resample too few": (
        ("for weights in observed.weights]", "for weights in observed.weights[1:]]"),
        {FORMS: r"shape \(11,\), expected \(12,\)"},
    ),
    "features centred in place": (
        ("        features = observed", "        observed.features[0] = 0.0\n        features = observed"),
        {"test_it_leaves_what_it_is_given_as_it_is": r"changes features in place"},
    ),
}


@pytest.mark.parametrize("bug", MEASURED)
def test_a_bug_in_what_it_measures_is_found(garden, bug):
    edit, expected = MEASURED[bug]
    garden.plant(PLUGIN, planted_build=changed(BUILD, edit))
    assert_fails_only(named(ScoreMeasured), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reads": ()}, "reads must name a form"),
        ({"unit": " "}, "unit is empty"),
        ({"low": 1.0, "high": 0.0}, "low must be below high"),
    ],
)
def test_a_spec_that_is_not_sound_is_refused(changes, message):
    spec = ScoreSpec(name="planted/it", summary="It.", build="a:B", reads=("classes",), unit="nats")
    verify_spec(spec, "scores", "planted")
    with pytest.raises(PluginFailure, match=message):
        verify_spec(replace(spec, **changes), "scores", "planted")
