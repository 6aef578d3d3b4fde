"""What tasks need to know of a picture that became an input: where its pixels went."""

from __future__ import annotations

from headstart.errors import PluginError
from headstart.specs import Facts

NEEDED = (
    *("height", "width", "input_height", "input_width"),
    *("scale_x", "scale_y", "offset_x", "offset_y"),
)
"""Names of facts of the image kind: x of the input is x of the picture * `scale_x` + `offset_x`, y likewise."""


def verify_facts(fact: Facts, what: str) -> None:
    """Raise PluginError where the input kind does not tell what `what`, in the plural, needs."""
    if lacking := [name for name in NEEDED if name not in fact]:
        raise PluginError(
            f"the input kind does not tell {', '.join(lacking)} of a picture, which {what} need",
            hint="choose a backbone that takes pictures, or tell the author of the input kind",
        )
