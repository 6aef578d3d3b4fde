"""How large the product is, and how its modules import one another: files, lines, statements, functions, circles.

    python tests/benchmarks/structure.py [CHECKOUT]

Counts the three source roots of a checkout (default: this one). A private function that is called once is one whose
name begins with an underscore and stands in one place beside its definition. Circles are the strongly connected
components of the import graph; imports inside functions count, those for type checkers alone are told apart.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOTS = {"core": "headstart", "cli": "headstart_cli", "plugins": "headstart_plugins"}
Graph = dict[str, set[str]]


def main() -> int:
    """Print one table."""
    checkout = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    trees = {root: parsed(checkout / root / package) for root, package in ROOTS.items()}
    print("| root | files | lines | statements | functions | private, called once |")
    print("|------|------:|------:|-----------:|----------:|---------------------:|")
    for root, files in [
        *trees.items(),
        ("all", {path: each for found in trees.values() for path, each in found.items()}),
    ]:
        print(f"| {root} | {' | '.join(str(number) for number in counts(files))} |")
    everything = {path: tree for found in trees.values() for path, (_, tree) in found.items()}
    for label, typing in (("at run time", False), ("with those for type checkers", True)):
        found = circles(imports(checkout, everything, typing=typing))
        print(f"\ncircles of imports, {label}: {len(found)}")
        for circle in found:
            print(f"  {len(circle)} files: {', '.join(sorted(circle))}")
    return 0


def parsed(folder: Path) -> dict[Path, tuple[str, ast.Module]]:
    """Each Python file below `folder` with its text and tree."""
    texts = {path: path.read_text("utf-8") for path in sorted(folder.rglob("*.py"))}
    return {path: (text, ast.parse(text)) for path, text in texts.items()}


def counts(files: dict[Path, tuple[str, ast.Module]]) -> tuple[int, int, int, int, int]:
    """Files, lines, statements (docstrings left out), functions, and private functions that are called once."""
    nodes = [node for _, tree in files.values() for node in ast.walk(tree)]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    names = Counter(node.id for node in nodes if isinstance(node, ast.Name))
    names += Counter(node.attr for node in nodes if isinstance(node, ast.Attribute))
    private = [each.name for each in functions if each.name.startswith("_") and not each.name.startswith("__")]
    statements = sum(isinstance(node, ast.stmt) and not is_docstring(node) for node in nodes)
    lines = sum(text.count("\n") for text, _ in files.values())
    return len(files), lines, statements, len(functions), sum(names[name] == 1 for name in private)


def is_docstring(node: ast.stmt) -> bool:
    """A string that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def imports(checkout: Path, trees: dict[Path, ast.Module], *, typing: bool) -> Graph:
    """Module -> the modules of ours that it imports."""
    modules = {name_of(checkout, path): tree for path, tree in trees.items()}
    return {
        name: {found for found in imported(tree, typing=typing, known=modules)} - {name}
        for name, tree in modules.items()
    }


def name_of(checkout: Path, path: Path) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(checkout).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.Module, *, typing: bool, known: dict[str, ast.Module]) -> Iterator[str]:
    """What a file imports of `known`, each name as the deepest module that it means."""
    skipped = (
        set()
        if typing
        else {id(node) for block in ast.walk(tree) if is_for_checkers(block) for node in ast.walk(block)}
    )
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in known or node.module in known:
                    yield full if full in known else node.module


def is_for_checkers(node: ast.AST) -> bool:
    """`if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def circles(graph: Graph) -> list[set[str]]:
    """Strongly connected components of more than one module (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in graph[name]:
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            component = set(stack[stack.index(name) :])
            del stack[stack.index(name) :]
            found.extend([component] if len(component) > 1 else [])

    sys.setrecursionlimit(10_000)
    for name in graph:
        if name not in order:
            visit(name)
    return found


if __name__ == "__main__":
    sys.exit(main())
