"""What the extras bring, by the metadata of what is installed: never TensorFlow, and no surprises in `all`."""

import re
from importlib import metadata

import pytest
from packaging.requirements import Requirement

EXTRAS = sorted(metadata.metadata("headstart").get_all("Provides-Extra"))


def brought_by(distribution, extras=()):
    """The names of all that installing a distribution with some extras brings; what is not installed brings nothing."""
    seen, waiting = set(), [(distribution, tuple(extras))]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += required_by(*current)
    return {name for name, _ in seen}


def required_by(distribution, extras):
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield re.sub(r"[-_.]+", "-", requirement.name).lower(), tuple(sorted(requirement.extras))


@pytest.mark.parametrize("extra", EXTRAS)
def test_no_extra_brings_tensorflow(extra):
    brought = brought_by("headstart", [extra])
    assert "keras" in brought
    assert [name for name in brought if "tensorflow" in name or name.startswith(("tf-", "tf_"))] == []


def test_all_holds_tensorboard_which_needs_no_server():
    assert "tensorboard" in brought_by("headstart", ["tensorboard"])
    assert "tensorboard" in brought_by("headstart", ["all"])


def test_all_leaves_out_mlflow_which_is_of_use_with_a_server_only():
    assert "mlflow-skinny" in brought_by("headstart", ["mlflow"])
    assert [name for name in brought_by("headstart", ["all"]) if name.startswith("mlflow")] == []
