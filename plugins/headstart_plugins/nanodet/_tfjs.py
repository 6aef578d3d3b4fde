"""A graph model of TensorFlow.js read as data: JSON says what is computed, and how its constants lie in a binary file.

Nothing in it is run. In the format of TensorFlow.js' converter, `weightsManifest` lists the constants, which lie one
after another without gaps, little-endian, some as float16.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import WrongWeightsError

LARGEST_GRAPH, LARGEST_DATA = 4 << 20, 256 << 20
"""Bytes that are read at most, of the JSON and of the binary file."""
MOST_AXES = 8
TYPES = {("float32", None): "<f4", ("float32", "float16"): "<f2", ("int32", None): "<i4"}
"""How numbers are stored, by what they are and what they were made smaller to."""


@dataclass(frozen=True)
class Node:
    """An operation: its kind as TensorFlow calls it, and the nodes that it is given."""

    operation: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class GraphModel:
    """The nodes of a graph and its constants, by name, in the order of the files; floats are float32."""

    nodes: dict[str, Node]
    arrays: dict[str, np.ndarray]


def read_graph_model(data: Path) -> GraphModel:
    """The graph model of one binary file, `NAME.bin`, whose JSON is `NAME.json` beside it.

    Raises WrongWeightsError naming the file and what in it is not as expected.
    """
    graph = data.with_suffix(".json")
    document = _document(graph, _content(graph, LARGEST_GRAPH))
    try:
        nodes = {
            node["name"]: Node(node["op"], tuple(node.get("input", ()))) for node in document["modelTopology"]["node"]
        }
        (group,) = document["weightsManifest"]
        if group["paths"] != [data.name]:
            raise _wrong(graph, f"its numbers lie in {group['paths']}, expected {[data.name]}")
        arrays = _arrays(graph, group["weights"], data)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise _wrong(graph, f"it is no graph model of one binary file: {exc!r}") from exc
    return GraphModel(nodes, arrays)


def _document(path: Path, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise _wrong(path, f"it is no JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise _wrong(path, "it is no JSON object")
    return document


def _arrays(graph: Path, entries: list[Any], data: Path) -> dict[str, np.ndarray]:
    """The arrays that `entries` of the manifest say one after another in `data`."""
    content, start, found = _content(data, LARGEST_DATA), 0, dict[str, np.ndarray]()
    for entry in entries:
        name, shape, kind = entry["name"], entry["shape"], entry["dtype"]
        stored = entry.get("quantization", {}).get("dtype")
        if (kind, stored) not in TYPES:
            raise _wrong(graph, f"{name} is {kind} stored as {stored or kind}; read are float32, float16 and int32")
        if len(shape) > MOST_AXES or not all(type(side) is int and 0 <= side <= LARGEST_DATA for side in shape):
            raise _wrong(graph, f"{name} has the shape {shape}")
        if name in found:
            raise _wrong(graph, f"{name} is there twice")
        type_, count = np.dtype(TYPES[kind, stored]), math.prod(shape)
        if start + count * type_.itemsize > len(content):
            raise _wrong(data, f"it has {len(content)} bytes, and {name} would end after them")
        array = np.frombuffer(content, type_, count, start).reshape(shape)
        found[name] = array.astype(np.float32 if kind == "float32" else np.int32)
        start += array.nbytes
    if start != len(content):
        raise _wrong(data, f"it has {len(content)} bytes, and {graph.name} says what {start} of them are")
    return found


def _content(path: Path, largest: int) -> bytes:
    try:
        if path.stat().st_size > largest:
            raise _wrong(path, f"it has {path.stat().st_size} bytes; at most {largest} are read")
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise _wrong(path, "there is no such file") from exc


def _wrong(path: Path, problem: str) -> WrongWeightsError:
    return WrongWeightsError(
        f"{path} cannot be read as weights: {problem}",
        hint="expected a graph model of TensorFlow.js, NAME.json and NAME.bin beside one another",
    )
