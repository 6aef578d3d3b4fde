"""Heads on the maps of real backbones: their form, their first numbers, and what they refuse."""

import os

import drawn_boxes as examples
import keras
import numpy as np
import pytest

from headstart.engine.network.assemble import build_backbone, graft
from headstart.engine.network.stages import read_arrays
from headstart.errors import DataError, UsageError
from headstart.registry import load_registry
from headstart.specs import HEAD, InputRequest, Stage
from headstart_plugins.image import ImageOptions

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True
ON_JAX = [pytest.mark.slow] * (os.environ.get("KERAS_BACKEND") == "jax")


def network(backbone, head, size=64, seed=0):
    """A backbone's smallest form under a head for three classes."""
    registry = load_registry()
    spec = registry.get("backbones", backbone)
    image = registry.get("inputs", "image/image")
    kind = registry.load_target(image, image.build)(InputRequest(spec.preprocess, ImageOptions(size=size)))
    options = spec.options(**spec.tiny) if spec.tiny else spec.default_options()
    stages = build_backbone(spec, registry, options=options, inputs=kind.tensors)
    wanted = [feature for feature in spec.features if feature.name in ("map@8", "map@16", "map@32")]
    return graft(kind, stages, wanted, task=examples.task(size=None), head=head, seed=seed)


@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        ("efficientnet_lite/lite0", "plain"),
        ("mobilenet_v2/imagenet", "pyramid:16,1"),
        pytest.param("keras_applications/vgg16", "pyramid:16,1", marks=ON_JAX),
    ],
)
def test_a_head_answers_in_every_cell_of_any_backbone_with_three_maps(backbone, head):
    built = network(backbone, head)
    outputs = built.stages[-1].model.output
    positions = 8 * 8 + 4 * 4 + 2 * 2
    assert {name: tuple(tensor.shape) for name, tensor in outputs.items()} == {
        "classes": (None, positions, 3),
        "sides": (None, positions, 4, 11),
    }


def test_towers_are_shared_and_plain_convolutions_are_not():
    shapes = {f"map@{stride}": (None, 64 // stride, 96 // stride, 5) for stride in (8, 16, 32)}
    pyramid, plain = (examples.task().head(name, shapes, 0) for name in ("pyramid:16,2", "plain"))
    assert sum(layer.name.startswith("classes_0") for layer in pyramid.layers) == 1
    assert [layer.name for layer in plain.layers if layer.weights] == [
        f"{what}_{stride}" for what in ("classes", "sides") for stride in (8, 16, 32)
    ]
    for head in (pyramid, plain):
        biases = [layer.bias for layer in head.layers if layer.name in ("classes", "classes_8", "classes_32")]
        logits = [np.array(keras.ops.convert_to_numpy(bias)) for bias in biases]
        assert np.concatenate(logits) == pytest.approx(np.log(0.01 / 0.99))


def test_a_head_begins_with_the_same_numbers_whatever_the_backend():
    """The means of what it answers first, of drawn features, as they are on both."""
    shapes = {f"map@{stride}": (None, 64 // stride, 96 // stride, 5) for stride in (8, 16, 32)}
    random = np.random.default_rng(0)
    features = {name: random.normal(0, 3, (2, *shape[1:])).astype(np.float32) for name, shape in shapes.items()}
    for head, expected in (("pyramid:16,2", PYRAMID), ("plain", PLAIN)):
        outputs = examples.task().head(head, shapes, 3)(features, training=False)
        found = [np.array(keras.ops.convert_to_numpy(outputs[name])) for name in ("classes", "sides")]
        means = [float(np.abs(each - each.mean()).mean()) for each in found]
        assert means == pytest.approx(expected, rel=1e-4), head


PYRAMID, PLAIN = (0.0199751, 0.0207229), (0.0613080, 0.0503179)
"""Mean absolute deviations of the logits of classes and of sides."""


@pytest.mark.parametrize(
    ("head", "sides", "named"),
    [
        ("pyramid:16,1,1", (8, 4, 2), "unknown head"),
        ("plain:3", (8, 4, 2), "unknown head"),
        ("pyramid", (9, 4, 2), "each half as high"),
        ("pyramid", (None, None, None), "each half as high"),
    ],
)
def test_what_no_head_fits_is_refused(head, sides, named):
    maps = zip((8, 16, 32), sides, strict=True)
    shapes = {f"map@{stride}": (None, side, side, 5) for stride, side in maps}
    with pytest.raises(UsageError, match=named):
        examples.task().head(head, shapes, 0)


def test_maps_of_odd_sides_meet():
    """260 pixels, lite2's own: 33, 17 and 9 cells."""
    shapes = {f"map@{stride}": (None, side, side, 5) for stride, side in ((8, 33), (16, 17), (32, 9))}
    model = examples.task().head("pyramid:16,1", shapes, 0)
    assert model.output["classes"].shape[1] == 33**2 + 17**2 + 9**2


@pytest.mark.parametrize("head", ["pyramid:16,2", "plain"])
def test_a_head_that_goes_on_keeps_its_boxes_and_the_classes_that_both_know(head):
    """`ant, bee, cow` goes on as `cow, dog`."""
    shapes = {f"map@{stride}": (None, 64 // stride, 96 // stride, 5) for stride in (8, 16, 32)}
    old, new = examples.task(), examples.task(classes=("cow", "dog"))
    learned, first = (read_arrays([Stage(HEAD, task.head(head, shapes, seed))]) for seed, task in enumerate((old, new)))
    learned = {name: array + 1 for name, array in learned.items()}
    taken = new.take_over(old, learned, first)
    assert (taken.kept, taken.added, taken.left_out) == (["cow"], ["dog"], ["ant", "bee"])
    differing = {name for name in first if learned[name].shape != first[name].shape}
    assert len(differing) == (6 if head == "plain" else 2)
    for name, array in taken.arrays.items():
        expected = learned[name]
        if name in differing:
            expected = np.stack([learned[name][..., 2], first[name][..., 1]], axis=-1)
        assert np.array_equal(array, expected), name
    assert not [*examples.task(classes=("elk", "dog")).take_over(old, learned, first).kept]  # what finds boxes stays
    others = {name: array[..., :1] for name, array in first.items()}
    with pytest.raises(DataError, match=r"^head/[0-9]+/\w+ of the other run's head has the shape"):
        new.take_over(old, learned, others)
