"""Where samples are large, every call of the network brings few of them, from the first weights to the last answer."""

import numpy as np
import pytest

from headstart.engine import batch
from headstart.engine.lowering.registry import device_at_hand
from headstart.engine.network.network import Network

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True
ROWS = 4


def test_no_call_of_a_run_brings_more_samples_than_there_is_room_for(
    finished, tmp_path, small_registry, settings, monkeypatch
):
    """Random weights are calibrated, statistics estimated again, val and test answered, and the artefact compared."""
    from headstart.runs.fitting import fit

    if device_at_hand() != "cpu":
        pytest.skip("an accelerator has a memory of its own")
    row_bytes = sum(
        int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize
        for spec in finished.run.artefact.predictor.kind.tensors.values()
    )
    monkeypatch.setattr(batch, "ROOM", ROWS * row_bytes)
    seen, run_all = [], Network.run

    def watched(self, tensors, start, stop, **more):
        seen.append(next(iter(tensors.values())).shape[0])
        return run_all(self, tensors, start, stop, **more)

    monkeypatch.setattr(Network, "run", watched)
    changed = {**settings, "epochs": 1, "sets": ("fit.batch_size=4", "fit.batch_norm=re-estimated")}
    run = fit(
        f"image_folder:{finished.pictures}",
        out=str(tmp_path / "run"),
        registry=small_registry,
        strategy="full",
        **changed,
    )
    assert max(seen) == ROWS
    answers = run.predict(sorted(finished.pictures.rglob("*.png")))
    assert max(seen) == ROWS
    assert len(answers) == 60
