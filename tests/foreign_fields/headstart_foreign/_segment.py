"""The task `segment`: a class for every pixel."""

from dataclasses import dataclass, field

import numpy as np

from headstart.specs import Evaluation, TensorSpec
from headstart_foreign._inputs import SIDE, resized
from headstart_foreign._targets import CLASSES, VOID


def build(request):
    return Segment()


class Segment:
    """Targets are "mask" (32, 32) uint8; the output is "logits" (batch, 32, 32, class)."""

    primary_metric = "mean_iou"
    higher_is_better = True
    columns = ("file", *(f"share_{name}" for name in CLASSES))
    targets = {"mask": TensorSpec((SIDE, SIDE), "uint8")}

    def labels(self):
        return {"classes": list(CLASSES)}

    def summary(self):
        return self.labels()

    def encode(self, values, facts, keys):
        return {"mask": np.stack([resized(value, SIDE, SIDE) for value in values])}

    def head(self, name, features, seed):
        import keras

        feature = keras.Input(features["map@4"][1:], name="map@4")
        draw = keras.initializers.GlorotUniform(seed)
        hidden = keras.layers.Conv2D(4 * 4 * len(CLASSES), 1, kernel_initializer=draw)(feature)
        blocks = keras.layers.Reshape((8, 8, 4, 4, len(CLASSES)))(hidden)
        pixels = keras.layers.Reshape((SIDE, SIDE, len(CLASSES)))(keras.layers.Permute((1, 3, 2, 4, 5))(blocks))
        return keras.Model({"map@4": feature}, {"logits": pixels})

    def loss(self, targets, outputs, *, training):
        from keras import ops

        counted = ops.cast(ops.not_equal(targets["mask"], VOID), "float32")
        classes = ops.where(counted > 0, ops.cast(targets["mask"], "int32"), 0)
        losses = ops.sparse_categorical_crossentropy(classes, outputs["logits"], from_logits=True)
        return ops.sum(losses * counted, axis=(1, 2)) / ops.maximum(ops.sum(counted, axis=(1, 2)), 1.0)

    def evaluator(self, *, running=False):
        return Confusion()

    def baseline(self, train, test):
        commonest = np.bincount(train["mask"].ravel(), minlength=256)[: len(CLASSES)].argmax()
        return {"majority_pixel_accuracy": float((test["mask"] == commonest).mean())}

    def decode(self, outputs, facts, top_k):
        masks = np.argmax(outputs["logits"], axis=-1).astype(np.uint8)
        return [{"mask": resized(mask, fact["height"], fact["width"])} for mask, fact in zip(masks, facts, strict=True)]

    def rows(self, answer):
        shares = np.bincount(answer["mask"].ravel(), minlength=len(CLASSES)) / answer["mask"].size
        yield dict(zip(self.columns, (".pgm", *shares.tolist()), strict=True))

    def files(self, answer):
        height, width = answer["mask"].shape
        return {".pgm": f"P5 {width} {height} 255\n".encode() + answer["mask"].tobytes()}


@dataclass
class Confusion:
    """Pixels by true and predicted class."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros((len(CLASSES), len(CLASSES)), np.int64))

    def update(self, targets, outputs, facts, losses):
        true, given = targets["mask"], np.argmax(outputs["logits"], axis=-1)
        counted = true != VOID
        pairs = true[counted].astype(np.int64) * len(CLASSES) + given[counted]
        self.counts += np.bincount(pairs, minlength=len(CLASSES) ** 2).reshape(self.counts.shape)

    def merge(self, other):
        self.counts += other.counts

    def metrics(self):
        hits = np.diagonal(self.counts)
        union = self.counts.sum(0) + self.counts.sum(1) - hits
        return {
            "mean_iou": float((hits / np.maximum(union, 1))[union > 0].mean()),
            "pixel_accuracy": float(hits.sum() / max(self.counts.sum(), 1)),
        }

    def result(self):
        return Evaluation(self.metrics(), report={"confusion_matrix": self.counts.tolist()})

    def state(self):
        return {"counts": self.counts}

    def restore(self, state):
        self.counts = state["counts"].copy()
