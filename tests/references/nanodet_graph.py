"""NanoDet's published graph run as it stands: every operation of `nanodet.json` in torch, in the file's own order.

It knows nothing of the network: what is computed, and of which arrays, the file says. `headstart` is not asked.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

NATIVE = 416
"""The side, in pixels, that the file states; at others the constant sides of its resizing grow with it."""
TYPES = {"float16": np.float16, "float32": np.float32, "int32": np.int32}


def constants(file):
    """The graph, and its constants by name: as the manifest lays them one after another into the binary file."""
    document = json.loads(Path(file).read_text("utf-8"))
    (group,) = document["weightsManifest"]
    (path,) = group["paths"]
    data, start, found = Path(file).with_name(path).read_bytes(), 0, {}
    for entry in group["weights"]:
        stored = np.dtype(TYPES[entry.get("quantization", entry)["dtype"]])
        count = int(np.prod(entry["shape"]))
        array = np.frombuffer(data, stored, count, start).reshape(entry["shape"])
        found[entry["name"]] = array.astype(TYPES[entry["dtype"]])
        start += array.nbytes
    assert start == len(data)
    return document, found


def outputs(file, image, *, sigmoid=torch.sigmoid):
    """The six outputs of the graph, `Identity` to `Identity_5` (batch, position, 80 or 44); `image` is preprocessed,
    (batch, height, width, 3) float32, sides multiples of 32. `sigmoid` is what stands for the graph's."""
    document, arrays = constants(file)
    scale = [side / NATIVE for side in image.shape[1:3]]
    with torch.no_grad():
        values = {name: [torch.from_numpy(array.copy())] for name, array in arrays.items()}
        values["input_1"] = [torch.from_numpy(np.ascontiguousarray(image.transpose(0, 3, 1, 2)))]
        for node in document["modelTopology"]["node"]:
            if node["op"] in ("Const", "Placeholder"):
                continue
            given = [values[name][int(place or 0)] for name, _, place in (i.partition(":") for i in node["input"])]
            if node["op"] == "Sigmoid":
                values[node["name"]] = [sigmoid(*given)]
            else:
                values[node["name"]] = OPERATIONS[node["op"]](node.get("attr", {}), scale, *given)
        names = [name.removesuffix(":0") for name in document["signature"]["outputs"]]
        return {name: values[name][0].numpy() for name in sorted(names)}


def logits(file, image):
    """`classes` (batch, position, 80), before the file's sigmoid, and `sides` (batch, position, 44), maps fine to
    coarse."""
    found = outputs(file, image, sigmoid=lambda tensor: tensor)
    classes = np.concatenate([found[name] for name in ("Identity", "Identity_1", "Identity_2")], 1)
    return {"classes": classes, "sides": np.concatenate([found[f"Identity_{place}"] for place in (3, 4, 5)], 1)}


def _added(_, __, first, second):
    return [first + second]


def _padded(_, __, tensor, ends, value=0.0):
    return [functional.pad(tensor, [int(end) for pair in reversed(ends.tolist()) for end in pair], value=float(value))]


def _filled(_, __, places, shape, values, default):
    assert places.numel() == values.numel() == 0  # nothing is put in
    return [torch.full(shape.tolist(), int(default))]


def _convolved(attributes, _, tensor, kernel):
    assert attributes["data_format"]["s"] == "TkhXQw=="  # base64 of NHWC
    assert attributes["dilations"]["list"]["i"] == ["1"] * 4
    stride = _unpadded(attributes, "strides")
    return [functional.conv2d(_first(tensor), kernel.permute(3, 2, 0, 1), stride=stride).permute(0, 2, 3, 1)]


def _pooled(attributes, _, tensor):
    side, stride = _unpadded(attributes, "ksize"), _unpadded(attributes, "strides")
    return [functional.max_pool2d(_first(tensor), side, stride).permute(0, 2, 3, 1)]


def _unpadded(attributes, name):
    assert attributes["padding"]["s"] == "VkFMSUQ="  # base64 of VALID
    _, height, width, _ = map(int, attributes[name]["list"]["i"])
    assert height == width
    return height


def _resized(attributes, scale, tensor, sides):
    assert attributes["half_pixel_centers"]["b"]
    assert not attributes["align_corners"]["b"]
    wanted = [round(int(side) * by) for side, by in zip(sides.tolist(), scale, strict=True)]
    found = functional.interpolate(_first(tensor), wanted, mode="bilinear", align_corners=False)
    return [found.permute(0, 2, 3, 1)]


def _first(tensor):
    """Channels first."""
    return tensor.permute(0, 3, 1, 2)


OPERATIONS = {
    "Add": _added,
    "AddV2": _added,
    "ConcatV2": lambda _, __, *given: [torch.cat(given[:-1], int(given[-1]))],
    "Conv2D": _convolved,
    "Identity": lambda _, __, tensor: [tensor],
    "LeakyRelu": lambda attributes, _, tensor: [functional.leaky_relu(tensor, attributes["alpha"]["f"])],
    "MaxPool": _pooled,
    "Pad": _padded,
    "PadV2": _padded,
    "Reshape": lambda _, __, tensor, shape: [tensor.reshape([len(tensor), *shape.tolist()[1:]])],
    "ResizeBilinear": _resized,
    "SparseToDense": _filled,
    "SplitV": lambda _, __, tensor, sizes, axis: list(tensor.split(sizes.tolist(), int(axis))),
    "Transpose": lambda _, __, tensor, order: [tensor.permute(*order.tolist())],
}
"""By name: attributes, the scale of the picture's sides, and what is given, to a list of outputs."""
