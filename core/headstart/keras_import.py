"""Keras imported without what it loads beside itself and no run uses: most of the time that its import takes.

Keras 3.15 imports scikit-learn for its wrappers, matplotlib for its galleries, SciPy's signals for windows of sounds,
JAX for a callback on whatever backend, and TorchDynamo for a decorator. Modules of the first three kinds run when
something of theirs is asked for, as if they were imported then; JAX stays away where it is not the backend; and the
decorator asks for TorchDynamo once that is loaded, before which it has nothing to do. All of it holds while Keras is
imported: afterwards any of them can be imported as ever.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

LATER = frozenset(
    {
        *(f"{root}.{name}" for root in ("keras", "keras._tf_keras.keras") for name in ("visualization", "wrappers")),
        "keras.src.visualization",
        "scipy.signal",
    }
)
"""Modules that run when something of theirs is asked for."""
OTHER_BACKENDS = ("jax",)
"""What Keras imports on any backend, and goes without where it is not there."""
DYNAMO = "torch._dynamo"


@contextmanager
def without_extras(backend: str) -> Iterator[None]:
    """Inside, `import keras` on `backend` loads no more than it needs."""
    finder, put = _Later(), dict[str, ModuleType | None]()
    put |= {name: None for name in OTHER_BACKENDS if name != backend and name not in sys.modules}
    if backend == "torch" and DYNAMO not in sys.modules:
        put[DYNAMO] = _stand_in()
    sys.modules.update(put)  # type: ignore[arg-type]  # None means: not to be found
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, module in put.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


class _Later(MetaPathFinder):
    """Finds LATER."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec, with a loader that waits; None for any other, which is found as ever."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname in LATER else None
        if spec is not None and isinstance(spec.loader, Loader):
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


def _stand_in() -> ModuleType:
    """TorchDynamo as far as Keras uses it while it is imported: `@dynamo.disable()`."""
    module = ModuleType(DYNAMO)
    module.disable = _disable  # type: ignore[attr-defined]
    return module


def _disable() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As `torch._dynamo.disable()`: calls of what is decorated are not traced. Nothing is before that is loaded."""

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        disabled: list[Callable[..., Any]] = []

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            if DYNAMO not in sys.modules:
                return function(*arguments, **options)
            if not disabled:
                disabled.append(importlib.import_module(DYNAMO).disable(function))
            return disabled[0](*arguments, **options)

        return call

    return decorated
