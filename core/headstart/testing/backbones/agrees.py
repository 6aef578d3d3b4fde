"""Level C of backbones: equal weights give equal answers on both backends, in processes of their own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from headstart.backend import BACKENDS, VARIABLE, installed_backends
from headstart.testing.backbones.offer import SAMPLES, BackboneOffer
from headstart.testing.fresh_process import run_fresh

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 1e-4
"""Of max(1, standard deviation of the reference)."""
LOWEST_STD = 0.01
"""Below it a feature is dead, and equal to anything."""
WEIGHTS, BATCH = "weights.safetensors", "batch.npz"


class BackboneAgrees(BackboneOffer):
    """The `tiny` variant on torch, and again on jax with the weights that torch wrote. Needs both installed."""

    def test_both_backends_answer_alike(self) -> None:
        """Every feature within 1e-4 of its scale, which is more than 0.01."""
        self._skip_where_one_is_missing()
        with tempfile.TemporaryDirectory(prefix="headstart-") as place:
            folder = Path(place)
            self._write_batch(folder / BATCH)
            reference = self._answers("torch", folder, weights=None)
            others = self._answers("jax", folder, weights=WEIGHTS)
        for name in reference:
            self._compare(name, reference[name], others[name])

    def _skip_where_one_is_missing(self) -> None:
        for backend in BACKENDS:
            if reason := self.spec.refuses.get(backend):
                raise SkipTest(f"{self.name} refuses the backend {backend}: {reason}")
            if backend not in installed_backends():
                raise SkipTest(f'the backend {backend} is not installed: pip install "headstart[{backend}]"')
        self._skip_without_requirements()

    def _write_batch(self, file: Path) -> None:
        import numpy as np

        with file.open("wb") as opened:
            arrays: Any = dict(self.batch(self._input_kind(), SAMPLES))
            np.savez(opened, **arrays)

    def _answers(self, backend: str, folder: Path, *, weights: str | None) -> dict[str, np.ndarray]:
        import numpy as np

        request = {
            "name": self.name,
            "size": self.size or self.spec.tiny_size,
            "options": {**self.spec.given, **self.spec.tiny, **self.options},
            "folder": str(folder),
            "batch": BATCH,
            "weights": weights or WEIGHTS,
            "given": weights is not None,
            "answers": f"{backend}.npz",
        }
        told = run_fresh("headstart.testing.answers", request, environment={VARIABLE: backend})
        if told.reply is None:
            self._fail(f"on {backend} it does not answer:{os.linesep}{told.error}", "See level B on that backend.")
        self._require(
            told.reply["error"] is None, f"on {backend}: {told.reply['error']}", "See level B on that backend."
        )
        with np.load(folder / f"{backend}.npz") as found:
            return dict(found)

    def _compare(self, feature: str, expected: np.ndarray, found: np.ndarray) -> None:
        import numpy as np

        spread = float(expected.std())
        self._require(
            spread > LOWEST_STD,
            f"the feature {feature!r} has a standard deviation of {spread:.2g}: too dead to be compared",
            "See level B: no tensor may be dead.",
        )
        self._require(
            expected.shape == found.shape,
            f"the feature {feature!r} has the shape {expected.shape} on torch and {found.shape} on jax",
            "Build the same layers on both.",
        )
        apart = float(np.abs(expected - found).max())
        allowed = TOLERANCE * max(1.0, spread)
        self._require(
            apart <= allowed,
            f"with equal weights the feature {feature!r} differs between torch and jax by {apart:.2g}, "
            f"of {allowed:.2g} allowed",
            "Look for code that asks for the backend, for layers that pad or round by themselves, and for values that "
            "are no weights. Deep networks with BatchNorm magnify rounding on tiny inputs: try a larger `size` in "
            f"{type(self).__name__}.",
        )
