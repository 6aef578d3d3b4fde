"""Plugins with a planted bug, published for one test; and what a contract says about them, method by method."""

import re
import sys
from unittest import SkipTest

from headstart.testing import write_distribution


class Garden:
    """Publishes plugins below a folder that is on the import path, and forgets their modules afterwards."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._before = set(sys.modules)

    def plant(self, source, *, plugin="planted", distribution=None, **modules):
        """Publish `source` as the plugin's module, and `modules` beside it."""
        folder = self.folder / (distribution or plugin)
        write_distribution(folder, plugin, source, distribution=distribution)
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
        self._monkeypatch.syspath_prepend(folder)

    def clear(self):
        for name in set(sys.modules) - self._before:
            if str(self.folder) in (getattr(sys.modules[name], "__file__", None) or ""):
                del sys.modules[name]


def changed(source, *edits):
    """`source` with each (old, new) edit made; an edit that finds nothing would plant nothing."""
    for old, new in edits:
        assert old in source, f"nothing to change: {old!r}"
        source = source.replace(old, new)
    return source


IMPORT_IT_ANEW = ("test_importing_its_plugin_loads_no_framework", "test_importing_its_plugin_prints_nothing")
"""Tests that start a process; what a spec says is nothing to them."""


def failures(contract, leaving=()):
    """{method: message} of every test of a contract that fails, but for those `leaving` out; whatever else it raises
    comes out."""
    found = {}
    try:
        for method in sorted(name for name in dir(contract) if name.startswith("test_") and name not in leaving):
            try:
                getattr(contract(), method)()
            except SkipTest:
                continue
            except AssertionError as exc:
                found[method] = str(exc)
    finally:
        contract.teardown_class()
    return found


def assert_fails_only(contract, expected, leaving=()):
    """Exactly the tests named in `expected` fail, each with a message in which its pattern is found."""
    found = failures(contract, leaving)
    for method, message in found.items():
        assert message.startswith(f"{contract.name}: "), message
        assert method in expected, f"{method} fails too: {message}"
    for method, pattern in expected.items():
        assert method in found, f"{method} does not fail"
        assert re.search(pattern, found[method]), found[method]


def named(level, name="planted/it", **attributes):
    """A class of a contract for one offer."""
    return type("TestPlanted", (level,), {"name": name, **attributes})
