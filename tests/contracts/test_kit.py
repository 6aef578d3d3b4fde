"""The kit itself: it costs nothing to import, and needs no test runner of its own."""

import subprocess
import sys
import unittest

import pytest

import headstart.testing
from headstart.testing import DatasetDeclared
from headstart.testing.declared import target_problem

from .planting import failures

IMPORTING = """
import sys
from headstart.testing import *
print(*[name for name in ("numpy", "keras", "jax", "torch", "tensorflow", "pytest") if name in sys.modules])
"""


def test_importing_every_contract_loads_no_framework_no_numpy_and_no_pytest():
    done = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_public_name_is_there():
    for name in headstart.testing.__all__:
        assert getattr(headstart.testing, name).__doc__, name
    assert set(headstart.testing.__all__) <= set(dir(headstart.testing))
    with pytest.raises(AttributeError, match="has no attribute 'ExporterContract'"):
        _ = headstart.testing.ExporterContract


def test_a_contract_runs_under_unittest_as_well():
    class TestDigits(DatasetDeclared, unittest.TestCase):
        name = "digits/digits"

    class TestForgotten(DatasetDeclared, unittest.TestCase):
        name = "digits/forgotten"

    loader = unittest.defaultTestLoader
    sound, wrong = unittest.TestResult(), unittest.TestResult()
    loader.loadTestsFromTestCase(TestDigits).run(sound)
    loader.loadTestsFromTestCase(TestForgotten).run(wrong)
    assert sound.testsRun >= 6
    assert sound.wasSuccessful()
    assert len(wrong.failures) >= 3
    assert wrong.errors == []


def test_a_subclass_starts_with_nothing_kept_from_its_base():
    class Digits(DatasetDeclared):
        name = "digits/digits"

    class Other(Digits):
        name = "fashion_mnist/fashion_mnist"

    assert failures(Digits) == {}
    assert Digits().spec.name == "digits/digits"
    assert Other().spec.name == "fashion_mnist/fashion_mnist"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def build(): pass", ["build"]),
        ("async def build(): pass", ["build"]),
        ("class Build:\n    make = 1", ["Build", "Build.make"]),
        ("build = make = print", ["build", "make"]),
        ("one, (two, *three) = print, (print, print)", ["one", "two", "three"]),
        ("build: object = print", ["build"]),
        ("from os import path as build, sep\nimport os.path", ["build", "sep", "os"]),
        ("try:\n    import nothing\nexcept ImportError:\n    build = print\nfinally:\n    end = 1", ["build", "end"]),
        ("if 1:\n    pass\nelse:\n    build = print", ["build"]),
        ("with open('x') as f:\n    build = f", ["build"]),
        ("def __getattr__(name): return print", ["anything"]),
        ("from os import *", ["anything"]),
    ],
)
def test_what_a_module_binds_is_read_from_its_source(garden, source, names):
    garden.plant("", plugin="bound", bound_build=source + "\nraise SystemExit('this is never run')\n")
    assert [target_problem(f"bound_build:{name}") for name in names] == [None] * len(names)


@pytest.mark.parametrize("source", ["build: object", "def other():\n    build = 1", "class Other:\n    build = 1"])
def test_what_a_module_does_not_bind_is_not_there(garden, source):
    garden.plant("", plugin="bound", bound_build=source)
    assert "has no 'build'" in target_problem("bound_build:build")


def test_a_target_below_a_package_is_found_without_running_the_package(garden):
    package = garden.folder / "bound" / "bound_package"
    garden.plant("", plugin="bound")
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('this is never run')")
    (package / "_build.py").write_text("def build(): pass")
    assert target_problem("bound_package._build:build") is None
    assert "there is no module bound_package._load" in target_problem("bound_package._load:load")


def test_a_compiled_module_is_taken_at_its_word():
    assert target_problem("math:no_such_function") is None
