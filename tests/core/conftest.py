"""A finished run of the small plugin's backbone on pictures of digits: one a process, never changed."""

import dataclasses
import shutil

import pytest

SETTINGS = {
    "backbone": "small/net",
    "weights": "none",
    "epochs": 6,
    "learning_rate": 3e-3,
    "reporters": ("json",),
    "sets": ("fit.batch_size=16",),
}


@dataclasses.dataclass(frozen=True)
class Finished:
    """A run, and the pictures that it was made from."""

    run: object
    pictures: object

    def copied(self, folder):
        """The same run in a folder that may be changed."""
        from headstart.run import Run

        shutil.copytree(self.run.path, folder)
        return Run.load(folder, registry=self.run.registry)


def write_pictures(folder, classes=("0", "1", "2"), each=20, names=None):
    """A class folder with PNG files for each digit; `names` renames classes."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for label in classes:
        place = folder / (names or {}).get(label, label)
        place.mkdir(parents=True)
        for number in np.flatnonzero(digits.target == int(label))[:each]:
            pixels = np.rint(digits.images[number] * (255 / 16)).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"{number:04d}.png")
    return folder


@pytest.fixture(scope="session")
def pictures_of():
    return write_pictures


@pytest.fixture(scope="session")
def finished(tmp_path_factory, small_registry):
    from headstart.runs.fitting import fit

    folder = tmp_path_factory.mktemp("finished")
    pictures = write_pictures(folder / "pictures")
    run = fit(f"image_folder:{pictures}", out=str(folder / "run"), registry=small_registry, **SETTINGS)
    return Finished(run, pictures)


@pytest.fixture
def settings():
    """What the finished run was made with, beside data and folder."""
    return dict(SETTINGS)
