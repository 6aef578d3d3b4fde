"""A file in the published form, with random numbers and fewer channels: written operation by operation, as the file has
them, apart from what is tested."""

import json

import numpy as np

STEM, BLOCKS, NECK = 8, ((1, 8), (2, 8), (2, 16), (3, 24)), 16
"""Channels of the published ones at a tenth of the width; of each block the pairs of convolutions before."""


class Writer:
    """Nodes and constants so far; each method adds some and returns the name of what they give, channels first."""

    def __init__(self):
        self.random = np.random.default_rng(0)
        self.nodes, self.entries, self.data = [], [], b""
        self.constant("ends", np.int32([[0, 0], [0, 0], [1, 1], [1, 1]]))
        self.constant("last", np.int32([0, 2, 3, 1]))
        self.constant("first", np.int32([0, 3, 1, 2]))
        self.constant("axis", np.int32(1))

    def constant(self, name, array, kind=None):
        """Floats are stored as float16, which is what the published file does."""
        entry = {"name": name, "shape": list(array.shape), "dtype": kind or str(array.dtype)}
        if array.dtype == np.float32:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            array = array.astype(np.float16)
        self.entries.append(entry)
        self.nodes.append({"name": name, "op": "Const"})
        self.data += array.tobytes()
        return name

    def node(self, operation, *inputs, **attributes):
        name = attributes.pop("name", f"node_{len(self.nodes)}")
        self.nodes.append({"name": name, "op": operation, "input": list(inputs), "attr": attributes})
        return name

    def convolution(self, number, x, channels, *, side=3, stride=1, leaky=True):
        """`channels` are those that it takes and gives."""
        given, filters = channels
        name = "PartitionedCall/convolution" + (f"_{number}" if number else "")
        drawn = self.random.normal(0, np.sqrt(2 / (side * side * given)), (side, side, given, filters))
        kernel = self.constant(f"{name}/kernel", drawn.astype(np.float32))
        bias = self.constant(f"{name}/bias", self.random.normal(0, 0.1, filters).astype(np.float32))
        padded = self.node("Pad", x, "ends") if side == 3 else x
        made = self.node(
            "Conv2D",
            self.node("Transpose", padded, "last"),
            kernel,
            name=name,
            padding={"s": "VkFMSUQ="},
            data_format={"s": "TkhXQw=="},
            dilations={"list": {"i": ["1"] * 4}},
            strides={"list": {"i": ["1", str(stride), str(stride), "1"]}},
        )
        x = self.node("Transpose", self.node("Add", made, bias), "first")
        return self.node("LeakyRelu", x, alpha={"f": 0.1}) if leaky else x

    def joined(self, *names):
        return self.node("ConcatV2", *names, "axis")

    def resized(self, x, side):
        sides = self.constant(f"sides_{len(self.nodes)}", np.int32([side, side]))
        way = {"half_pixel_centers": {"b": True}, "align_corners": {"b": False}}
        return self.node(
            "Transpose", self.node("ResizeBilinear", self.node("Transpose", x, "last"), sides, **way), "first"
        )

    def largest(self, x):
        lowest = self.constant("lowest", np.float32(-np.inf))
        x = self.node("Transpose", self.node("PadV2", x, "ends", lowest), "last")
        way = {"padding": {"s": "VkFMSUQ="}, "ksize": {"list": {"i": ["1", "3", "3", "1"]}}}
        return self.node(
            "Transpose", self.node("MaxPool", x, **way, strides={"list": {"i": ["1", "2", "2", "1"]}}), "first"
        )

    def answers(self, place, x):
        """Scores and sides of a map, as the outputs `Identity` number `place` and three later."""
        sizes = self.constant(f"sizes_{place}", np.int32([80, 44]))
        split = self.node("SplitV", x, sizes, "axis")
        for number, part, last in ((place, self.node("Sigmoid", split), 80), (place + 3, f"{split}:1", 44)):
            shape = self.constant(f"shape_{number}", np.int32([1, last, -1]))
            order = self.constant(f"order_{number}", np.int32([0, 2, 1]))
            rows = self.node("Transpose", self.node("Reshape", part, shape), order)
            self.node("Identity", rows, name=f"Identity_{number}" if number else "Identity")

    def document(self, path):
        outputs = {f"Identity_{place}:0" if place else "Identity:0": {} for place in range(6)}
        return {
            "format": "graph-model",
            "signature": {"outputs": outputs},
            "modelTopology": {"node": self.nodes},
            "weightsManifest": [{"paths": [path.name], "weights": self.entries}],
        }


def write(path):
    """`path` is NAME.bin; NAME.json comes beside it, and is returned as a document."""
    writer = Writer()
    writer.node("Placeholder", name="input_1")
    x = writer.largest(writer.convolution(0, "input_1", (3, STEM), stride=2))
    number, channels, found = 1, STEM, []
    for place, (pairs, filters) in enumerate(BLOCKS):
        entry = y = writer.convolution(number, x, (channels, filters), stride=2 if place else 1)
        for pair in range(pairs):
            half = writer.convolution(number + 1 + 2 * pair, y, (filters, filters // 2))
            y = writer.joined(writer.convolution(number + 2 + 2 * pair, half, (filters // 2,) * 2), half)
        number += 2 + 2 * pairs
        x, channels = writer.joined(writer.convolution(number - 1, y, (filters, filters)), entry), 2 * filters
        found.append((x, channels))
    fine, middle, coarse = (
        writer.convolution(25 + place, name, (given, NECK), side=1, leaky=False)
        for place, (name, given) in enumerate(found[1:])
    )
    middle = writer.node("Add", middle, writer.resized(coarse, 26))
    fine = writer.node("Add", fine, writer.resized(middle, 52))
    middle = writer.node("Add", middle, writer.resized(fine, 26))
    coarse = writer.node("Add", coarse, writer.resized(middle, 13))
    for place, name in enumerate((fine, middle, coarse)):
        tower = writer.convolution(28 + 2 * place, name, (NECK, NECK))
        writer.answers(place, writer.convolution(29 + 2 * place, tower, (NECK, 124), side=1, leaky=False))
    path.write_bytes(writer.data)
    document = writer.document(path)
    path.with_suffix(".json").write_text(json.dumps(document), "utf-8")
    return document
