"""What all contracts share: the offer they are about, and failures that say what its author should change."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, TypeVar, cast
from unittest import SkipTest

from headstart.errors import PluginError
from headstart.host.discovery import PluginInfo
from headstart.host.guard import describe
from headstart.host.offers import singular
from headstart.options import parse_options
from headstart.registry import ALLOW_VARIABLE, DISABLE_VARIABLE, Registry, load_registry

T = TypeVar("T")
C = TypeVar("C", bound="Contract")
PUBLISH = '[project.entry-points.headstart] with the line `{plugin} = "your_module"`'


class Contract:
    """Base of all contracts. A subclass names its offer; each `test_*` method takes no argument.

    `name` is the full name, `plugin/offer`; `options` are values of its option table other than the defaults;
    `requires` are modules that it needs, without which the tests that run it are skipped.
    """

    name: str = ""
    options: Mapping[str, Any] = MappingProxyType({})
    requires: tuple[str, ...] = ()

    _kind: ClassVar[str]
    _kept: ClassVar[dict[str, Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._kept = {}

    @classmethod
    def teardown_class(cls) -> None:
        """Let go of what the tests of this class shared, files too; pytest calls it after the last one."""
        if isinstance(place := cls._kept.get("place"), tempfile.TemporaryDirectory):
            place.cleanup()
        cls._kept.clear()

    @property
    def registry(self) -> Registry:
        """Every offer that is installed."""
        return _registry(tuple(sys.path), os.environ.get(DISABLE_VARIABLE), os.environ.get(ALLOW_VARIABLE))

    @property
    def spec(self) -> Any:
        """The spec of the offer. Fails where its plugin is absent or broken, or does not offer it."""
        return self._once("spec", self._find_spec)

    @property
    def plugin(self) -> str:
        """The plugin's part of the name."""
        plugin, slash, short = self.name.partition("/")
        if not (plugin and slash and short):
            self._fail(f"the class {type(self).__name__} has name = {self.name!r}", 'Set name = "plugin/offer".')
        return plugin

    def _place(self) -> Path:
        """A folder that is there as long as the tests of this class run."""
        return Path(self._once("place", lambda: tempfile.TemporaryDirectory(prefix="headstart-")).name).resolve()

    def _find_spec(self) -> Any:
        self._require_loaded()
        offered = {spec.name: spec for spec in self.registry.specs(self._kind) if spec.plugin == self.plugin}
        known = ", ".join(offered) or "none"
        self._require(
            self.name in offered,
            f"the plugin {self.plugin!r} offers no {singular(self._kind)} of this name; it offers {known}",
            f"Return it from register_{self._kind}, or correct `name` in {type(self).__name__}.",
        )
        return offered[self.name]

    def _published(self) -> PluginInfo:
        """What is told about the plugin: of the one that loaded, where several claim the name."""
        infos = [info for info in self.registry.plugins if info.name == self.plugin]
        self._require(
            infos,
            f"no installed distribution publishes the plugin {self.plugin!r}",
            f"Write {PUBLISH.format(plugin=self.plugin)} into pyproject.toml, and install it: pip install -e .",
        )
        return min(infos, key=lambda info: info.error is not None)

    def _require_loaded(self) -> None:
        info = self._published()
        self._require(
            not info.disabled, "its plugin is disabled here", f"Unset {DISABLE_VARIABLE} and {ALLOW_VARIABLE}."
        )
        self._require(
            info.error is None,
            f"{info.origin} was left out: {info.error}",
            "Correct that in the module that the entry point names; users see this line in `headstart plugins`.",
        )

    def _chosen_options(self, values: Mapping[str, Any] | None = None) -> Any:
        """The offer's options from `values`, or else those of the class."""
        chosen = self.options if values is None else values
        options, problems = parse_options(self.spec.options, dict(chosen), "options")
        if problems:
            listed = "; ".join(str(problem) for problem in problems)
            self._fail(f"its options do not accept {dict(chosen)}: {listed}", "Correct these values.")
        return options

    def _load(self, target: str) -> Callable[..., Any]:
        """Import a target of the offer, once what it needs is known to be here."""
        self._skip_without_requirements()
        try:
            return self.registry.load_target(self.spec, target)
        except Exception as exc:  # the target's module may raise anything
            self._fail(f"the target {target!r} cannot be imported: {exc}", "Correct the module, or name another one.")

    def _skip_without_requirements(self) -> None:
        for module in self.requires:
            if importlib.util.find_spec(module.partition(".")[0]) is None:
                raise SkipTest(f"{self.name} needs {module}, which is not installed")

    def _once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` gives or raises, kept for all tests of this class."""
        kept = type(self)._kept
        if key not in kept:
            try:
                kept[key] = make()
            except (AssertionError, SkipTest) as exc:
                kept[key] = exc
        found = kept[key]
        if isinstance(found, BaseException):
            raise found.with_traceback(None)
        return cast("T", found)

    def _require(self, condition: object, found: str, change: str) -> None:
        __tracebackhide__ = True
        if not condition:
            self._fail(found, change)

    def _fail(self, found: str, change: str) -> NoReturn:
        """Fail with what was found, and what the author should change."""
        __tracebackhide__ = True
        raise AssertionError(f"{self.name or type(self).__name__}: {found}. {change}")


def shared(make: Callable[[C], T]) -> Callable[[C], T]:
    """Give or raise what `make` did for the first test of a class to all of its tests."""

    @wraps(make)
    def kept(contract: C) -> T:
        return contract._once(make.__name__, lambda: make(contract))

    return kept


def told(exc: BaseException) -> str:
    """What the author's code raised, in one line; the host wraps it in an error that names the plugin."""
    wrapped = isinstance(exc, PluginError) and exc.__cause__ is not None
    return describe(exc.__cause__ if wrapped and exc.__cause__ is not None else exc)


@lru_cache(maxsize=4)
def _registry(path: tuple[str, ...], disabled: str | None, allowed: str | None) -> Registry:
    """What is installed is a matter of the path and two variables."""
    return load_registry()
