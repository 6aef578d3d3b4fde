"""What a backend refuses outside of a phase ends a run with what to do, not as a bug of ours."""

import keras
import pytest

from headstart.errors import HeadstartError
from headstart.runs.fitting import explained_backend_errors, fit

pytestmark = pytest.mark.backend


def shortage():
    """What the backend raises where memory does not suffice."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    import jax

    return jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 2147483648 bytes.\nBFC")


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("headstart.engine.features.extract.extract", "start again with a smaller --batch-size"),
        ("headstart.runs.reloading.score", "what was trained is kept: when more memory is free, go on with"),
    ],
    ids=["extraction", "evaluation"],
)
def test_a_shortage_outside_of_training_says_what_to_do(
    finished, small_registry, settings, tmp_path, monkeypatch, place, hint
):
    def fail(*args, **kwargs):
        raise shortage()

    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(place, fail)
    with pytest.raises(HeadstartError, match=r"memory does not suffice: .*ut of memory") as caught:
        fit(f"image_folder:{finished.pictures}", out=str(tmp_path / "run"), registry=small_registry, **settings)
    assert caught.value.exit_code == 1
    assert caught.value.hint.startswith(hint)
    assert "\n" not in caught.value.message


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="shapes differ"), explained_backend_errors():
        raise RuntimeError("shapes differ")
