"""Level A: each bug in what a plugin declares turns red what asserts it, for that reason, and nothing else."""

import re

import numpy  # noqa: F401 - so that the host refuses it no longer: a plugin would get it unasked
import pytest

from headstart.testing import AugmentationDeclared, BackboneDeclared, DatasetDeclared, ReporterDeclared

from .planting import IMPORT_IT_ANEW, assert_fails_only, changed, failures, named

SOUND = '''
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import (
    AugmentationSpec, BackboneSpec, DatasetSpec, FeatureSpec, RemoteFile, ReporterSpec, WeightsSpec
)

DIGEST = "0123456789abcdef0123456789abcdef"

@dataclass(frozen=True)
class Options:
    """How much."""

    amount: int = option(1, "How much of it.", low=1)

def weights(name, **changes):
    stated = {
        "origin": RemoteFile("https://example.org/it.h5", "it.h5"), "licence": "MIT", "source": "its authors",
        "size": 17, "algorithm": "md5", "digest": DIGEST, "load": "planted_build:load", "preprocess": {"size": [8, 8]},
    }
    return WeightsSpec(name=name, **(stated | changes))

@hookimpl
def register_backbones():
    return [BackboneSpec(
        name="planted/it", summary="A network.", build="planted_build:build", takes="image", stages=("low", "top"),
        features=(
            FeatureSpec("pooled", "top", "x", ("batch", "channel"), 8),
            FeatureSpec("map@8", "low", "x", ("batch", "height", "width", "channel"), None, 8),
        ),
        preprocess={"size": [8, 8]}, licence="MIT", options=Options,
        weights=(weights("first"), weights("second", size=None, algorithm="none", digest="unknown")),
    )]

@hookimpl
def register_datasets():
    return [DatasetSpec(
        name="planted/it", summary="Data.", build="planted_build:build", medium="image", takes_path=True
    )]

@hookimpl
def register_augmentations():
    return [AugmentationSpec(
        name="planted/it", summary="Varies.", build="planted_build:build",
        draws=frozenset({"matrix"}), uses=frozenset({"horizontal_flip"}),
    )]

@hookimpl
def register_reporters():
    return [ReporterSpec(
        name="planted/it", summary="Tells.", build="planted_build:build", writes=("report/it.txt", "report/it/*.png")
    )]
'''

BUILD = '''
if True:
    def build(request):
        """A target below an `if`."""
load = build
raise SystemExit("a build target is not imported to see whether it is there")
'''

OF_THE_OFFER = {
    "test_its_plugin_loads_and_offers_it",
    "test_its_targets_exist",
    "test_what_it_writes_lies_in_the_report_folder",
}
KINDS = (BackboneDeclared, DatasetDeclared, AugmentationDeclared, ReporterDeclared)
every_kind = pytest.mark.parametrize("level", KINDS, ids=lambda level: level.__name__)


@every_kind
def test_a_sound_declaration_passes(garden, level):
    garden.plant(SOUND, planted_build=BUILD)
    assert failures(named(level)) == {}


PLUGIN_BUGS = {
    "numpy at import": (
        "import numpy\n" + SOUND,
        {"test_importing_its_plugin_loads_no_framework": r"imports numpy by \S*planted.py, line 1\. Import it in the"},
    ),
    "numpy in a hook": (
        changed(SOUND, ("def register_datasets():\n", "def register_datasets():\n    import numpy\n")),
        {"test_importing_its_plugin_loads_no_framework": r"imports numpy by \S*planted.py, line \d+\."},
    ),
    "print on import": (
        "print('loading')\n" + SOUND,
        {"test_importing_its_plugin_prints_nothing": r"prints to stdout: 'loading'\. Remove the print"},
    ),
    "a line of C code that prints": (
        "import os\nos.write(1, b'from below')\n" + SOUND,
        {"test_importing_its_plugin_prints_nothing": "from below"},
    ),
    "no build module": (
        changed(SOUND, ("planted_build:build", "planted_builds:build")),
        {"test_its_targets_exist": r"build is 'planted_builds:build', but there is no module planted_builds\."},
    ),
    "build target misspelt": (
        changed(SOUND, ("planted_build:build", "planted_build:biuld")),
        {"test_its_targets_exist": r"has no 'biuld'; did you mean build"},
    ),
    "build target below a module": (
        changed(SOUND, ("planted_build:build", "planted_build.deep:build")),
        {"test_its_targets_exist": r"planted_build is a module, not a package"},
    ),
}


