"""Runs on a share of train: features of all of it are used again, and nothing but the share is learned from."""

import numpy as np
import pytest

from headstart.cache import open_cache
from headstart.data.split_file import read_split
from headstart.runs.fitting import fit

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SHARED = {"image_size": 16, "engine": "native", "reporters": ("json",), "limit": 120}


@pytest.fixture(scope="module")
def probe(tmp_path_factory, small_registry):
    """Runs with a head solved on the features of one source."""
    folder = tmp_path_factory.mktemp("shares")
    more = {"backbone": "small/net", "weights": "none", "strategy": "full", "epochs": 1, "out": str(folder / "source")}
    source = fit("digits", registry=small_registry, **SHARED, **more).path

    def run(name, *sets, seed=0):
        out = str(folder / name)
        more = {"backbone": str(source), "strategy": "probe", "out": out, "seed": seed, "sets": sets}
        return fit("digits", registry=small_registry, **SHARED, **more)

    return run


def entries():
    return {entry.name for entry in open_cache().entries() if entry.kind == "features"}


def test_features_of_all_of_train_serve_each_share_and_change_nothing(probe, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "shared"))
    probe("whole", "split.refit=false")
    before = entries()
    shared = probe("shared", "split.refit=false", "split.train=0.4")
    assert entries() == before
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "fresh"))
    fresh = probe("fresh", "split.refit=false", "split.train=0.4")
    assert shared.result["metrics"] == fresh.result["metrics"]
    arrays = [
        np.frombuffer((run.path / "artefact" / "weights.safetensors").read_bytes(), np.uint8) for run in (shared, fresh)
    ]
    assert np.array_equal(*arrays)


def test_the_share_alone_learns_and_no_solved_head_learns_from_val_where_that_is_said(probe):
    runs = {seed: probe(f"seed{seed}", "split.refit=false", "split.train=0.4", seed=seed) for seed in (0, 1)}
    assert [run.result["samples"] for run in runs.values()] == [{"train": 31, "val": 19, "test": 24}] * 2
    assert all(run.result["refit"] is False for run in runs.values())
    splits = [read_split(run.folder.split) for run in runs.values()]
    assert splits[0].only("val", "test") == splits[1].only("val", "test")
    assert splits[0].only("train") != splits[1].only("train")
    told = [note for note in runs[0].result["notes"] if "left aside" in note]
    assert told == ["40 % of train is 31 samples of 77, drawn by the seed; the rest of train is left aside"]
    assert probe("as_before").result["refit"] is True
