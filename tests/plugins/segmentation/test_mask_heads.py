"""Heads of masks: equal to a forward by hand in float64, on the maps of real backbones, and what they refuse."""

import drawn_masks as examples
import keras
import numpy as np
import pytest

from headstart.engine.network.assemble import build_backbone, graft
from headstart.engine.network.stages import read_arrays
from headstart.errors import DataError, UsageError
from headstart.registry import load_registry
from headstart.specs import HEAD, InputRequest, Stage, features_of_head
from headstart_plugins.image import ImageOptions
from headstart_plugins.segmentation._head import build_head

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SHAPES = {"map@8": (None, 5, 7, 6), "map@16": (None, 3, 4, 8), "map@32": (None, 2, 2, 10)}
"""Of maps whose sides are odd."""


def convolved(given, kernel, bias):
    """A convolution, "same", pixel by pixel."""
    size = kernel.shape[0] // 2
    framed = np.pad(given, ((0, 0), (size, size), (size, size), (0, 0)))
    found = np.zeros((*given.shape[:3], kernel.shape[3]))
    for y, x in np.ndindex(*given.shape[1:3]):
        seen = framed[:, y : y + kernel.shape[0], x : x + kernel.shape[1]]
        found[:, y, x] = np.einsum("bijc,ijco->bo", seen, kernel) + bias
    return found


def normed(given, gamma, beta, groups):
    """Each group of channels of each sample with mean 0 and variance 1."""
    rows, height, width, _ = given.shape
    parts = given.reshape(rows, height, width, groups, -1)
    mean, variance = (how(parts, axis=(1, 2, 4), keepdims=True) for how in (np.mean, np.var))
    return ((parts - mean) / np.sqrt(variance + 1e-3)).reshape(given.shape) * gamma + beta


def enlarged(given, factor, like, *, nearest=False):
    """By a whole factor, cut to the size of another map."""
    found = []
    for sample in given:
        if nearest:
            large = sample.repeat(factor, 0).repeat(factor, 1)
        else:
            large = examples.on_input(sample, (factor * sample.shape[0], factor * sample.shape[1]))
        found.append(large[: like.shape[1], : like.shape[2]])
    return np.stack(found)


def lr_aspp_by_hand(maps, weights):
    hidden = normed(convolved(maps["map@16"], *weights["project"]), *weights["project_norm"], 4)
    gate = convolved(maps["map@16"].mean(axis=(1, 2), keepdims=True), *weights["gate"])
    gated = np.maximum(hidden, 0) / (1 + np.exp(-gate))
    coarse = enlarged(gated, 2, maps["map@8"])  # as published: enlarged first
    return convolved(coarse, *weights["classes_16"]) + convolved(maps["map@8"], *weights["classes_8"])


