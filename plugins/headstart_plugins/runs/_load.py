"""Load targets: what an artefact holds is under our names already, and is parted into backbone and head.

Names and shapes are compared with those of what was built where arrays are assigned.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from headstart.specs import HEAD, Backbone, Stage
from headstart.weights.files import read_safetensors


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """Every array of a run's artefact but those of its head, by name. Raises WrongWeightsError where it is damaged."""
    return {name: array for name, array in read_safetensors(file).items() if not _is_of_head(name)}


def load_head(file: Path, head: Stage) -> Mapping[str, np.ndarray]:
    """The arrays of its head, by name. Raises WrongWeightsError where it is damaged."""
    return {name: array for name, array in read_safetensors(file).items() if _is_of_head(name)}


def _is_of_head(name: str) -> bool:
    return name.partition("/")[0] == HEAD
