"""Level A of augmentations."""

from __future__ import annotations

import re

from headstart.testing.declared import Declared


class AugmentationDeclared(Declared):
    """The spec of an augmentation is complete."""

    _kind = "augmentations"

    def test_an_input_kind_is_installed_that_applies_what_it_draws(self) -> None:
        """`changes` of the kind have every name in `draws`."""
        kinds = self.registry.specs("inputs")
        known = "; ".join(f"{kind.name} applies {', '.join(kind.changes) or 'none'}" for kind in kinds)
        self._require(
            any(self.spec.draws <= kind.changes.keys() for kind in kinds),
            f"draws is {sorted(self.spec.draws)}, and no installed input kind applies all of that",
            f"Name changes of one kind: {known}.",
        )

    def test_the_symmetries_that_it_uses_are_named_as_datasets_name_them(self) -> None:
        """A dataset allows `horizontal_flip`; another spelling would never be allowed."""
        odd = [name for name in self.spec.uses if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)]
        self._require(
            not odd,
            f"uses has {sorted(odd)}",
            "Name symmetries in small letters and underscores, such as horizontal_flip.",
        )
