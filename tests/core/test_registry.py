"""One broken plugin never stops the rest: each kind of failure is told, by name, and left out."""

import sys

import pytest

from headstart.errors import UsageError
from headstart.registry import load_registry
from headstart.testing import write_distribution

HEADER = """
from dataclasses import dataclass
from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec

def spec(name, **changes):
    return DatasetSpec(**{"name": name, "summary": "Some data.", "build": "x.y:z", "medium": "image",
                          "takes_path": False} | changes)
"""

SOUND = (
    HEADER
    + """
@hookimpl
def register_datasets():
    return [spec("PLUGIN/photos")]
"""
)


TASK = """
from dataclasses import dataclass
from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import TaskSpec

@dataclass(frozen=True)
class O:
    dropout: float = option(0.0, "Of the head.")

@hookimpl
def register_tasks():
    return [TaskSpec(name="PLUGIN/guess", summary="A task.", build="x.y:z", features=("pooled",), targets="class",
                     heads=("linear",),
                     options=O, GIVEN)]
"""


BACKBONE = """
from pathlib import Path

from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec, FetchedFile, NpmFile, PackageFile, WeightsSpec

def weights(origin):
    return WeightsSpec(name="own", origin=origin, licence="MIT", source="mine", size=None, algorithm="sha256",
                       digest="unknown", load="x.y:z", preprocess={})

@hookimpl
def register_backbones():
    return [BackboneSpec(name="PLUGIN/net", summary="A net.", build="x.y:z", takes="image", stages=("low",),
                         features=(), preprocess={}, licence="MIT", weights=())]
"""

SOUND_OF_ONE = SOUND.replace("PLUGIN", "one")


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Publish a plugin for this test alone; its module is forgotten afterwards."""
    before = set(sys.modules)

    def publish(plugin, source, **metadata):
        folder = tmp_path / metadata.get("distribution", plugin)
        write_distribution(folder, plugin, source.replace("PLUGIN", plugin), **metadata)
        monkeypatch.syspath_prepend(folder)

    yield publish
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in sys.modules[name].__file__:
            del sys.modules[name]


def told(name, registry=None):
    """What the registry tells about the plugin called `name`."""
    return next(info for info in (registry or load_registry()).plugins if info.name == name)


def test_a_plugin_that_is_published_is_found_with_its_version_and_hooks(publish):
    publish("smell", SOUND, version="3.2")
    info = told("smell")
    assert (info.distribution, info.version, info.module) == ("headstart-smell", "3.2", "smell")
    assert info.hooks == ("register_datasets",)
    assert info.error is None


KINDLESS = """
from headstart.specs import InputSpec

@hookimpl
def register_inputs():
    return [InputSpec(name="PLUGIN/kind", summary="A kind.", build="x.y:z", reads=READS, produces="x", flags=FLAGS)]
