"""Reads Resemblyzer's file: a legacy torch file, gates in torch's order, which is Keras' too, and two biases that are
added."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from headstart.engine.network.stages import name_variables, wrong_weights
from headstart.specs import Backbone
from headstart.weights.torch_file import read_torch_file

STATE = "model_state/"
LSTM = "lstm"
"""What the stages of LSTM layers are called, before their number."""
ROLES = {"kernel": ("weight_ih",), "recurrent_kernel": ("weight_hh",), "bias": ("bias_ih", "bias_hh")}
LEFT_OUT = ("similarity_weight", "similarity_bias")
"""Of the loss that it was trained with."""


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The arrays of `file` under our names. Raises WrongWeightsError listing those that differ."""
    stored = {name.removeprefix(STATE): each for name, each in read_torch_file(file).items() if name.startswith(STATE)}
    variables = name_variables(backbone.stages)
    theirs = {ours: _theirs(ours) for ours in variables}
    used = {*LEFT_OUT, *(name for names in theirs.values() for name in names)}
    problems = [f"missing {name}" for name in sorted(used - {*LEFT_OUT} - stored.keys())]
    problems += [f"unexpected {name}" for name in stored if name not in used]
    if problems:
        raise wrong_weights(str(file), problems)
    found = {
        ours: np.ascontiguousarray(np.sum([stored[name] for name in names], axis=0, dtype=np.float32).T)
        for ours, names in theirs.items()
    }
    problems = [
        f"{theirs[ours][0]} has shape {array.shape} in our layout, expected {tuple(variables[ours].shape)}"
        for ours, array in found.items()
        if array.shape != tuple(variables[ours].shape)
    ]
    if problems:
        raise wrong_weights(str(file), problems)
    return found


def _theirs(ours: str) -> tuple[str, ...]:
    """The arrays of the file whose sum is one of ours."""
    stage, _, role = ours.split("/", 2)
    role = role.rpartition("/")[2]
    if not stage.startswith(LSTM):
        return (f"linear.{'weight' if role == 'kernel' else 'bias'}",)
    layer = int(stage.removeprefix(LSTM)) - 1
    return tuple(f"lstm.{name}_l{layer}" for name in ROLES[role])
