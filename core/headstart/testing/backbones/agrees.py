"""Level C of backbones: equal weights and inputs give equal answers on both backends, in processes of their own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import SkipTest

from headstart.backend import VARIABLE, installed_backends
from headstart.specs import BACKENDS
from headstart.testing.answers import read_outputs, write_arrays
from headstart.testing.backbones.offer import SAMPLES, BackboneOffer
from headstart.testing.fresh_process import run_fresh

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 1e-4
"""Of max(1, standard deviation of the reference)."""
LOWEST_STD = 0.01
"""Below it a tensor is dead, and equal to anything."""
REFERENCE, OTHER = "torch", "jax"
WEIGHTS, BATCH = "weights.safetensors", "batch.npz"


class BackboneAgrees(BackboneOffer):
    """The `tiny` variant on torch, and again on jax with the weights that torch wrote. Needs both installed.

    Stages are compared in pieces of about a dozen layers, and each piece on jax reads what the piece below it gave on
    torch. A random network with BatchNorm magnifies the smallest difference on its way up, exponentially with depth
    (Yang et al. 2019, "A mean field theory of batch normalization"): whole deep ones do not agree to 1e-4 in float32,
    not even with themselves in float64.
    """

    def test_both_backends_answer_alike(self) -> None:
        """Every tensor of every stage, features among them, within 1e-4 of its scale, which is more than 0.01."""
        for backend in BACKENDS:
            if reason := self.spec.refuses.get(backend):
                raise SkipTest(f"{self.name} refuses the backend {backend}: {reason}")
            if backend not in installed_backends():
                raise SkipTest(f'the backend {backend} is not installed: pip install "headstart[{backend}]"')
        self._skip_without_requirements()
        with tempfile.TemporaryDirectory(prefix="headstart-") as place:
            folder = Path(place)
            write_arrays(folder / BATCH, self.batch(self._input_kind(), SAMPLES))
            expected = self._answers(REFERENCE, folder, inputs=None)
            found = self._answers(OTHER, folder, inputs=f"{REFERENCE}.npz")
        for (stage, name), array in expected.items():
            self._compare(f"tensor {name!r} of stage {stage!r}", array, found[stage, name])

    def _answers(self, backend: str, folder: Path, *, inputs: str | None) -> dict[tuple[str, str], np.ndarray]:
        """What each stage gives; weights are made, or read where there are `inputs` from another backend."""
        request = {
            "name": self.name,
            "size": self.size or self.spec.tiny_size,
            "options": {**self.spec.given, **self.spec.tiny, **self.options},
            "folder": str(folder),
            "batch": BATCH,
            "weights": WEIGHTS,
            "inputs": inputs,
            "answers": f"{backend}.npz",
        }
        fresh = run_fresh("headstart.testing.answers", request, environment={VARIABLE: backend})
        if fresh.reply is None:
            self._fail(f"on {backend} it does not answer:{os.linesep}{fresh.error}", "See level B on that backend.")
        error = fresh.reply["error"]
        self._require(error is None, f"on {backend}: {error}", "See level B on that backend.")
        return read_outputs(folder / f"{backend}.npz")

    def _compare(self, what: str, expected: np.ndarray, found: np.ndarray) -> None:
        import numpy as np

        self._require(
            expected.shape == found.shape,
            f"the {what} has the shape {expected.shape} on {REFERENCE} and {found.shape} on {OTHER}",
            "Build the same layers on both.",
        )
        is_float = np.issubdtype(expected.dtype, np.floating)
        spread = float(expected.std())
        self._require(
            spread > LOWEST_STD or not is_float,
            f"the {what} has a standard deviation of {spread:.2g}: too dead to be compared",
            "See level B: no tensor may be dead.",
        )
        apart = float(np.abs(expected.astype(np.float64) - found).max())
        allowed = TOLERANCE * max(1.0, spread) if is_float else 0.0
        self._require(
            apart <= allowed,
            f"with equal weights and inputs, the {what} differs between {REFERENCE} and {OTHER} by {apart:.2g}, "
            f"of {allowed:.2g} allowed",
            "Look for code that asks for the backend, for layers that pad or round by themselves, and for values that "
            f"are no weights. A composite layer of very many others magnifies rounding: make a Functional model of it, "
            f"or try a larger `size` in {type(self).__name__}.",
        )