@pytest.mark.parametrize("bug", PLUGIN_BUGS)
def test_a_bug_in_the_plugin_is_told_by_what_asserts_it(garden, bug):
    source, expected = PLUGIN_BUGS[bug]
    garden.plant(source, planted_build=BUILD)
    assert_fails_only(named(ReporterDeclared), expected)


def test_a_build_module_that_is_no_python_is_told_with_its_line(garden):
    garden.plant(SOUND, planted_build="\n\ndef build(:\n")
    assert_fails_only(named(ReporterDeclared), {"test_its_targets_exist": "not valid Python: line 3"})


def test_a_name_that_another_distribution_publishes_too_is_told(garden):
    garden.plant(SOUND, planted_build=BUILD)
    garden.plant(SOUND, distribution="headstart-rival")
    expected = r"published 2 times: by headstart-planted 1.0 \(planted\) and headstart-rival 1.0 \(planted\)"
    assert_fails_only(named(ReporterDeclared), {"test_its_plugin_is_published_exactly_once": expected})


ALL_RED = {
    "a misspelt hook": (
        changed(SOUND, ("def register_reporters", "def register_reporter")),
        r"was left out: 'register_reporter' is no hook; did you mean register_reporters|fails: PluginFailure",
    ),
    "wrong arguments": (
        changed(SOUND, ("def register_reporters()", "def register_reporters(extra)")),
        r"was left out: Plugin|fails: PluginFailure",
    ),
    "an option without a sentence": (
        changed(SOUND, ('"How much of it."', '""')),
        "option 'amount' has no sentence",
    ),
    "options that are not frozen": (
        changed(SOUND, ("@dataclass(frozen=True)", "@dataclass")),
        "options Options must be a frozen dataclass",
    ),
    "another api": (changed(SOUND, ('summary="Tells."', 'summary="Tells.", api=9')), "was written for api 9"),
    "a name of another plugin": (
        changed(SOUND, ('"planted/it", summary="T', '"other/it", summary="T')),
        "must be planted/",
    ),
    "a name twice": (
        changed(SOUND, ("    return [ReporterSpec(", "    return 2 * [ReporterSpec(")),
        "offers 'planted/it' twice",
    ),
    "keras at import": ("import keras\n" + SOUND, "imports keras while it declares|imports keras by .*line 1"),
    "an exception at import": ("1 / 0\n" + SOUND, "ZeroDivisionError: division by zero"),
    "the process is ended": ("raise SystemExit(3)\n" + SOUND, "SystemExit: 3"),
}


@pytest.mark.slow
@pytest.mark.parametrize("bug", ALL_RED)
def test_a_plugin_that_is_left_out_fails_each_test_of_an_offer_with_its_reason(garden, bug):
    source, reason = ALL_RED[bug]
    garden.plant(source, planted_build=BUILD)
    contract = named(ReporterDeclared)
    found = failures(contract)
    assert found.keys() >= OF_THE_OFFER
    for method, message in found.items():
        assert re.search(reason, message), f"{method}: {message}"


@every_kind
def test_a_plugin_that_nobody_published_is_told_with_the_lines_to_write(level):
    contract = named(level, "absent/it")
    expected = (
        r"no installed distribution publishes the plugin 'absent'.*\[project.entry-points.headstart\].*pip install -e"
    )
    tests = [name for name in dir(contract) if name.startswith("test_")]
    assert_fails_only(contract, dict.fromkeys(tests, expected))


