"""Sources whose worth is known: one ruined on purpose is called harmful, one that is like random weights is not."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from headstart.runs.fitting import pretrain
from headstart.transfer.comparison.comparing import conclude, with_twins
from headstart.transfer.comparison.measuring import job_of, run_cell
from headstart.transfer.comparison.planning import Asked, make_design

pytestmark = [pytest.mark.backend, pytest.mark.slow]

SHARED = {"image_size": 16, "engine": "native"}


@pytest.fixture(scope="module")
def inverted(tmp_path_factory):
    """Digits as ink on paper rather than light on dark, their labels shuffled."""
    folder, rng, digits = tmp_path_factory.mktemp("inverted"), np.random.default_rng(0), load_digits()
    chosen = rng.permutation(len(digits.images))[:200]
    for place, label in zip(chosen, rng.permutation(digits.target[chosen]), strict=True):
        (folder / str(label)).mkdir(exist_ok=True)
        picture = 255 - np.clip(digits.images[place] * 16, 0, 255).astype(np.uint8)
        Image.fromarray(np.kron(picture, np.ones((2, 2), np.uint8))).save(folder / str(label) / f"{place}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_registry, backend):
    def train(data, name, **settings):
        out = tmp_path_factory.mktemp("sources") / name
        more = {"backbone": "small/net", "backend": backend, "reporters": ("json",), "augment": ("none",), **SHARED}
        return pretrain(data, out=str(out), registry=small_registry, **more, **settings).path

    return train


@pytest.fixture(scope="module")
def compared(tmp_path_factory, small_registry, backend):
    """The document of a comparison with a source, its cells run one after the other in this process."""

    def compare(source):
        asked = Asked(
            data="digits",
            backbones=(str(source),),
            strategies=("full",),
            seeds=(0, 1, 2),
            fractions=(1.0,),
            epochs=12,
            flags={"limit": 300, "backend": backend, **SHARED},
            sets=("strategy.backbone_rate=5e-3", "strategy.head_factor=1"),
        )
        folder = tmp_path_factory.mktemp("compared")
        design = make_design(asked, small_registry)
        for cell in design.cells():
            run_cell(job_of(design, cell, folder), small_registry)
        design = with_twins(design, folder)
        for cell in design.cells():
            run_cell(job_of(design, cell, folder), small_registry)
        return conclude(design, folder).document

    return compare


def test_a_source_of_shuffled_labels_and_inverted_inputs_is_called_harmful(inverted, trained, compared):
    ruined = trained(f"image_folder:{inverted}", "ruined", epochs=30, learning_rate=0.3)
    document = compared(ruined)
    told = document["verdict"]
    assert told["transfer"] == "hurts", told
    assert "transfer hurts here: -" in told["line"]
    assert any("the source itself hurts" in sentence for sentence in told["sentences"]), told
    assert [twin["twin"] for twin in document["twins"]] == ["full"]


def test_a_source_that_changes_nothing_is_left_in_peace(trained, compared):
    untouched = trained("digits", "untouched", limit=100, epochs=1, learning_rate=1e-9, batch_norm="frozen")
    told = compared(untouched)["verdict"]
    assert told["transfer"] == "no difference seen", told
    assert "hurts" not in told["line"]
