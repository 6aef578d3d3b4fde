"""Matches the layers of a Keras weight file with those of a staged backbone: by name, else by order."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from headstart.engine.network.stages import name_variables, weighted_layers, wrong_weights
from headstart.errors import WrongWeightsError
from headstart.specs import Backbone, Stage
from headstart_plugins.keras_applications._families import IMAGENET_MEAN, IMAGENET_STD
from headstart_plugins.keras_applications._graph import by_place, stable_names

MAX_BYTES = 8 * 1024**3
"""Beyond any network of keras.applications; a larger member of a `.keras` file is refused."""


@dataclass(frozen=True)
class Entry:
    """One layer of a file: its name there and its arrays, trainable ones first as Keras writes them."""

    name: str
    arrays: tuple[np.ndarray, ...]


def read_file(path: Path) -> tuple[list[Entry], bool]:
    """The weighted layers in `path`; and whether they are in the model's order, a nested model being one layer.

    Raises WrongWeightsError where it is no weight file of Keras.
    """
    try:
        with h5py.File(_open(path), "r") as file:
            group = file.get("model_weights", file)
            names = _attribute(group, "layer_names")
            if not names:
                return list(_new_entries(group)), False
            entries = []
            for name in names:
                if weights := _attribute(group[name], "weight_names"):
                    entries.append(Entry(name, tuple(np.asarray(group[name][weight]) for weight in weights)))
            return entries, True
    except (OSError, KeyError, zipfile.BadZipFile) as exc:
        raise WrongWeightsError(
            f"{path}: expected a weight file of Keras (.h5, .weights.h5 or .keras), received something else",
            hint="get the file again, or name another one",
        ) from exc


def _open(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("model.weights.h5")
        if member.file_size > MAX_BYTES:
            raise WrongWeightsError(f"{path}: its weights claim {member.file_size} bytes, at most {MAX_BYTES}")
        return io.BytesIO(archive.read(member))


def _attribute(group: Any, name: str) -> list[str]:
    """A list of strings; Keras spreads long ones over `name0`, `name1`, ..."""
    spread = takewhile(lambda each: each in group.attrs, (f"{name}{place}" for place in count()))
    chunks = [group.attrs[each] for each in ([name] if name in group.attrs else spread)]
    return [item.decode() if isinstance(item, bytes) else str(item) for chunk in chunks for item in chunk]


def _new_entries(group: Any) -> Iterator[Entry]:
    """Depth first over `layers/KIND_INDEX/.../vars/0, 1, ...`; the layer's own name is an attribute."""
    for key, child in group.items():
        if not isinstance(child, h5py.Group) or key == "optimizer":
            continue
        if "vars" in child and len(child["vars"]):
            arrays = tuple(np.asarray(child["vars"][i]) for i in sorted(child["vars"], key=int))
            yield Entry(str(child.attrs.get("name") or child["vars"].attrs.get("name") or key), arrays)
        yield from _new_entries(child)


TOP = re.compile(r"fc\d+|predictions|probs|logits|conv_preds|conv_2|\w+_head_dense", re.IGNORECASE)
"""Layers of the published classifiers, which a backbone has no place for."""
HED_OUTPUTS = re.compile(r"conv2d(?:_[1-5])?")
"""The five side outputs of HED and the one that fuses them."""
MAX_TOP = 3
"""The most weighted layers that a published classifier has."""
PREPROCESSING = re.compile(r"(?:\w+_prestem_)?normalization(?:_\d+)?")
HEAD_NORM = re.compile(r"\w+_head_layernorm")
NUMBERED = re.compile(r"(\w+?)(?:_(\d+))?")


@dataclass(frozen=True)
class Slot:
    """A layer that waits for arrays: its stable name, and our names and shapes in Keras' order of writing."""

    name: str
    weights: tuple[tuple[str, tuple[int, ...]], ...]


def load(file: Path, backbone: Backbone, *, top: re.Pattern[str] = TOP) -> Mapping[str, np.ndarray]:
    """The arrays of `file` under our names, float32; layers whose names match `top` are left out.

    Layers are matched by name, those that Keras numbered by their place among their kind. Where names do not
    fit (older releases named layers otherwise) and counts and shapes do, by order, as Keras itself does.
    Preprocessing inside the file must be the one declared. Raises WrongWeightsError listing what differs.
    """
    found, ordered = read_file(file)
    slots = list(_slots(backbone.stages, nested=ordered))
    numbered = {slot.name.partition("#")[0] for slot in slots if "#" in slot.name}
    entries = _without_preprocessing(found, str(file))
    named = _stable(entries, numbered)
    problems = _differences(slots, named, top)
    if not problems:
        matched = [named[slot.name] for slot in slots]
    elif ordered and _fit_in_order(slots, entries):
        matched = entries[: len(slots)]
    else:
        raise wrong_weights(str(file), problems)
    return {
        name: array.astype(np.float32, copy=False)
        for slot, entry in zip(slots, matched, strict=True)
        for (name, _), array in zip(slot.weights, entry.arrays, strict=True)
    }