@every_kind
def test_an_offer_that_the_plugin_does_not_make_is_told_with_those_that_it_makes(garden, level):
    garden.plant(SOUND, planted_build=BUILD)
    contract = named(level, "planted/another")
    found = failures(contract)
    assert {"test_its_plugin_loads_and_offers_it", "test_its_targets_exist"} <= found.keys()
    assert all("it offers planted/it. Return it from register_" in message for message in found.values())


@every_kind
@pytest.mark.parametrize("name", ["", "planted", "planted/", "/it"])
def test_a_class_without_a_full_name_is_told(level, name):
    contract = type("TestForgotten", (level,), {"name": name})
    found = failures(contract)
    assert found
    assert all('Set name = "plugin/offer"' in message for message in found.values())


def test_a_disabled_plugin_is_told(garden, monkeypatch):
    garden.plant(SOUND, planted_build=BUILD)
    monkeypatch.setenv("HEADSTART_DISABLE_PLUGINS", "planted")
    found = failures(named(DatasetDeclared))
    assert "Unset HEADSTART_DISABLE_PLUGINS" in found["test_its_plugin_loads_and_offers_it"]


LICENCE = "test_the_licence_of_network_and_weights_is_stated"
DIGESTS = "test_sizes_and_digests_are_given_or_unknown"
PLACES = "test_weights_have_names_of_their_own_and_a_place"
FEATURES = "test_features_are_named_and_shaped_in_known_words"
PREPROCESS = "test_its_preprocessing_is_one_that_the_input_kind_knows"
AXES = '("batch", "height", "width", "channel")'

BACKBONE_BUGS = {
    "licence empty": (('licence="MIT"', 'licence=" "'), LICENCE, "the licence of the network is ' '"),
    "licence to do": (('licence="MIT"', 'licence="TODO"'), LICENCE, "the licence of the network is 'TODO'"),
    "licence of weights empty": (('"licence": "MIT"', '"licence": ""'), LICENCE, "licence of the weights 'first'"),
    "source empty": (('"its authors"', '""'), LICENCE, "'first' do not say where they are from"),
    "source task empty": (
        ('"licence": "MIT"', '"licence": "MIT", "trained_on": " "'),
        LICENCE,
        "what they were trained on",
    ),
    "digest too short": (('"0123456789abcdef0123456789abcdef"', '"0123"'), DIGESTS, "4 characters.*md5 has 32 hex"),
    "digest of another algorithm": (('"md5"', '"sha256"'), DIGESTS, "32 characters.*sha256 has 64 hex digits"),
    "digest no hex": (('"0123456789abcdef0123456789abcdef"', '"z" * 32'), DIGESTS, "md5 has 32 hex digits"),
    "algorithm unknown": (('"md5"', '"crc32"'), DIGESTS, "the digest algorithm 'crc32'"),
    "size zero": (('"size": 17', '"size": 0'), DIGESTS, "a size of 0 bytes"),
    "weights twice": (('"second"', '"first"'), PLACES, r"called \['first', 'first'\]"),
    "address without encryption": (("https://", "http://"), PLACES, "starts with https://"),
    "load target misspelt": (
        ("planted_build:load", "planted_build:laod"),
        "test_its_targets_exist",
        "load of the weights 'first' is 'planted_build:laod', but .*did you mean load",
    ),
    "batch not first": ((AXES, '("height", "width", "batch", "channel")'), FEATURES, "'map@8' has the axes"),
    "unknown axis": ((AXES, '("batch", "rows", "width", "channel")'), FEATURES, "out of batch, height, width, time"),
    "no channels": (('("batch", "channel"), 8)', '("batch", "channel"), 0)'), FEATURES, "'pooled' has 0 channels"),
    "another stride": (('"channel"), None, 8)', '"channel"), None, 16)'), FEATURES, "'map@8' has the stride 16"),
    "unknown feature": (('"pooled"', '"vector"'), FEATURES, "'vector' is in no task's words"),
    "feature twice": (('"map@8"', '"pooled"'), FEATURES, r"called \['pooled', 'pooled'\]"),
    "preprocessing of the network unknown": (
        ('preprocess={"size": [8, 8]}', 'preprocess={"size": [8, 8], "mean": 3}'),
        PREPROCESS,
        "preprocess is refused by image/image: image preprocessing has no value 'mean'",
    ),
    "preprocessing of the weights unknown": (
        ('"preprocess": {"size": [8, 8]}', '"preprocess": {"size": 8}'),
        PREPROCESS,
        "preprocess of the weights 'first' is refused",
    ),
    "input kind not installed": (
        ('takes="image", stages', 'takes="smell", stages'),
        PREPROCESS,
        "no installed input kind makes the tensors 'smell'.*headstart inputs",
    ),
}


