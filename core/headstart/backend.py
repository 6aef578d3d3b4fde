"""Choose the Keras backend before Keras exists. Imports no framework.

`--backend` wins over the variable KERAS_BACKEND, which wins over the recipe, which wins over the first
installed of jax and torch. The file keras.json of the user is neither read nor written: Keras writes
"tensorflow" into it at its first import, and reads layout and precision from it.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import UsageError
from headstart.interrupts import import_library
from headstart.keras_import import without_extras
from headstart.specs.base import BACKENDS
from headstart.threads import available_threads, wait_passively

VARIABLE = "KERAS_BACKEND"
HOME_VARIABLE = "KERAS_HOME"
STORE_VARIABLE = "HEADSTART_HOME"


@dataclass(frozen=True)
class BackendChoice:
    """A backend and where the choice came from, as messages say it."""

    name: str
    origin: str


def installed_backends() -> tuple[str, ...]:
    """Those of our backends that are installed; nothing is imported."""
    return tuple(name for name in BACKENDS if name in sys.modules or importlib.util.find_spec(name) is not None)


def loaded_backend() -> str | None:
    """The backend of the Keras that is already in this process; None where Keras is not loaded."""
    keras = sys.modules.get("keras")
    config = getattr(keras, "config", None)
    return str(config.backend()) if config is not None else None


def choose_backend(flag: str | None, recipe: str | None = None) -> BackendChoice:
    """The backend to run on. Raises UsageError for one that is unknown or not installed, or if there is none.

    Where Keras is already loaded (a notebook) and nothing else says otherwise, its backend is followed.
    """
    loaded, installed = loaded_backend(), installed_backends()
    sources = (
        (flag, "flag --backend"),
        (os.environ.get(VARIABLE), f"variable {VARIABLE}"),
        (recipe, "the recipe"),
        (loaded if loaded in BACKENDS else None, "keras is already loaded with it"),
        (installed[0] if installed else None, f"the first installed of {', '.join(BACKENDS)}"),
    )
    choice = next((BackendChoice(name, origin) for name, origin in sources if name), None)
    if choice is None:
        raise UsageError("no backend is installed", hint=" or ".join(map(_how_to_install, BACKENDS)))
    if choice.name not in BACKENDS:
        raise UsageError(f"unknown backend {choice.name!r} ({choice.origin})", hint=f"expected {' or '.join(BACKENDS)}")
    if choice.name not in installed:
        raise UsageError(
            f"the backend {choice.name} ({choice.origin}) is not installed", hint=_how_to_install(choice.name)
        )
    return choice


def _how_to_install(name: str) -> str:
    return f'pip install "headstart[{name}]"'


def announce(choice: BackendChoice) -> None:
    """Set the variable, so that whatever imports Keras from here on gets `choice`; imports nothing yet.

    Raises UsageError where Keras is already loaded with another backend: it cannot be switched in a process.
    """
    loaded = loaded_backend()
    if loaded is not None and loaded != choice.name:
        raise UsageError(
            f"keras is already loaded with the backend {loaded}; {choice.name} was asked for ({choice.origin})",
            hint=f"start a new process and set {VARIABLE}={choice.name} before anything imports keras",
        )
    os.environ[VARIABLE] = choice.name


DETERMINISTIC_XLA = "--xla_gpu_deterministic_ops=true"


def activate(choice: BackendChoice, threads: int | None = None, *, deterministic: bool = False) -> None:
    """Announce `choice`, import Keras where it is not loaded, and set precision, layout and threads, by default as many
    as this process may use, unless PyTorch is there already; they sleep where they wait, see `wait_passively`.

    With `deterministic` only operations are used that give the same bits each time, on accelerators too; one that has
    no such form is an error there. On processors all operations do for a given number of threads.

    Raises UsageError where JAX was loaded before without that, and runs on an accelerator: it reads it once.
    """
    announce(choice)
    wait_passively()
    is_new = choice.name not in sys.modules
    if choice.name == "jax":
        # Compile once a machine, not a run; small programs too: Keras draws each weight's shape by one.
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "jax"))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        # XLA reads it once, when it starts its pool of threads.
        os.environ["NPROC"] = str(threads or os.environ.get("NPROC") or available_threads())
    if deterministic:
        if choice.name == "torch":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        elif not is_deterministic(choice.name):
            # Asking JAX where it computes begins it, where Keras was loaded.
            if loaded_backend() is not None and importlib.import_module("jax").default_backend() != "cpu":
                raise UsageError(
                    "the same bits each time were asked for, and this process has loaded JAX without that",
                    hint=f"start a new process, or set XLA_FLAGS={DETERMINISTIC_XLA} before anything imports keras",
                )
            os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {DETERMINISTIC_XLA}".strip()
    if loaded_backend() is None:
        _import_keras()
    if choice.name == "torch":
        torch = importlib.import_module("torch")
        if threads or is_new:  # else it has those that its user, or a run before, gave it
            torch.set_num_threads(threads or available_threads())
        if torch.are_deterministic_algorithms_enabled() != deterministic:  # saying it loads TorchInductor: seconds
            torch.use_deterministic_algorithms(deterministic)
    configure_keras()


def is_deterministic(backend: str) -> bool:
    """Whether this process takes only operations that give the same bits each time on accelerators too; call it after
    the backend was loaded."""
    if backend == "torch":
        return bool(importlib.import_module("torch").are_deterministic_algorithms_enabled())
    return DETERMINISTIC_XLA in os.environ.get("XLA_FLAGS", "")


def _import_keras() -> None:
    """Import Keras with a home of ours, so that it neither reads nor creates a keras.json of the user.

    A KERAS_HOME that is set stays: then the user has named the place. Raises UsageError with what stands in the way of
    Keras: a broken installation, its own or another package's.
    """
    named = HOME_VARIABLE in os.environ
    os.environ.setdefault(HOME_VARIABLE, str(store_root() / "keras"))
    collecting = gc.isenabled()
    # What an import makes stays; looking for garbage in it again and again is much of a short command's time.
    gc.collect()
    gc.disable()
    try:
        with without_extras(os.environ[VARIABLE]):
            import_library("keras")
    except Exception as exc:
        raise UsageError(
            f"keras cannot be imported on the backend {os.environ[VARIABLE]}: {type(exc).__name__}: {exc}",
            hint="`headstart doctor` names packages whose files are damaged; install what it names again",
        ) from exc
    finally:
        if collecting:
            gc.freeze()
            gc.enable()
        if not named:
            del os.environ[HOME_VARIABLE]  # read at import only; other programs started from here keep their own


def store_root() -> Path:
    """The local store: HEADSTART_HOME, or the user's data folder. It need not exist yet."""
    import platformdirs

    named = os.environ.get(STORE_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_data_path("headstart")


def cache_folder() -> Path:
    """Where what can be computed again is kept: HEADSTART_CACHE, or `headstart` in the user's cache folder."""
    import platformdirs

    named = os.environ.get("HEADSTART_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("headstart")


def configure_keras() -> None:
    """Set what a keras.json could have set: float32, epsilon 1e-7, channels last. Keras must be loaded."""
    keras = importlib.import_module("keras")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
