"""What all contracts share: the offer they are about, and failures that say what its author should change."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import chdir, contextmanager
from functools import lru_cache, wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, Self, TypeVar, cast
from unittest import SkipTest

from headstart.backend import activate, choose_backend
from headstart.errors import HeadstartError, PluginError, UsageError
from headstart.host.discovery import PluginInfo
from headstart.host.guard import describe
from headstart.host.registry import singular
from headstart.options import parse_options
from headstart.registry import ALLOW_VARIABLE, DISABLE_VARIABLE, Registry, load_registry

T = TypeVar("T")
C = TypeVar("C", bound="Contract")
MOST_LISTED = 6
"""Of what is odd, in one message."""


class ContractFailure(AssertionError):
    """What a contract found wrong, in words for the author of the offer."""


def shared(make: Callable[[C], T]) -> Callable[[C], T]:
    """Give or raise what `make` did for the first test of a class to all of its tests."""

    @wraps(make)
    def kept(contract: C) -> T:
        known, key = type(contract)._kept, make.__name__
        if key not in known:
            try:
                known[key] = make(contract)
            except (AssertionError, SkipTest) as exc:
                known[key] = exc
        found = known[key]
        if isinstance(found, BaseException):
            raise found.with_traceback(None)
        return cast("T", found)

    return kept


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
        if (folder := cls._kept.get("_temporary")) is not None:
            folder.cleanup()
        cls._kept.clear()

    def _named(self) -> dict[str, Any]:
        """What `_again` takes: attributes of plain values."""
        return {"name": self.name, "options": dict(self.options)}

    @classmethod
    def _again(cls, named: Mapping[str, Any]) -> Self:
        """A contract about the same offer in another process."""
        made: type[Self] = type(cls.__name__, (cls,), dict(named))
        return made()

    @property
    def registry(self) -> Registry:
        """Every offer that is installed."""
        return _registry(tuple(sys.path), os.environ.get(DISABLE_VARIABLE), os.environ.get(ALLOW_VARIABLE))

    @property
    @shared
    def spec(self) -> Any:
        """The spec of the offer. Fails where its plugin is absent or broken, or does not offer it."""
        self._require_loaded()
        offered = {spec.name: spec for spec in self.registry.specs(self._kind) if spec.plugin == self.plugin}
        known = ", ".join(offered) or "none"
        self._require(
            self.name in offered,
            f"the plugin {self.plugin!r} offers no {singular(self._kind)} of this name; it offers {known}",
            f"Return it from register_{self._kind}, or correct `name` in {self._title}.",
        )
        return offered[self.name]

    @property
    def plugin(self) -> str:
        """The plugin's part of the name."""
        plugin, slash, short = self.name.partition("/")
        self._require(
            plugin and slash and short,
            f"the class {self._title} has name = {self.name!r}",
            'Set name = "plugin/offer".',
        )
        return plugin

    @property
    def _title(self) -> str:
        return type(self).__name__

    @shared
    def _temporary(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="headstart-")

    def _place(self) -> Path:
        """A folder that is there as long as the tests of this class run."""
        return Path(self._temporary().name).resolve()

    def _published(self) -> PluginInfo:
        """What is told about the plugin: of the one that loaded, where several claim the name."""
        infos = [info for info in self.registry.plugins if info.name == self.plugin]
        self._require(
            infos,
            f"no installed distribution publishes the plugin {self.plugin!r}",
            f'Write [project.entry-points.headstart] with the line `{self.plugin} = "your_module"` into '
            "pyproject.toml, and install it: pip install -e .",
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
        listed = "; ".join(map(str, problems))
        self._require(not problems, f"its options do not accept {dict(chosen)}: {listed}", "Correct these values.")
        return options

    def _load(self, target: str) -> Callable[..., Any]:
        """Import a target of the offer, once what it needs is known to be here."""
        self._skip_without_requirements()
        try:
            return self.registry.load_target(self.spec, target)
        except Exception as exc:  # the target's module may raise anything
            self._fail(f"the target {target!r} cannot be imported: {exc}", "Correct the module, or name another one.")

    def _made(self, request: Any, what: str = "building it", change: str = "Correct the build target.") -> Any:
        """What the build target gives for `request`."""
        build = self._load(self.spec.build)
        with self._raising(what, change):
            return build(request)

    def _backend(self) -> str:
        """The backend of this process, activated: KERAS_BACKEND, or the first installed one. Skips without any."""
        try:
            choice = choose_backend(None)
        except UsageError as exc:
            raise SkipTest(f"{exc}: {exc.hint}") from exc
        activate(choice)
        return choice.name

    def _skip_without_requirements(self) -> None:
        for module in self.requires:
            self._skip_where(
                importlib.util.find_spec(module.partition(".")[0]) is None,
                f"{self.name} needs {module}, which is not installed",
            )

    @contextmanager
    def _raising(self, what: str, change: str) -> Iterator[None]:
        """Fail where the author's code inside raises, for `what` it was to do."""
        __tracebackhide__ = True
        try:
            yield
        except (ContractFailure, SkipTest):
            raise
        except Exception as exc:
            self._fail(f"{what} raises {told(exc)}", change)

    @contextmanager
    def _explaining(self, where: str, change: str) -> Iterator[None]:
        """Fail where headstart refuses what is inside, with its reason and hint; `where` stands before them."""
        __tracebackhide__ = True
        try:
            yield
        except HeadstartError as exc:
            self._fail(f"{where}{exc}" + (f" ({exc.hint})" if exc.hint else ""), change)

    @contextmanager
    def _refused(self, what: str, change: str, *, by: type[HeadstartError], naming: str) -> Iterator[None]:
        """Fail unless what is inside raises `by` with `naming` in its message; where it raises nothing, it is to fail
        itself, with what came instead."""
        __tracebackhide__ = True
        with self._raising(what, change):
            try:
                yield
            except by as exc:
                self._require(naming in str(exc), f"refusing {what}, it says only {str(exc)!r}", change)

    def _require_sound(self, where: str, problem: str | None, change: str) -> None:
        """Fail where there is a `problem`; `where` it is, stands before it."""
        __tracebackhide__ = True
        if problem is not None:
            self._fail(where + problem, change)

    def _require_none(self, odd: Iterable[object], found: str, change: str) -> None:
        """Fail where anything is `odd`; it is listed in `found` in the place of {odd}."""
        __tracebackhide__ = True
        listed = [str(each) for each in odd]
        if listed:
            self._fail(found.replace("{odd}", ", ".join(listed[:MOST_LISTED])), change)

    def _require(self, condition: object, found: str, change: str) -> None:
        __tracebackhide__ = True
        if not condition:
            self._fail(found, change)

    def _skip_where(self, condition: object, reason: str) -> None:
        """Skip the test where `condition` holds."""
        if condition:
            raise SkipTest(reason)

    def _fail(self, found: str, change: str) -> NoReturn:
        """Fail with what was found, and what the author should change."""
        __tracebackhide__ = True
        raise ContractFailure(f"{self.name or self._title}: {found}. {change}")


@contextmanager
def own_place() -> Iterator[Path]:
    """Work in an empty temporary folder while open, and give it."""
    with tempfile.TemporaryDirectory(prefix="headstart-") as folder, chdir(folder):
        yield Path(folder).resolve()


def told(exc: BaseException) -> str:
    """What the author's code raised, in one line; the host wraps it in an error that names the plugin."""
    wrapped = isinstance(exc, PluginError) and exc.__cause__ is not None
    return describe(exc.__cause__ if wrapped and exc.__cause__ is not None else exc)


@lru_cache(maxsize=4)
def _registry(path: tuple[str, ...], disabled: str | None, allowed: str | None) -> Registry:
    """What is installed is a matter of the path and two variables."""
    return load_registry()