@pytest.mark.parametrize("bug", BACKBONE_BUGS)
def test_a_bug_in_a_backbones_spec_is_told_by_what_asserts_it(garden, bug):
    edit, method, pattern = BACKBONE_BUGS[bug]
    garden.plant(changed(SOUND, edit), planted_build=BUILD)
    assert_fails_only(named(BackboneDeclared), {method: pattern}, leaving=IMPORT_IT_ANEW)


OTHER_BUGS = {
    "a make target that is not there": (
        DatasetDeclared,
        ("takes_path=True", 'takes_path=False, make="planted_build:mak"'),
        {"test_its_targets_exist": "make is 'planted_build:mak', but the module planted_build has no 'mak'"},
    ),
    "licence of data empty": (
        DatasetDeclared,
        ("takes_path=True", 'takes_path=True, licence=""'),
        {"test_its_licence_is_stated": "the licence of the data is ''"},
    ),
    "input kind of data not installed": (
        DatasetDeclared,
        ('medium="image"', 'medium="imago"'),
        {"test_its_input_kind_is_installed": "no installed input kind reads imago data"},
    ),
    "targets of a kind that nobody installed": (
        DatasetDeclared,
        ('medium="image"', 'targets=("targets/class", "planted/no"), medium="image"'),
        {"test_the_kinds_of_its_targets_are_installed": "targets names planted/no, no installed kind"},
    ),
    "changes that no installed input kind applies": (
        AugmentationDeclared,
        ('draws=frozenset({"matrix"})', 'draws=frozenset({"matrix", "smell"})'),
        {
            "test_an_input_kind_is_installed_that_applies_what_it_draws": r"draws is \['matrix', 'smell'\], and no .*"
            "Name changes of one kind: image/image applies matrix, brightness"
        },
    ),
    "a symmetry in other letters": (
        AugmentationDeclared,
        ('"horizontal_flip"', '"Horizontal-Flip"'),
        {"test_the_symmetries_that_it_uses_are_named_as_datasets_name_them": "Horizontal-Flip"},
    ),
    "the default where another one is": (
        AugmentationDeclared,
        ('draws=frozenset({"matrix"})', 'default_for="image", draws=frozenset({"matrix"})'),
        {"test_where_it_wants_to_be_the_default_nothing_else_does": "so does image_augmentations/light. Leave"},
    ),
    "the default for what nothing reads": (
        AugmentationDeclared,
        ('draws=frozenset({"matrix"})', 'default_for="imago", draws=frozenset({"matrix"})'),
        {"test_where_it_wants_to_be_the_default_nothing_else_does": "'imago', and no installed input kind that reads"},
    ),
    "a report beside the report folder": (
        ReporterDeclared,
        ('"report/it.txt"', '"it.txt"'),
        {"test_what_it_writes_lies_in_the_report_folder": "writes names 'it.txt'"},
    ),
    "a report above the run": (
        ReporterDeclared,
        ('"report/it.txt"', '"report/../../it.txt"'),
        {"test_what_it_writes_lies_in_the_report_folder": "below report/"},
    ),
}


@pytest.mark.parametrize("bug", OTHER_BUGS)
def test_a_bug_in_another_spec_is_told_by_what_asserts_it(garden, bug):
    level, edit, expected = OTHER_BUGS[bug]
    garden.plant(changed(SOUND, edit), planted_build=BUILD)
    assert_fails_only(named(level), expected, leaving=IMPORT_IT_ANEW)
