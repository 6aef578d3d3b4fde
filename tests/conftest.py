"""One backend a process: tests marked `backend` run where KERAS_BACKEND is jax or torch, others where it is unset."""

import gc
import os
import re
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import pytest

BACKEND = os.environ.get("KERAS_BACKEND")
MARK = "pytest.mark.backend"
WHOLE_FILE = re.compile(r"^pytestmark = \[?pytest\.mark\.backend", re.M)
ALL_SLOW = re.compile(r"^pytestmark = .*pytest\.mark\.slow\b(?!_)", re.M)
ALL_SLOW_ON_JAX = re.compile(r"^SLOW_ON_JAX = True", re.M)


def pytest_configure(config):
    from headstart.host.telemetry import without_telemetry

    without_telemetry()  # tests import engines themselves, too
    _keep_what_older_code_computed_out()
    _have_the_threads_that_commands_have()
    _hear_signals_as_in_a_terminal()
    if BACKEND not in (None, "jax", "torch"):
        pytest.exit(f"KERAS_BACKEND={BACKEND!r}: these tests run on jax or torch, or without it", returncode=4)


def _keep_what_older_code_computed_out():
    """Each run of the tests has a cache of its own; compiled programs are shared, for their code is their key."""
    from headstart.backend import cache_folder

    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")  # as commands have it; networks are small
    if "HEADSTART_TEST_CACHE" not in os.environ:
        os.environ["HEADSTART_TEST_CACHE"] = os.environ["HEADSTART_CACHE"] = tempfile.mkdtemp(prefix="headstart-cache-")


def _have_the_threads_that_commands_have():
    """XLA asks once, at whatever it computes first; a run in this process and one in its own have the same bits only
    with the same number of threads."""
    from headstart.threads import available_threads

    os.environ.setdefault("NPROC", str(available_threads()))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # tests may import torch before headstart does


def _hear_signals_as_in_a_terminal():
    """A shell's background jobs ignore SIGINT, and so would everything that tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _tell_a_stray_one)  # or it would end a worker without a word


def _tell_a_stray_one(number, frame):
    traceback.print_stack(frame, file=sys.__stderr__)
    print("SIGTERM came where no test expects one, see the stack above", file=sys.__stderr__, flush=True)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """What pytest-xdist does not say of a worker that dies: its exit code, below 0 the number of a signal."""
    if error:
        print(f"{node.gateway.id}: exit code {node.gateway._io.popen.wait()}", file=sys.__stderr__, flush=True)


def pytest_ignore_collect(collection_path, config):
    """Files of which no test would run are not even imported: that takes as long as many of the tests. And a whole file
    of backend tests may import keras at its top, which only a process with a backend can."""
    if collection_path.suffix != ".py":
        return None
    text = collection_path.read_text("utf-8")
    if (BACKEND is None and WHOLE_FILE.search(text)) or (BACKEND is not None and MARK not in text):
        return True
    if config.option.markexpr == "not slow":
        return bool(ALL_SLOW.search(text) or (BACKEND == "jax" and ALL_SLOW_ON_JAX.search(text))) or None
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported and collected stays: no search for garbage has to look through it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before what -m leaves out
def pytest_collection_modifyitems(config, items):
    """Files with SLOW_ON_JAX, and tests marked `slow_on_jax`, make whole runs, of which JAX compiles each anew: its
    quick run leaves them to PyTorch's, and `make test-all` has them on both."""
    for item in items:
        compiles_much = getattr(item.module, "SLOW_ON_JAX", False) or item.get_closest_marker("slow_on_jax")
        if BACKEND == "jax" and compiles_much:
            item.add_marker(pytest.mark.slow)
    wanted, left_out = [], []
    for item in items:
        (wanted if (item.get_closest_marker("backend") is None) == (BACKEND is None) else left_out).append(item)
    if not wanted:
        needed = "set KERAS_BACKEND=jax or torch" if BACKEND is None else "unset KERAS_BACKEND"
        pytest.exit(f"none of the chosen tests runs in this process: {needed}", returncode=4)
    unseen = {item.path for item in left_out if BACKEND is None and MARK not in item.path.read_text("utf-8")}
    if unseen:
        pytest.exit(
            f"no process would run what is marked in {sorted(map(str, unseen))}: write {MARK} there", returncode=4
        )
    config.hook.pytest_deselected(items=left_out)
    # First what takes longest: at the end it would leave one of two processes alone.
    items[:] = sorted(wanted, key=lambda item: "stress" not in item.path.parts)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    """A command that a test asks in this process may name a backend, which the next test has not chosen. And what JAX
    compiled for whole networks would pile up in a process to more than a machine has."""
    if BACKEND is None:
        os.environ.pop("KERAS_BACKEND", None)
    if BACKEND == "jax" and item.get_closest_marker("slow"):
        import jax

        jax.clear_caches()
        gc.collect()


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["HEADSTART_TEST_CACHE"], ignore_errors=True)


@pytest.fixture(scope="session")
def backend():
    """The name of this process' backend."""
    return BACKEND


@pytest.fixture(scope="session")
def bound():
    """Resolves a recipe and binds it to the task that it names, or that for `targets`, and to data of pictures."""
    from headstart.recipes.resolve import bind_to, resolve_recipe

    def bind(recipe, registry, targets="class"):
        task = registry.get("tasks", recipe.task) if recipe.task else registry.default_task(targets)
        return bind_to(resolve_recipe(recipe, registry), registry, task=task, medium="image")

    return bind


SMALL_PLUGIN = Path(__file__).with_name("small_plugin")


@pytest.fixture(scope="session")
def small_plugin():
    """The folder that publishes the backbone `small/net`, on this process' path; for others: PYTHONPATH."""
    sys.path.insert(0, str(SMALL_PLUGIN))
    yield SMALL_PLUGIN
    sys.path.remove(str(SMALL_PLUGIN))


@pytest.fixture(scope="session")
def small_registry(small_plugin):
    """Every offer of the built-ins and of the small plugin."""
    from headstart.registry import load_registry

    return load_registry()


@pytest.fixture(scope="session")
def signalled():
    """Carries out what a signal asks of this process, such as `signal.SIGINT`, as Python's handler of it would.

    One that is really sent to this process ended a worker of pytest-xdist without a word now and then; those that are
    have processes of their own, in tests/core/test_interrupts.py and tests/stress.
    """

    def signalled(number):
        signal.getsignal(number)(number, None)

    return signalled
