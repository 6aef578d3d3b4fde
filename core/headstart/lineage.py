"""What weights were trained on: how they began, then each run that they came out of, oldest first.

An artefact's manifest keeps it, so that neither the licence of what a model began with nor what its runs learned from
is lost where runs start from runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from headstart.engine.network.saved import WEIGHTS, SavedNetwork
from headstart.errors import DataError
from headstart.host.typing_checks import mismatch
from headstart.lists import in_line
from headstart.manifest import sha256
from headstart.specs import HEAD, NOT_STATED, Ancestor, BackboneSpec, Beginning, Training, WeightsSpec

LINEAGE = "lineage"
"""Its key in an artefact's manifest, in result.json and in environment.json."""
UNKNOWN = "unknown"
RANDOM, FILE = "none", "file"
"""What `Beginning.weights` says of random weights, and of a file of the user's."""

MOST_STAGES = 16
"""Those that learned which a line names."""

Lineage = tuple[Ancestor, ...]


def lineage_of(weights: WeightsSpec | Path | None, spec: BackboneSpec) -> Lineage:
    """How the weights that a run of `spec` starts from came to be; None stands for random ones.

    Of a user's own file nobody knows the licence: it is not that of the backbone.
    """
    if isinstance(weights, WeightsSpec) and weights.lineage:
        return weights.lineage
    trained_on = NOT_STATED
    if isinstance(weights, WeightsSpec):
        name, source, licence, trained_on = weights.name, weights.source, weights.licence, weights.trained_on
        digest = UNKNOWN if weights.digest == UNKNOWN else f"{weights.algorithm}:{weights.digest}"
    elif weights is not None:
        name, source, licence, digest = FILE, weights.name, UNKNOWN, f"sha256:{sha256(weights)}"
    else:
        name, source, licence, digest = RANDOM, "random weights", spec.licence, UNKNOWN
    backbone = spec.builder or spec.name if weights is None else spec.name
    begun = Beginning(backbone=backbone, weights=name, source=source, licence=licence, digest=digest)
    return (replace(begun, trained_on=trained_on),)


def lineage_left_in(artefact: SavedNetwork) -> Lineage:
    """What the artefact of a run states of it, that run last, by the digest of its weights; of one that states no more
    than what it began with, that. Raises DataError where it states what is none."""
    manifest = artefact.manifest
    if LINEAGE in manifest:
        *earlier, last = read_lineage(manifest[LINEAGE], str(artefact.path))
        if isinstance(last, Training):
            last = replace(last, digest=f"sha256:{manifest['files'][WEIGHTS]['sha256']}")
        return (*earlier, last)
    source = manifest.get("source") or {}
    weights = str(source.get("weights", UNKNOWN))
    licence = UNKNOWN if weights == FILE else str(source.get("licence", UNKNOWN))
    named = artefact.blueprint.backbone.name
    return (Beginning(backbone=named, weights=weights, source=UNKNOWN, licence=licence, digest=UNKNOWN),)


def with_head_of(lineage: Lineage, source: SavedNetwork) -> Lineage:
    """`lineage` of a backbone, and what it lacks of that of a head which goes on from the run of `source`: of that run
    itself there is the head alone."""
    *earlier, last = lineage_left_in(source)
    if last in lineage:
        return lineage
    if isinstance(last, Training):
        last = replace(last, stages=(HEAD,))
    return (*lineage, *(each for each in earlier if each not in lineage), last)


def licence_of(lineage: Sequence[Ancestor]) -> str:
    """The licence of what the weights began with; where several did that have others, all of them."""
    found = dict.fromkeys(each.licence for each in lineage if isinstance(each, Beginning))
    return ", ".join(found) or UNKNOWN


def as_documents(lineage: Sequence[Ancestor]) -> list[dict[str, Any]]:
    """As plain values, which `read_lineage` reads."""
    return [asdict(each) for each in lineage]


def read_lineage(written: Any, where: str) -> Lineage:
    """The lineage that `as_documents` wrote. Raises DataError naming `where` it stands."""
    found: list[Ancestor] = []
    for each in written if isinstance(written, list) else [written]:
        kind = Training if isinstance(each, dict) and "run" in each else Beginning
        try:
            ancestor: Ancestor = kind(**{name: _listed(value) for name, value in dict(each).items()})
        except (TypeError, ValueError) as exc:
            raise DataError(f"{where}: its lineage has an entry that is none: {exc}") from exc
        if wrong := mismatch(ancestor, kind):
            raise DataError(f"{where}: its lineage has an entry that {wrong}")
        found.append(ancestor)
    return tuple(found)


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def in_words(lineage: Sequence[Ancestor]) -> str:
    """The whole of it in a line, the youngest first: `flowers, from imagenet of efficientnet_lite/lite0`."""
    return ", from ".join(map(_named, reversed(lineage))) or "nothing that is stated"


def told(ancestor: Ancestor) -> str:
    """All that is stated of one step, in a line."""
    stated = [] if ancestor.digest == UNKNOWN else [ancestor.digest]
    if isinstance(ancestor, Beginning):
        source = [] if ancestor.weights in (RANDOM, FILE) else [ancestor.source]
        licence = [] if ancestor.weights == RANDOM else [f"licence {ancestor.licence}"]
        learned = [] if ancestor.trained_on == NOT_STATED else [f"trained on {ancestor.trained_on}"]
        return ", ".join([_named(ancestor), *learned, *source, *licence, *stated])
    task, strategy = (name.rpartition("/")[2] for name in (ancestor.task, ancestor.strategy))
    stages = f" ({in_line(ancestor.stages, MOST_STAGES)})" if ancestor.stages else ""
    classes = [f"{ancestor.classes} classes"] if ancestor.classes else []
    trained = f"the run {ancestor.run}: {task} of {ancestor.data} by {strategy}{stages}"
    samples = f"{ancestor.samples} training samples"
    return ", ".join([trained, samples, *classes, f"headstart {ancestor.headstart}", *stated])


def _named(ancestor: Ancestor) -> str:
    if isinstance(ancestor, Training):
        return ancestor.data + (" (the head alone)" if ancestor.stages == (HEAD,) else "")
    if ancestor.weights == RANDOM:
        return "random weights"
    if ancestor.weights == FILE:
        return f"the file {ancestor.source}"
    return f"{ancestor.weights} of {ancestor.backbone}"
