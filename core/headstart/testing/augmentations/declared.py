"""Level A of augmentations."""

from __future__ import annotations

import re

from headstart.testing.declared import Declared


class AugmentationDeclared(Declared):
    """The spec of an augmentation is complete."""

    _kind = "augmentations"

    def test_its_input_kind_is_installed(self) -> None:
        """The kind applies what is drawn."""
        self._input_spec()

    def test_the_symmetries_that_it_uses_are_named_as_datasets_name_them(self) -> None:
        """A dataset allows `horizontal_flip`; another spelling would never be allowed."""
        odd = [name for name in self.spec.uses if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)]
        self._require(
            not odd,
            f"uses has {sorted(odd)}",
            "Name symmetries in small letters and underscores, such as horizontal_flip.",
        )
