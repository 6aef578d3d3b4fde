"""Does a build target `module:function` exist? Told from the source, without importing it: that could load keras."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec

from headstart.suggest import suggestion


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
