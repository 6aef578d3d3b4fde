"""How much of the data each side of a split gets, and what it is used for: the table [split] of a recipe."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

from headstart.options import option


@dataclass(frozen=True)
class SplitShares:
    """The shares of the sides that are cut, one after the other: by default 64/16/20 in all.

    What is cut is all of the data, or the train side where the dataset gives one. A side that it gives is kept. Of the
    train side that is left then, the share `train` learns; val and test are the same whatever that is.
    """

    test: float = option(
        0.2, "Share of all, or of a given train side, that is held out as test; 0: none is.", low=0, high=0.99
    )
    val: float = option(
        0.2,
        "Share of what is left after test that is val, which chooses: 0.2 of 80 % is 16 % of all.",
        low=0.001,
        high=0.99,
    )
    train: float = option(
        1.0,
        "Share of the train side that learns, stratified and drawn by the seed; the rest is left aside. Smaller shares "
        "are parts of larger ones.",
        low=1e-6,
        high=1.0,
    )
    refit: bool = option(
        True, "Whether a head that is solved for is solved once more on train and val, when val has chosen how."
    )

    def cut(self, given: Collection[str] = ()) -> dict[str, float]:
        """The sides to cut, in order, each with its share of what is left by then; none that the data has `given`."""
        shares = {"test": self.test, "val": self.val}
        return {side: share for side, share in shares.items() if share and side not in given}

    def unused(self, given: Collection[str]) -> dict[str, float]:
        """The shares that were set to something else than the default, of sides that the data has `given`."""
        return {
            each.name: share
            for each in fields(self)
            if each.name in given
            and each.name != "train"  # whose share is of what there is, given or cut
            and (share := getattr(self, each.name)) != each.default
        }
