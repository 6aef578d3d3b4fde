"""Level A of every contract: what can be told without a backend and without importing a build target."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, cast

from headstart.host.discovery import GROUP, find_plugins
from headstart.host.guard import FORBIDDEN, PluginFailure, describe
from headstart.host.verification import KINDS, verify_spec
from headstart.registry import verify_hooks
from headstart.suggest import suggestion
from headstart.testing.contract import Contract
from headstart.testing.fresh_process import Told, run_fresh
from headstart.testing.input_kinds import input_of


def declare(request: Mapping[str, str]) -> dict[str, Any]:
    """In a fresh process: import a plugin's module and call its `register_*` hooks, or, with `target`, import the
    module of that build target alone.

    {"loaded": {framework: the line that imports it}, "error": what the plugin raised, or None}.
    """
    watcher = _Watcher()
    sys.meta_path.insert(0, watcher)
    error = None
    try:
        if "target" in request:
            importlib.import_module(request["target"].partition(":")[0])
        else:
            _declare(EntryPoint(request["plugin"], request["value"], GROUP), request["plugin"])
    except BaseException as exc:  # SystemExit too: it is the plugin's
        error = describe(exc)
    return {"loaded": watcher.seen, "error": error}


def _declare(point: EntryPoint, plugin: str) -> None:
    hooks = verify_hooks(point.load(), plugin)
    for kind in KINDS:
        if hook := hooks.get(f"register_{kind}"):
            tuple(cast("Iterable[object]", hook.function()))


class _Watcher:
    """Finds nothing itself; notes the first line of code that asks for each framework."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name in FORBIDDEN and name not in self.seen:
            self.seen[name] = _importing_line(sys._getframe(1))


def _importing_line(frame: FrameType | None) -> str:
    """File and line of the innermost frame that is no part of the import system."""
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename)}, line {frame.f_lineno}" if frame else "an unknown line"


def target_problem(target: str) -> str | None:
    """Why `target` leads nowhere; None where it leads somewhere, or where only importing it could tell."""
    module, _, path = target.partition(":")
    try:
        source = _source(_found(module))
        bound = set(_bound(ast.parse(source or "")))
    except ImportError as exc:
        return exc.msg
    except SyntaxError as exc:
        return f"the module {module} is not valid Python: line {exc.lineno}: {exc.msg}"
    first = path.partition(".")[0]
    if source is None or bound & {first, "__getattr__", "*"}:  # compiled: nothing to read
        return None
    near = suggestion(first, sorted(bound))
    return f"the module {module} has no {first!r}" + (f"; {near}" if near else "")


def _found(name: str) -> ModuleSpec:
    """The spec of a dotted module. Packages above it are located as an import would, and not imported: importlib's own
    find_spec would import them. Raises ImportError with the reason where there is none."""
    above = name.rpartition(".")[0]
    places = _found(above).submodule_search_locations if above else None
    if above and places is None:
        raise ImportError(f"{above} is a module, not a package, so there is no {name}")
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        found: ModuleSpec | None = find(name, places, None) if find is not None else None
        if found is not None:
            return found
    raise ImportError(f"there is no module {name}")


def _source(spec: ModuleSpec) -> str | None:
    get_source = getattr(spec.loader, "get_source", None)
    try:
        found: str | None = get_source(spec.name) if get_source is not None else None
    except (ImportError, OSError):
        return None
    return found


OWN_SCOPES = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a module's statements bind when they run."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name
        elif isinstance(child, ast.alias):
            yield child.asname or child.name.partition(".")[0]
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif not isinstance(child, OWN_SCOPES) and not (isinstance(child, ast.AnnAssign) and child.value is None):
            yield from _bound(child)


PLACEHOLDERS = ("todo", "tbd", "fixme", "?", "none", "n/a")


class Declared(Contract):
    """The plugin is found, loads at once, and declares the offer as the contract of plugins says."""

    def test_its_plugin_is_published_exactly_once(self) -> None:
        """One distribution publishes the plugin's name in the group `headstart`."""
        self._published()
        found = [plugin for plugin in find_plugins() if plugin.name == self.plugin]
        origins = " and ".join(f"{plugin.distribution} {plugin.version} ({plugin.module})" for plugin in found)
        self._require(
            len(found) == 1,
            f"the name {self.plugin!r} is published {len(found)} times: by {origins}",
            "Give your plugin another name, or uninstall what else claims it: only the first one is used.",
        )

    def test_its_plugin_loads_and_offers_it(self) -> None:
        """Hooks are known and take the right arguments; the spec is frozen, well named, and its options explained."""
        try:
            verify_spec(self.spec, self._kind, self.plugin)
        except PluginFailure as exc:
            self._fail(str(exc), "Correct the spec that your plugin gives.")

    def test_importing_its_plugin_loads_no_framework(self) -> None:
        """keras, jax, torch, tensorflow and numpy stay unloaded, so that every command starts at once."""
        told = self._imported()
        lines = "; ".join(f"{name} by {line}" for name, line in told.reply["loaded"].items())
        self._require(
            not told.reply["loaded"],
            f"declaring its offers imports {lines}",
            "Import it in the module of the build target, or inside the function that needs it.",
        )

    def test_importing_its_plugin_prints_nothing(self) -> None:
        """stdout is data: `headstart ... --json` prints one document there."""
        printed = self._imported().stdout.strip()
        self._require(
            not printed,
            f"importing the plugin prints to stdout: {printed[:200]!r}",
            "Remove the print, or use the module logging.",
        )

    def test_its_targets_exist(self) -> None:
        """Each `module:function` that the spec names is there, as its source says; nothing is imported."""
        for field, target in self._targets():
            where = f"{field} is {target!r}, but "
            self._require_sound(where, target_problem(target), "Correct the target or the module.")

    def _targets(self) -> Iterator[tuple[str, str]]:
        """Every target of the spec with the field it stands in."""
        yield "build", self.spec.build

    def _imported(self) -> Told:
        told = _import_fresh(self.plugin, self._published().module, tuple(sys.path))
        self._require(
            told.reply is not None,
            f"importing the plugin ends the process: {told.error}",
            "It may only declare its offers.",
        )
        error = told.reply["error"]
        # What a framework raises on its way (keras without a backend) is told by the test that looks for frameworks.
        self._require(
            error is None or told.reply["loaded"],
            f"importing the plugin in a fresh process fails: {error}",
            "It must not depend on what else was imported before.",
        )
        return told

    def _require_licence(self, licence: str, owner: str) -> None:
        self._require(
            licence.strip() and licence.strip().lower() not in PLACEHOLDERS,
            f"the licence of {owner} is {licence!r}",
            "Name the licence that its publisher states, such as Apache-2.0 or CC BY 4.0.",
        )

    def _input_spec(self) -> Any:
        """An input kind that the offer fits."""
        with self._explaining("", "Name what an installed input kind reads or makes: `headstart inputs`."):
            return input_of(self.registry, self.spec)


@lru_cache(maxsize=8)
def _import_fresh(plugin: str, value: str, path: tuple[str, ...]) -> Told:
    """One process a plugin, however many offers it has; `path` is there because what is found depends on it."""
    return run_fresh(declare, {"plugin": plugin, "value": value})
