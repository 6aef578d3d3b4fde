"""Level A of every contract: what can be told without a backend and without importing a build target."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec
from typing import Any

from headstart.errors import HeadstartError
from headstart.host.discovery import find_plugins
from headstart.host.guard import PluginFailure
from headstart.host.verification import verify_spec
from headstart.suggest import suggestion
from headstart.testing.contract import PUBLISH, Contract
from headstart.testing.fresh_process import Told, run_fresh
from headstart.testing.input_kinds import input_of


def target_problem(target: str) -> str | None:
    """Why `target` leads nowhere; None where it leads somewhere, or where only importing it could tell."""
    module, _, path = target.partition(":")
    spec = find_module(module)
    if isinstance(spec, str):
        return spec
    source = _source(spec)
    if source is None:
        return None  # compiled: nothing to read
    try:
        tree = ast.parse(source)
    except SyntaxError as exc:
        return f"the module {module} is not valid Python: line {exc.lineno}: {exc.msg}"
    names = set(_bound(tree.body))
    first = path.partition(".")[0]
    if names & {first, "__getattr__", "*"}:
        return None
    near = suggestion(first, sorted(names))
    return f"the module {module} has no {first!r}" + (f"; {near}" if near else "")


def find_module(name: str) -> ModuleSpec | str:
    """The spec of a dotted module, or why there is none. Packages above it are located and not imported."""
    places: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        part = ".".join(parts[:depth])
        spec = _located(part, places)
        if spec is None:
            return f"there is no module {part}"
        places = spec.submodule_search_locations
        if places is None and depth < len(parts):
            return f"{part} is a module, not a package, so there is no {name}"
    return spec if spec is not None else f"there is no module {name!r}"


def _located(name: str, places: Sequence[str] | None) -> ModuleSpec | None:
    """Ask the finders as an import would; importlib's own find_spec would import the packages above."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        found: ModuleSpec | None = find(name, places, None) if find is not None else None
        if found is not None:
            return found
    return None


def _source(spec: ModuleSpec) -> str | None:
    get_source = getattr(spec.loader, "get_source", None)
    try:
        found: str | None = get_source(spec.name) if get_source is not None else None
    except (ImportError, OSError):
        return None
    return found


def _bound(statements: Sequence[ast.stmt]) -> Iterator[str]:
    """The names that a module's statements bind when they run."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
        else:
            yield from _assigned(statement)
            for field in ("body", "orelse", "finalbody"):
                yield from _bound(getattr(statement, field, []))
            for handler in getattr(statement, "handlers", []):
                yield from _bound(handler.body)


def _assigned(statement: ast.stmt) -> Iterator[str]:
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    for target in targets:
        yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


PLACEHOLDERS = ("todo", "tbd", "fixme", "?", "none", "n/a")


class Declared(Contract):
    """The plugin is found, loads at once, and declares the offer as the contract of plugins says."""

    def test_its_plugin_is_published_exactly_once(self) -> None:
        """One distribution publishes the plugin's name in the group `headstart`."""
        found = [plugin for plugin in find_plugins() if plugin.name == self.plugin]
        self._require(
            found,
            f"no installed distribution publishes the plugin {self.plugin!r}",
            f"Write {PUBLISH.format(plugin=self.plugin)} into pyproject.toml, and install it: pip install -e .",
        )
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
            problem = target_problem(target)
            self._require(problem is None, f"{field} is {target!r}, but {problem}", "Correct the target or the module.")

    def _targets(self) -> Iterator[tuple[str, str]]:
        """Every target of the spec with the field it stands in."""
        yield "build", self.spec.build

    def _imported(self) -> Told:
        told = _import_fresh(self.plugin, self._published().module, tuple(sys.path))
        if told.reply is None:
            self._fail(f"importing the plugin ends the process: {told.error}", "It may only declare its offers.")
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
        try:
            return input_of(self.registry, self.spec)
        except HeadstartError as exc:
            hint = f" ({exc.hint})" if exc.hint else ""
            self._fail(f"{exc}{hint}", "Name what an installed input kind reads or makes: `headstart inputs`.")


@lru_cache(maxsize=8)
def _import_fresh(plugin: str, value: str, path: tuple[str, ...]) -> Told:
    """One process a plugin, however many offers it has; `path` is there because what is found depends on it."""
    return run_fresh("headstart.testing.importing", {"plugin": plugin, "value": value})