load_hed = partial(load, top=HED_OUTPUTS)
"""The convolutions of HED's VGG16; its edge outputs are left out. See `load`."""


def _slots(stages: Sequence[Stage], *, nested: bool) -> Iterator[Slot]:
    """The layers of all stages in order; `nested` keeps a model inside a model as one."""
    ours = {id(variable): name for name, variable in name_variables(stages).items()}
    layers = [
        layer
        for stage in stages
        for layer in (stage.model.layers if nested else weighted_layers(stage.model))
        if layer.weights
    ]
    names = {id(layer): name for name, layer in stable_names(layers).items()}
    for layer in layers:
        variables = layer.trainable_weights + layer.non_trainable_weights
        yield Slot(names[id(layer)], tuple((ours[id(v)], tuple(v.shape)) for v in variables if id(v) in ours))


def _stable(entries: Sequence[Entry], numbered: set[str]) -> dict[str, Entry]:
    """Entries by stable name; `numbered` are the kinds of layers whose names Keras made."""
    found: list[tuple[Entry, str, int | None]] = []
    for entry in entries:
        name = entry.name.replace("/", "_")
        match = NUMBERED.fullmatch(name)
        if HEAD_NORM.fullmatch(name) and "layer_normalization" in numbered:
            found.append((entry, "layer_normalization", 0))
        elif match and match[1] in numbered:
            found.append((entry, match[1], int(match[2] or 0)))
        else:
            found.append((entry, name, None))
    return by_place(found)


def _differences(slots: Sequence[Slot], named: Mapping[str, Entry], top: re.Pattern[str] = TOP) -> list[str]:
    wanted = {slot.name for slot in slots}
    problems = [f"missing {slot.name}" for slot in slots if slot.name not in named]
    problems += [f"unexpected {name}" for name in named if name not in wanted and not top.fullmatch(name)]
    there = (slot for slot in slots if slot.name in named)
    return [*problems, *(problem for slot in there for problem in _shape_problems(slot, named[slot.name]))]


def _shape_problems(slot: Slot, entry: Entry) -> Iterator[str]:
    if len(slot.weights) != len(entry.arrays):
        yield f"{entry.name} has {len(entry.arrays)} arrays, expected {len(slot.weights)}"
        return
    for (name, shape), array in zip(slot.weights, entry.arrays, strict=True):
        if array.shape != shape:
            yield f"{entry.name} ({name}) has shape {array.shape}, expected {shape}"


def _fit_in_order(slots: Sequence[Slot], entries: Sequence[Entry]) -> bool:
    """Whether `entries` fit `slots` one by one; only a classifier's top may follow."""
    enough = len(slots) <= len(entries) <= len(slots) + MAX_TOP
    return enough and not any(list(_shape_problems(*pair)) for pair in zip(slots, entries, strict=False))


def _without_preprocessing(entries: Sequence[Entry], source: str) -> list[Entry]:
    """Leave out a Normalization of ImageNet's values: the input kind does it from plain values."""
    for entry in entries:
        if PREPROCESSING.fullmatch(entry.name) and not _is_imagenet(entry):
            values = [np.round(array, 4).tolist() for array in entry.arrays[:2]]
            raise wrong_weights(source, [f"{entry.name} normalises by {values}, not by ImageNet's mean"])
    return [entry for entry in entries if not PREPROCESSING.fullmatch(entry.name)]


def _is_imagenet(entry: Entry) -> bool:
    """ImageNet's mean, with its variance, or with its deviation as EfficientNet's files have it.

    Keras divides by the root of that deviation once more, so both mean the same (
    tensorflow/tensorflow#49930).
    """
    if len(entry.arrays) < 2 or entry.arrays[0].size != 3:
        return False
    mean, variance = (np.ravel(array).astype(np.float64) for array in entry.arrays[:2])
    unit = 255.0 if mean.max() > 1 else 1.0
    deviation = np.array(IMAGENET_STD)
    return bool(
        np.allclose(mean / unit, IMAGENET_MEAN, atol=1e-3)
        and any(np.allclose(variance / unit**2, value, atol=1e-3) for value in (deviation, deviation**2))
    )
