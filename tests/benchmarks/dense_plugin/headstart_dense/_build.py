"""What the plugin offers."""

from dataclasses import dataclass, field

import numpy as np

from headstart.specs import Backbone, Evaluation, Prepared, Record, Records, Sample, Stage, TensorSpec

SMALL, LARGE, CLASSES = 56, 224, 21


def squares(request):
    """Payload and target are the number that both are drawn from."""
    items = (Record(f"{number:07d}", str(number), str(number)) for number in range(request.options.count))
    return Records("number", tuple(items), targets="dense/mask")


def draw(number):
    """A picture (56, 56) uint8 and its mask (224, 224) uint8: one square of one of 20 kinds, its grey its kind."""
    random = np.random.default_rng(int(number))
    kind, top, left = int(random.integers(1, CLASSES)), *random.integers(0, SMALL - 20, 2)
    picture = random.integers(0, 8, (SMALL, SMALL)).astype(np.uint8)
    mask = np.zeros((SMALL, SMALL), np.uint8)
    picture[top : top + 20, left : left + 20] = 12 * kind
    mask[top : top + 20, left : left + 20] = kind
    return picture, mask.repeat(LARGE // SMALL, 0).repeat(LARGE // SMALL, 1)


class Squares:
    tensors = {"picture": TensorSpec((SMALL, SMALL, 1), "uint8")}
    output_ranges = {"picture": (0.0, 1.0)}
    hint = "grey values are 0 to 255"

    def __init__(self, request):
        pass

    def read(self, payload, where):
        return Sample(draw(payload)[0])

    def prepare(self, sample):
        return Prepared({"picture": sample.value[..., None]})

    def transform(self, tensors, changes):
        return tensors

    def stage(self):
        import keras

        picture = keras.Input((SMALL, SMALL, 1), dtype="uint8", name="picture")
        return keras.Model({"picture": picture}, {"picture": keras.layers.Rescaling(1 / 255)(picture)})

    def find(self, raw):
        return [str(raw)]

    def fingerprint(self, sample):
        return None

    def preview(self, sample, changes=()):
        return None


class Mask:
    noun = "mask"
    exclusive = False
    moves = False

    def __init__(self, request):
        pass

    def recognise(self, records):
        return None

    def check(self, items):
        return ()

    def names(self, target):
        return ()

    def strata(self, targets):
        return [()] * len(targets)

    def words(self, target):
        return target

    def read(self, target, where):
        return draw(target)[1]

    def transform(self, targets, changes, facts):
        return targets


def net(request):
    """picture (batch, 56, 56, 1) to `x` (batch, 56, 56, 8)."""
    import keras

    picture = keras.Input((SMALL, SMALL, 1), name="picture")
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(picture)
    return Backbone((Stage("only", keras.Model({"picture": picture}, {"x": x})),))


def build_task(request):
    return Pixels()


class Pixels:
    """Outputs are "logits" (batch, 224, 224, 21)."""

    primary_metric = "mean_iou"
    higher_is_better = True
    columns = ("commonest",)
    targets = {"mask": TensorSpec((LARGE, LARGE), "uint8")}

    def labels(self):
        return {}

    def summary(self):
        return {}

    def encode(self, values, facts, keys):
        return {"mask": np.stack(values)}

    def head(self, name, features, seed):
        import keras

        x = keras.Input(features["map@1"][1:], name="map@1")
        draw = keras.initializers.GlorotUniform(seed)
        small = keras.layers.Conv2D(CLASSES, 1, kernel_initializer=draw)(x)
        return keras.Model({"map@1": x}, {"logits": keras.layers.UpSampling2D(LARGE // SMALL)(small)})

    def loss(self, targets, outputs, *, training):
        from keras import ops

        mask = ops.cast(targets["mask"], "int32")
        return ops.mean(ops.sparse_categorical_crossentropy(mask, outputs["logits"], from_logits=True), axis=(1, 2))

    def evaluator(self, *, running=False):
        return Confusion()

    def baseline(self, train, test):
        return {}

    def decode(self, outputs, facts, top_k):
        masks = np.argmax(outputs["logits"], axis=-1)
        return [{"commonest": int(np.bincount(mask.ravel(), minlength=CLASSES)[1:].argmax() + 1)} for mask in masks]

    def rows(self, answer):
        yield answer


@dataclass
class Confusion:
    counts: np.ndarray = field(default_factory=lambda: np.zeros((CLASSES, CLASSES), np.int64))

    def update(self, targets, outputs, facts, losses):
        given = np.argmax(outputs["logits"], axis=-1)
        pairs = targets["mask"].astype(np.int64) * CLASSES + given
        self.counts += np.bincount(pairs.ravel(), minlength=CLASSES**2).reshape(self.counts.shape)

    def merge(self, other):
        self.counts += other.counts

    def metrics(self):
        hits = np.diagonal(self.counts)
        union = self.counts.sum(0) + self.counts.sum(1) - hits
        return {"mean_iou": float((hits / np.maximum(union, 1))[union > 0].mean())}

    def result(self):
        return Evaluation(self.metrics())

    def state(self):
        return {"counts": self.counts}

    def restore(self, state):
        self.counts = state["counts"].copy()
