"""Prints the rows of the plugin's `_table.py` from the installed Keras.

    KERAS_BACKEND=torch python tests/plugins/keras_applications/make_table.py

Cuts lie between groups of blocks, where one tensor is alive; the rules below name the topmost layer of
each stage and `survey` reads channels, strides, other alive layers (NASNet's cells see two layers back),
parameter counts and the address and digest of the published file, exactly as the installed Keras would ask
for them. NASNetMobile cannot be built on torch: `KERAS_BACKEND=jax ... make_table.py nasnetmobile` prints its row.
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras.src.utils import file_utils

from headstart_plugins.keras_applications._families import Cut, Network
from headstart_plugins.keras_applications._graph import stable_names

Rules = Sequence[tuple[str, str]]
"""(stage, pattern): a stage ends at the last layer whose stable name matches; `stride:N` is the last map with
that stride, and `last` the last map of the network."""


def _blocks(pattern: str, stages: Sequence[int]) -> Rules:
    return [(f"block{stage}", pattern.format(stage)) for stage in stages]


def _nasnet(cells: int) -> Rules:
    ends = (cells - 1, 2 * cells, 3 * cells)
    names = [("stem", "reduction_concat_stem_2")]
    names += [(f"cells{i + 1}", f"normal_concat_{end}") for i, end in enumerate(ends[:2])]
    return [*names, ("cells3", "last")]


_RESNET: Rules = [
    ("stem", "pool1_pool"),
    *[(f"stage{i}", rf"conv{i + 1}_block\d+_out") for i in (1, 2, 3)],
    ("stage4", "last"),
]
_EFFICIENT = r"block{}[a-z]_(add|project_bn|project_activation)"

RULES: dict[str, tuple[str, Rules]] = {
    r"VGG\d+": ("vgg", _blocks("block{}_pool", range(1, 6))),
    r"ResNet\d+": ("resnet", _RESNET),
    r"ResNet\d+V2": ("resnet_v2", _RESNET),
    r"Xception": (
        "xception",
        [
            ("stem", "block1_conv2_act"),
            ("block2", "add#0"),
            ("block3", "add#1"),
            ("block4", "add#2"),
            ("middle", "add#10"),
            ("exit", "last"),
        ],
    ),
    r"InceptionV3": (
        "inception_v3",
        [("stem", "max_pooling2d#1"), ("grid35", "mixed2"), ("grid17", "mixed7"), ("grid8", "last")],
    ),
    r"InceptionResNetV2": (
        "inception_resnet_v2",
        [
            ("stem", "max_pooling2d#1"),
            ("block35", "block35_10_ac"),
            ("block17", "block17_20_ac"),
            ("block8", "last"),
        ],
    ),
    r"MobileNet": (
        "mobilenet",
        [(f"stage{i + 1}", f"conv_pw_{end}_relu") for i, end in enumerate((1, 3, 5, 11, 13))],
    ),
    r"MobileNetV2": (
        "mobilenet_v2",
        [
            ("stem", "expanded_conv_project_BN"),
            *[(f"stage{i + 1}", f"block_{end}_add") for i, end in enumerate((2, 5, 9, 12, 15))],
            ("stage6", "block_16_project_BN"),
            ("top", "last"),
        ],
    ),
    r"MobileNetV3Small": (
        "mobilenet_v3",
        [
            ("stem", "expanded_conv_project_bn"),
            *[(f"stage{i + 1}", f"expanded_conv_{end}_add") for i, end in enumerate((2, 5, 7, 10))],
            ("top", "last"),
        ],
    ),
    r"MobileNetV3Large": (
        "mobilenet_v3",
        [
            ("stem", "expanded_conv_add"),
            *[(f"stage{i + 1}", f"expanded_conv_{end}_add") for i, end in enumerate((2, 5, 9, 11, 14))],
            ("top", "last"),
        ],
    ),
    r"DenseNet\d+": (
        "densenet",
        [
            ("stem", "pool1"),
            *[(f"dense{i}", rf"conv{i + 1}_block\d+_concat") for i in (1, 2, 3)],
            ("dense4", "last"),
        ],
    ),
    r"NASNetMobile": ("nasnet_mobile", _nasnet(4)),
    r"NASNetLarge": ("nasnet_large", _nasnet(6)),
    r"EfficientNetB\d": (
        "efficientnet",
        [("stem", "stem_activation"), *_blocks(_EFFICIENT, range(1, 8)), ("top", "last")],
    ),
    r"EfficientNetV2B\d": (
        "efficientnet_v2b",
        [("stem", "stem_activation"), *_blocks(_EFFICIENT, range(1, 7)), ("top", "last")],
    ),
    r"EfficientNetV2[SML]": (
        "efficientnet_v2",
        [("stem", "stem_activation"), *_blocks(_EFFICIENT, range(1, 8)), ("top", "last")],
    ),
    r"ConvNeXt\w+": (
        "convnext",
        [("stem", r"convnext_\w+_stem"), *[(f"stage{i}", f"stride:{2 ** (i + 1)}") for i in range(1, 5)]],
    ),
}
"""Family and rules by the name of the function; a stage that nothing matches is left out."""


class _Asked(Exception):
    """Raised in place of a download; holds what Keras asked for."""


def _published(function: Any, size: int) -> tuple[str, str, str]:
    def ask(fname: str, origin: str, cache_subdir: str = "", file_hash: str | None = None) -> None:
        raise _Asked(fname, origin, file_hash or "unknown")

    original, file_utils.get_file = file_utils.get_file, ask
    try:
        function(include_top=False, weights="imagenet", input_shape=(size, size, 3))
    except _Asked as asked:
        file, url, digest = asked.args
        return file, url, digest
    finally:
        file_utils.get_file = original
    raise RuntimeError(f"{function.__name__} asked for no file")


def _parents(operation: Any, inside: set[int]) -> Iterator[Any]:
    for node in operation._inbound_nodes:
        for parent in node.parent_nodes:
            if id(parent.operation) in inside:
                yield parent.operation


def _alive(operations: Sequence[Any], end: int) -> list[Any]:
    """Tensors alive above `end`: what it and all below it give to what is not below it, topmost first."""
    inside = {id(operation) for operation in operations}
    below, waiting = {id(operations[end])}, [operations[end]]
    while waiting:
        for parent in _parents(waiting.pop(), inside):
            if id(parent) not in below:
                below.add(id(parent))
                waiting.append(parent)
    beside = [operation for operation in operations if id(operation) not in below]
    read = {id(parent) for operation in beside for parent in _parents(operation, inside)}
    return [operation for operation in reversed(operations) if id(operation) in read & below]


def _ends(model: keras.Model, rules: Rules) -> Iterator[tuple[str, int]]:
    names = {id(operation): name for name, operation in stable_names(model.operations).items()}
    maps = [i for i, operation in enumerate(model.operations) if len(operation.output.shape) == 4]
    for stage, pattern in rules:
        if pattern == "last":
            yield stage, maps[-1]
        elif pattern.startswith("stride:"):
            wanted = int(pattern.partition(":")[2])
            yield stage, [i for i in maps if _stride(model, model.operations[i]) == wanted][-1]
        elif found := [i for i in maps if re.fullmatch(pattern, names[id(model.operations[i])])]:
            yield stage, found[-1]


def _stride(model: keras.Model, operation: Any) -> int:
    return int(2 ** round(math.log2(model.input_shape[1] / operation.output.shape[1])))


def _cuts(model: keras.Model, rules: Rules) -> Iterator[Cut]:
    names = {id(operation): name for name, operation in stable_names(model.operations).items()}
    for stage, end in _ends(model, rules):
        alive = _alive(model.operations, end)
        layers = tuple(names[id(operation)] for operation in alive)
        yield Cut(stage, layers, alive[0].output.shape[-1], _stride(model, alive[0]))


def survey(function_name: str) -> Network:
    """Build the network on no memory (torch's meta device) and read its row. The rules must know the name."""
    family, rules = next(rule for pattern, rule in RULES.items() if re.fullmatch(pattern, function_name))
    function = getattr(keras.applications, function_name)
    plain = (
        {"include_preprocessing": False}
        if (family in {"mobilenet_v3", "efficientnet_v2", "efficientnet_v2b", "convnext"})
        else {}
    )
    place = keras.device("meta") if keras.backend.backend() == "torch" else contextlib.nullcontext()
    with place:
        size = function(weights=None).input_shape[1] or 224
        file, url, digest = _published(function, size)
        shape = (size, size, 3)
        model = function(include_top=False, weights=None, pooling="avg", input_shape=shape, **plain)
    parameters = model.count_params() - (7 if family == "efficientnet" else 0)  # its Normalization is not ours
    name = function_name.lower()
    return Network(name, function_name, family, size, parameters, file, url, digest, tuple(_cuts(model, rules)))


def main() -> None:
    """Print the table, or the rows whose lower-case name starts with the first argument."""
    prefix = sys.argv[1] if len(sys.argv) > 1 else ""
    functions = [name for name in dir(keras.applications) if name[0].isupper()]
    functions.sort(key=lambda name: not name.startswith("VGG"))
    for name in functions:
        if name.lower().startswith(prefix) and (prefix or name != "NASNetMobile"):
            sys.stdout.write(f"    {survey(name)!r},\n")


if __name__ == "__main__":
    main()
