"""R12: the same seed gives the same bits. R13: training never goes on from a loss that is no number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from headstart.engine.train.checkpoints import Checkpoints
from rig.figures import Figure, figure, seen
from rig.runs import BASE, CASES, cache_of, differences, fit, keys_of, outcome_of, run

CASE = "lp_ft"
STOPS = "NaN stops at that step: exit code 4, the last good checkpoint kept, the batch named"
WENT_ON = "training went on from a loss that is no number"


def repeated(scratch: Path, backend: str, times: int = 5) -> Figure:
    """The same run again and again, each in a process of its own and without what another has computed."""
    return figure("R12", "the same seed, the same bits: runs", _repeated(scratch, backend, times), backend=backend)


def other_seed(scratch: Path, backend: str) -> Figure:
    """Another seed, which must give other bits."""
    out = scratch / "other-seed"
    done = run(["fit", *BASE, *CASES[CASE], "--seed", "1", "--out", str(out)], backend, cache=cache_of(out))
    first = scratch / "repeated-0"
    problem = differences(outcome_of(first), outcome_of(out)) if done.code == 0 else None
    return figure("R12", "another seed", [problem], backend=backend, planted="another seed")


def _repeated(scratch: Path, backend: str, times: int) -> Iterator[str | None]:
    first = None
    for number in range(times):
        out = scratch / f"repeated-{number}"
        done = fit(out, CASE, backend)
        if done.code != 0:
            yield done.last_words
            continue
        first = first or outcome_of(out)
        yield differences(first, outcome_of(out))


def diverged(scratch: Path, backend: str) -> Figure:
    """A run whose loss becomes NaN once it has learned a little."""
    return figure("R13", STOPS, [divergence_of(scratch / "diverged", backend)], backend=backend)


def unwatched(scratch: Path, backend: str) -> Figure:
    """The same with the bug of not looking: training must be seen to go on, no other end will do."""
    found = seen(divergence_of(scratch / "unwatched", backend, "deaf"), WENT_ON)
    return figure("R13", STOPS, [found], backend=backend, planted="nobody looks")


def divergence_of(out: Path, backend: str, plant: str = "brittle") -> str | None:
    """What is wrong with how a run ended whose loss becomes NaN, None where nothing is."""
    done = fit(out, "diverging", backend, {"plant": plant})
    loaded = Checkpoints(out / "checkpoints").load_last(lambda message: None)
    if loaded is None or loaded.step < 1:
        return f"no checkpoint was kept; it ended with {done.last_words}"
    odd = [name for group in loaded.groups.values() for name, each in group.items() if not np.isfinite(each).all()]
    if odd:
        return f"{WENT_ON} to checkpoint {loaded.step}, in which {odd[0]} is not finite"
    if done.code != 4:
        return f"it ended with {done.last_words}"
    words = done.err.replace("\n", " ")
    if "loss became nan" not in words or not any(f"{key}," in words for key in keys_of(out, "train")):
        return f"it names no sample of train: {words}"
    if (out / "artefact").exists() or (out / "result.json").exists():
        return "it wrote a result"
    return None