def fpn_by_hand(maps, weights):
    above, total = None, 0
    for stride in (32, 16, 8):
        given = maps[f"map@{stride}"]
        lateral = normed(convolved(given, *weights[f"lateral_{stride}"]), *weights[f"lateral_{stride}_norm"], 4)
        above = lateral if above is None else lateral + enlarged(above, 2, lateral, nearest=True)
        smooth = normed(convolved(above, *weights[f"smooth_{stride}"]), *weights[f"smooth_{stride}_norm"], 4)
        total = total + enlarged(np.maximum(smooth, 0), stride // 8, maps["map@8"])
    return convolved(total, *weights["classes_8"])


@pytest.mark.parametrize(("head", "by_hand"), [("lr_aspp:4", lr_aspp_by_hand), ("fpn:4", fpn_by_hand)])
def test_logits_are_those_of_a_forward_by_hand(head, by_hand):
    random = np.random.default_rng(0)
    maps = {name: random.normal(0, 1, (2, *shape[1:])).astype(np.float32) for name, shape in SHAPES.items()}
    model = build_head(head, SHAPES, classes=3, seed=1, counts=(3, 1, 0))
    weights = {}
    for layer in model.layers:
        if layer.weights:
            for variable in layer.weights:  # norms do not begin at 1 and 0, last layers not near 0
                variable.assign(variable + random.normal(0, 0.3, variable.shape).astype(np.float32))
            weights[layer.name] = [np.array(keras.ops.convert_to_numpy(each), np.float64) for each in layer.weights]
    found = np.array(keras.ops.convert_to_numpy(model({n: maps[n] for n in model.input}, training=False)["logits"]))
    expected = by_hand({name: each.astype(np.float64) for name, each in maps.items()}, weights)
    assert found.shape == (2, 5, 7, 3)
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() <= 1e-4 * max(1.0, expected.std())


def test_a_head_begins_with_the_same_numbers_whatever_the_backend():
    """Weights are drawn by numpy; a first answer knows the shares of the classes."""
    for head in ("lr_aspp:8", "fpn:8"):
        model = build_head(head, SHAPES, classes=3, seed=3, counts=(90, 9, 1))
        arrays = {layer.name: [np.array(each) for each in layer.get_weights()] for layer in model.layers}
        kernel, bias = arrays["classes_8"]
        place = [layer.name for layer in model.layers if hasattr(layer, "kernel")].index("classes_8")
        drawn = np.random.default_rng((3, place)).normal(0, 0.01, kernel.shape).astype(np.float32)
        assert np.array_equal(kernel, drawn)
        assert np.exp(bias) == pytest.approx([0.9, 0.09, 0.01])


@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        ("efficientnet_lite/lite0", "fpn:16"),
        ("mobilenet_v2/imagenet", "lr_aspp"),
        ("keras_applications/vgg16", "lr_aspp:16"),
    ],
)
def test_a_head_answers_in_every_cell_of_any_backbone_with_maps(backbone, head):
    registry = load_registry()
    spec, image = registry.get("backbones", backbone), registry.get("inputs", "image/image")
    kind = registry.load_target(image, image.build)(InputRequest(spec.preprocess, ImageOptions(size=64)))
    options = spec.options(**spec.tiny) if spec.tiny else spec.default_options()
    stages = build_backbone(spec, registry, options=options, inputs=kind.tensors)
    needed = features_of_head(registry.get("tasks", "segmentation"), head)
    wanted = [feature for feature in spec.features if feature.name in needed]
    built = graft(kind, stages, wanted, task=examples.task(), head=head, seed=0)
    assert tuple(built.stages[-1].model.output["logits"].shape) == (None, 8, 8, 4)


@pytest.mark.parametrize(
    ("head", "sides", "named"),
    [
        ("fpn:16,1", (8, 4, 2), "unknown head"),
        ("pyramid", (8, 4, 2), "unknown head"),
        ("fpn", (8, 4, 1), "needs the features map@8 and map@16 and map@32"),
        ("lr_aspp", (9, 4, 2), "each half as high"),
        ("lr_aspp", (None, None, None), "each half as high"),
    ],
)
def test_what_no_head_fits_is_refused(head, sides, named):
    maps = zip((8, 16, 32), sides, strict=True)
    with pytest.raises(UsageError, match=named):
        examples.task().head(head, {f"map@{stride}": (None, side, side, 5) for stride, side in maps}, 0)


@pytest.mark.parametrize("head", ["lr_aspp:8", "fpn:8"])
def test_a_head_that_goes_on_keeps_what_sees_and_the_classes_that_both_know(head):
    """`ground, ant, bee, cow` goes on as `cow, ground, dog`."""
    old, new = examples.task(), examples.task(names=("cow", "ground", "dog"))
    learned, first = (read_arrays([Stage(HEAD, task.head(head, SHAPES, seed))]) for seed, task in enumerate((old, new)))
    learned = {name: array + 1 for name, array in learned.items()}
    taken = new.take_over(old, learned, first)
    assert (taken.kept, taken.added, taken.left_out) == (["cow", "ground"], ["dog"], ["ant", "bee"])
    differing = {name for name in first if learned[name].shape != first[name].shape}
    assert len(differing) == (4 if head == "lr_aspp:8" else 2)
    for name, array in taken.arrays.items():
        expected = learned[name]
        if name in differing:
            expected = np.stack([learned[name][..., 3], learned[name][..., 0], first[name][..., 2]], axis=-1)
        assert np.array_equal(array, expected), name
    with pytest.raises(DataError, match="nothing of it would be kept"):
        examples.task(names=("elk", "dog")).take_over(old, learned, first)
    with pytest.raises(DataError, match=r"^head/[0-9]+/\w+ of the other run's head has the shape"):
        new.take_over(old, learned, {name: array[..., :1] for name, array in first.items()})
