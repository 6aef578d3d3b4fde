"""Networks of keras.applications at their smallest sizes, and public Keras models to compare them with."""

import contextlib
import os

import numpy as np

from headstart.specs import BackboneRequest, Stage, TensorSpec
from headstart_plugins.keras_applications import FAMILIES, NETWORKS, register_backbones

collect_ignore = [] if os.environ.get("KERAS_BACKEND") else ["test_build.py", "test_classic_head.py", "test_load.py"]
"""They import keras, which needs a backend."""
SPECS = {spec.short_name: spec for spec in register_backbones()}
BY_NAME = {network.name: network for network in NETWORKS}


QUICK_ON = {
    # A few kinds of block. JAX compiles each operation of each size, so that building alone takes seconds there.
    "jax": ("mobilenet",),
    "torch": ("mobilenet", "mobilenetv3small"),
}
"""The networks that are compared with Keras' own in the quick run; all others are marked slow."""


class Kit:
    """What the tests of one network need; keras is imported only where a backend was chosen."""

    def __init__(self, name):
        self.network = BY_NAME[name]
        self.family = FAMILIES[self.network.family]
        self.spec = SPECS[name]
        self.shape = (self.family.tiny, self.family.tiny, 3)

    def build(self):
        from headstart_plugins.keras_applications import _build

        request = BackboneRequest(self.spec.options(), {"image": TensorSpec(self.shape, "float32")})
        return getattr(_build, self.network.name)(request)

    def keras_model(self, **arguments):
        """The public model with its own preprocessing layers; EfficientNet's set to ImageNet's values."""
        import keras

        function = getattr(keras.applications, self.network.function)
        settings = {"include_top": False, "weights": None, "pooling": "avg", "input_shape": self.shape}
        model = function(**(settings | arguments))
        set_normalization(model, np.square([0.229, 0.224, 0.225]))
        return model

    def keras_model_as_published(self):
        """The public model with `weights="imagenet"`, normalisation as the file has it."""
        import keras

        function = getattr(keras.applications, self.network.function)
        return function(include_top=False, weights="imagenet", pooling="avg", input_shape=self.shape)

    def keras_preprocess(self, pixels):
        """`preprocess_input` of the public module that holds the network."""
        import importlib

        import keras

        function = getattr(keras.applications, self.network.function)
        module = importlib.import_module(function.__module__)
        return module.preprocess_input(np.array(pixels, copy=True))

    def preprocess(self, pixels):
        """The declared plain values, as the image kind applies them."""
        plain = self.spec.preprocess
        ordered = pixels[..., ::-1] if plain["channels"] == "bgr" else pixels
        return (ordered * np.float32(plain["scale"]) + np.float32(plain["offset"])).astype(np.float32)


def reference_input(kit, model, pixels):
    """What `model` feeds its first convolution: `preprocess_input`, then its own leading layers."""
    import keras

    image = kit.keras_preprocess(pixels)
    scaling = (keras.layers.Rescaling, keras.layers.Normalization)
    inner = [layer for layer in model.layers[:5] if isinstance(layer, scaling)]  # later: residual scales
    if not inner:
        return image
    return keras.ops.convert_to_numpy(keras.Model(model.input, inner[-1].output)(image))


def set_normalization(model, variance):
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            mean, spread, _ = layer.weights
            mean.assign(np.reshape([0.485, 0.456, 0.406], mean.shape))
            spread.assign(np.reshape(variance, spread.shape))
            layer.finalize_state()


def pixels_of(shape, count=2):
    """Smooth seeded pictures, (count, height, width, 3) float32 in 0..255."""
    generator = np.random.default_rng(7)
    coarse = generator.uniform(0, 255, (count, 4, 4, 3))
    rows = -(-shape[0] // 4)
    smooth = np.kron(coarse, np.ones((1, rows, rows, 1)))[:, : shape[0], : shape[1]]
    noisy = smooth + generator.normal(0, 20, smooth.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.float32)


def bring_alive(model, pixels):
    """Calibrate a whole Keras model on the pixels that it will be compared on."""
    import keras

    from headstart.engine.network.lsuv_init import initialise

    model.input.name = "image"
    dicts = keras.Model({"image": model.input}, {"pooled": model.output})
    initialise([Stage("whole", dicts)], {"image": pixels}, seed=3)


def run(stages, image):
    """Every tensor between stages, {(stage, name): array}."""
    import keras

    tensors, seen = {"image": keras.ops.convert_to_tensor(image)}, {}
    context = contextlib.nullcontext()
    if keras.backend.backend() == "torch":
        import torch

        context = torch.no_grad()
    with context:
        for stage in stages:
            tensors = stage.model(tensors, training=False)
            seen |= {(stage.name, name): keras.ops.convert_to_numpy(value) for name, value in tensors.items()}
    return seen


def assert_close(actual, reference):
    """Within 1e-4, and not because both are dead."""
    assert actual.shape == reference.shape
    assert reference.std() > 0.01
    assert np.abs(actual - reference).max() <= 1e-4 * max(1.0, reference.std())
