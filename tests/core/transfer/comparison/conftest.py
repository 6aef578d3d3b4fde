import itertools

import pytest

from headstart.transfer.comparison.cells import Arm, Design, Measured, share_name

TRAIN = 640


def arm(name, *, backbone="net", control=False, frozen=False):
    return Arm(name, backbone, "net", name.rpartition(" ")[2], flags={}, control=control, frozen=frozen)


@pytest.fixture(scope="session")
def design_of():
    """A design of these arms, `scratch` among them, on shares of 640 samples of train."""

    def build(*names, seeds=(0, 1, 2), fractions=(0.125, 0.25, 0.5, 1.0)):
        arms = [arm(name, control=name == "scratch", frozen=name == "probe") for name in names]
        counts = {share_name(fraction): round(fraction * TRAIN) for fraction in fractions}
        return Design(
            data="made",
            task="classification",
            backend="torch",
            arms=tuple(arms),
            seeds=seeds,
            fractions=fractions,
            samples={**counts, "val": 160, "test": 200},
            threads=1,
        )

    return build


@pytest.fixture(scope="session")
def cells_of():
    """Cells of a design: `figures` by arm are functions of the number of labels and the seed."""

    def build(design, figures, **more):
        for name, fraction, seed in itertools.product(figures, design.fractions, design.seeds):
            figure = figures[name](design.trained_on(fraction), seed)
            yield Measured(arm=name, fraction=fraction, seed=seed, test=figure, metric="accuracy", **more)

    return build
