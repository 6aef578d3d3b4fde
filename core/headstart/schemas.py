"""The forms of what we write: one name for each, which changes when an older headstart could not read it."""

from __future__ import annotations

from collections.abc import Mapping

ARTEFACT = "artefact/2"
"""The form of an artefact's documents."""
RUN = "run/2"
"""The form of a run folder: its recipe, split, events and result."""
CHECKPOINT = "checkpoint/6"
CACHE = "cache/1"

READ_BY: Mapping[str, str] = {"artefact/1": "0.1", "run/1": "0.1", "checkpoint/5": "0.1"}
"""The release of headstart that reads an earlier form."""


def how_to_read(schema: object) -> str | None:
    """What to do with something of another form; None where that is not known."""
    release = READ_BY.get(str(schema))
    return f"headstart {release} reads it; make it anew with this one" if release else None