"""


BROKEN = {
    "import error": (
        "import not_a_module_anywhere",
        "ModuleNotFoundError: No module named 'not_a_module_anywhere'",
    ),
    "syntax error": ("def (", "SyntaxError"),
    "SystemExit": ("raise SystemExit(3)", "SystemExit: 3"),
    "a raise while importing": ("raise RuntimeError('the licence has expired')", "the licence has expired"),
    "a base exception": ("raise GeneratorExit", "GeneratorExit"),
    "an exception that cannot be printed": (
        "class Bad(Exception):\n    def __str__(self):\n        raise ValueError\nraise Bad",
        "Bad",
    ),
    "numpy at import": ("import numpy", "imports numpy while it declares its offers"),
    "keras below a package": ("from keras.layers import Dense", "imports keras while it declares its offers"),
    "a framework, hiding it": (
        "try:\n    import torch\nexcept ImportError:\n    torch = None\n" + SOUND,
        "imports torch while it declares its offers",
    ),
    "a misspelt hook": (
        HEADER + "@hookimpl\ndef register_dataset():\n    return []",
        "'register_dataset' is no hook; did you mean register_datasets",
    ),
    "wrong arguments": (
        HEADER + "@hookimpl\ndef resolve_dataset(path):\n    return None",
        "resolve_dataset",
    ),
    "a hook without its mark": ("def register_datasets():\n    return []", "not marked with @hookimpl"),
    "no hook": ("x = 1", "implements no hook"),
    "a wrapper": (
        HEADER + "@hookimpl(wrapper=True)\ndef register_datasets():\n    yield",
        "wrapper",
    ),
    "a raise in a hook": (
        HEADER + "@hookimpl\ndef register_datasets():\n    return 1 / 0",
        "ZeroDivisionError",
    ),
    "a late raise in a generator": (
        HEADER + "@hookimpl\ndef register_datasets():\n    yield spec('PLUGIN/a')\n    raise KeyError('late')",
        "KeyError: 'late'",
    ),
    "nothing returned": (
        HEADER + "@hookimpl\ndef register_datasets():\n    pass",
        "must return a list of specs",
    ),
    "something else returned": (
        HEADER + "@hookimpl\ndef register_datasets():\n    return ['photos']",
        "must offer DatasetSpec, not str",
    ),
    "another kind's spec": (
        SOUND.replace("register_datasets", "register_backbones"),
        "must offer BackboneSpec, not DatasetSpec",
    ),
    "another api": (
        SOUND.replace('photos")', 'photos", api=1)'),
        "written for api 1; this headstart offers api 2: BackboneSpec.input is",
    ),
    "a field of api 1": (
        SOUND.replace('photos")', 'photos", input="image/image")'),
        "unexpected keyword argument 'input'; written for api 1? BackboneSpec.input is takes",
    ),
    "a name of api 1": (
        "from headstart.specs import TargetFormOfApi1",
        "written for api 1? BackboneSpec.input is takes",
    ),
    "an input kind that reads nothing": (
        HEADER + KINDLESS.replace("READS", "()").replace("FLAGS", "{}"),
        "reads and produces must name something",
    ),
    "a flag that is a setting": (
        HEADER + KINDLESS.replace("READS", "('x',)").replace("FLAGS", "{'epochs': 'size'}"),
        "flags names 'epochs'; expected",
    ),
    "a flag for no option": (
        HEADER + KINDLESS.replace("READS", "('x',)").replace("FLAGS", "{'max-size': 'size'}"),
        "flag 'max-size' stands for 'size', not one of its options",
    ),
    "a foreign name": (SOUND.replace("PLUGIN/photos", "digits/digits"), "must be PLUGIN/"),
    "a bare name": (SOUND.replace("PLUGIN/photos", "photos"), "must be PLUGIN/"),
    "a name twice": (
        HEADER + "@hookimpl\ndef register_datasets():\n    return [spec('PLUGIN/a'), spec('PLUGIN/a')]",
        "offers 'PLUGIN/a' twice",
    ),
    "a wrong field": (
        SOUND.replace('photos")', 'photos", takes_path="no")'),
        "takes_path must be bool, not 'no'",
    ),
    "a make that is no target": (SOUND.replace('photos")', 'photos", make="make")'), "make must be 'module:function'"),
    "a path for what is made": (
        SOUND.replace('photos")', 'photos", takes_path=True, make="m:make")'),
        "takes_path and make exclude each other",
    ),
    "a build that is no target": (SOUND.replace('photos")', 'photos", build=print)'), "build must be"),
    "a subclass of a spec": (
        HEADER
        + "class Own(DatasetSpec):\n    @property\n    def short_name(self):\n        raise KeyError\n"
        + "@hookimpl\ndef register_datasets():\n    return [Own(**vars(spec('PLUGIN/a')))]",
        "must offer DatasetSpec, not Own",
    ),
    "preprocessing that JSON cannot hold": (
        BACKBONE.replace("preprocess={}", "preprocess={'scale': float('nan')}"),
        "preprocess must hold plain values",
    ),
    "a tiny variant that JSON cannot hold": (
        BACKBONE.replace("preprocess={}", "preprocess={}, tiny={'folder': Path('x')}"),
        "tiny must hold plain values",
    ),
    "weights in no package": (
        BACKBONE.replace("weights=()", "weights=(weights(PackageFile('', '1', 'file')),)"),
        "weights 'own': the origin names no distribution",
    ),
    "weights in a package of npm without its integrity": (
        BACKBONE.replace("weights=()", "weights=(weights(NpmFile('@a/b', '1', 'sha512-abc', 'file')),)"),
        "weights 'own': the origin has no integrity as npm publishes it",
    ),
    "weights that no target fetches": (
        BACKBONE.replace("weights=()", "weights=(weights(FetchedFile('nowhere', 'x', 'file')),)"),
        "weights 'own': fetch must be 'module:function'",
    ),
    "an option that only training reads, and that is none": (
        TASK.replace("GIVEN", "gradient_options=('blur',)"),
        "PLUGIN/guess: gradient_options names 'blur', not one of its options: dropout",
    ),
    "an option of a backbone that only training reads, and that is none": (
        BACKBONE.replace("weights=()", "weights=(), gradient_options=('blur',)"),
        "gradient_options names 'blur', not one of its options",
    ),
    "an option that asks for files, which no finished run can be asked for": (
        TASK.replace("GIVEN", "file_options=('dropout',)"),
        "PLUGIN/guess: file_options names dropout, not among its answer_options",
    ),
    "one name where a list of options is due": (
        TASK.replace("GIVEN", "gradient_options='dropout'"),
        "PLUGIN/guess: gradient_options",
    ),
    "options that are no dataclass": (
        SOUND.replace('photos")', 'photos", options=dict)'),
        "options must be a frozen dataclass",
    ),
    "options that are not frozen": (
        HEADER + "@dataclass\nclass O:\n    a: int = option(1, 'A.')\n"
        "@hookimpl\ndef register_datasets():\n    return [spec('PLUGIN/a', options=O)]",
        "must be a frozen dataclass",
    ),
    "an option without a default": (
        HEADER + "@dataclass(frozen=True)\nclass O:\n    a: int\n"
        "@hookimpl\ndef register_datasets():\n    return [spec('PLUGIN/a', options=O)]",
        "option 'a' has no default",
    ),
    "an option without a sentence": (
        HEADER + "@dataclass(frozen=True)\nclass O:\n    a: int = 1\n"
        "@hookimpl\ndef register_datasets():\n    return [spec('PLUGIN/a', options=O)]",
        "option 'a' has no sentence",
    ),
    "a default out of bounds": (
        HEADER + "@dataclass(frozen=True)\nclass O:\n    a: int = option(1, 'A.', low=2)\n"
        "@hookimpl\ndef register_datasets():\n    return [spec('PLUGIN/a', options=O)]",
        "the default of option 'a' must be at least 2",
    ),
    "an option of a strange type": (
        HEADER + "@dataclass(frozen=True)\nclass O:\n    a: dict = option(None, 'A.')\n"
        "@hookimpl\ndef register_datasets():\n    return [spec('PLUGIN/a', options=O)]",
        "which no recipe can hold",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_left_out_and_the_rest_works(kind, publish):
    source, message = BROKEN[kind]
    publish("broken", source)
    publish("smell", SOUND)
    registry = load_registry()
    assert message.replace("PLUGIN", "broken") in told("broken", registry).error
    loaded = [plugin.info.name for plugin in registry.loaded]
    assert "broken" not in loaded
    assert {"smell", "classification", "strategies"} <= set(loaded)
    assert told("broken", registry) in registry.causes


def test_a_name_taken_is_the_failure_of_the_later_plugin_and_never_of_a_built_in(publish):
    publish("strategies", SOUND, distribution="a-comes-first", module="takes_strategies")
    first, second = (info for info in load_registry().plugins if info.name == "strategies")
    assert (first.distribution, first.error) == ("headstart", None)
    assert "'strategies' is already taken by 'strategies' of headstart" in second.error


def test_two_names_for_one_module_are_a_failure_of_the_second(publish):
    publish("one", SOUND)
    publish("two", SOUND_OF_ONE, module="one", distribution="another")
    assert told("one").error is None
    assert "already taken by 'one'" in told("two").error


def test_what_a_plugin_prints_goes_to_stderr(publish, capfd):
    publish(
        "chatty",
        "print('hello from import')\n" + SOUND.replace("    return", "    print('hook')\n    return"),
    )
    assert told("chatty").error is None
    out, err = capfd.readouterr()
    assert out == ""
    assert "hello from import" in err
    assert "hook" in err


def test_looking_for_a_framework_without_importing_it_is_allowed(publish):
    publish("curious", "import importlib.util\nassert importlib.util.find_spec('numpy')\n" + SOUND)
    assert told("curious").error is None


def test_a_framework_that_is_already_loaded_is_no_failure(publish):
    import numpy  # noqa: F401

    publish("notebook", "import numpy\n" + SOUND)
    assert told("notebook").error is None


@pytest.fixture(autouse=True)
def without_numpy(monkeypatch, request):
    """Other tests of this process may have imported numpy; a plugin would then get it unasked."""
    if "already_loaded" not in request.node.name:
        for name in ("numpy", "keras", "torch", "jax"):
            monkeypatch.delitem(sys.modules, name, raising=False)


def test_keyboard_interrupt_is_the_users_and_passes(publish):
    publish("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_registry()
    assert not any("Framework" in type(finder).__name__ for finder in sys.meta_path)


def test_a_disabled_plugin_is_not_even_imported(publish):
    publish("never", "raise KeyboardInterrupt")
    info = told("never", load_registry(disable=["never"]))
    assert info.disabled
    assert info.error is None


def test_the_variable_disables_plugins_and_forgives_names_that_are_not_installed(publish, monkeypatch):
    publish("smell", SOUND)
    monkeypatch.setenv("HEADSTART_DISABLE_PLUGINS", "smell, not_here")
    assert told("smell").disabled


def test_an_allow_list_leaves_out_all_others_built_ins_too(publish, monkeypatch):
    publish("smell", SOUND)
    monkeypatch.setenv("HEADSTART_PLUGINS", "smell,strategies")
    assert [plugin.info.name for plugin in load_registry().loaded] == ["smell", "strategies"]
    assert [plugin.info.name for plugin in load_registry(allow=["smell"]).loaded] == ["smell"]


def test_the_name_of_a_plugin_leads_to_what_it_offers():
    with pytest.raises(UsageError, match="no backbone is named 'efficientnet_lite'") as caught:
        load_registry().resolve_backbone("efficientnet_lite")
    offered = "efficientnet_lite/lite0, efficientnet_lite/lite1, efficientnet_lite/lite2"
    assert caught.value.hint == f"the plugin efficientnet_lite offers {offered}"


def test_disabling_a_name_that_is_not_installed_suggests_the_right_one():
    with pytest.raises(UsageError) as caught:
        load_registry(disable=["strategy"])
    assert "no plugin is named 'strategy'" in caught.value.message
    assert "strategies" in caught.value.hint


def test_plugins_come_sorted_whatever_the_order_of_the_path(publish):
    publish("zz_last", SOUND)
    publish("aa_first", SOUND)
    names = [info.name for info in load_registry().plugins]
    assert names == sorted(names)
