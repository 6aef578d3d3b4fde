"""The control of P1, P1j and P2: what a transfer-learning tutorial in plain Keras has you write.

    KERAS_BACKEND=torch python tests/benchmarks/tutorial.py JOB.json [--seed N]

The pretrained network comes as a .keras file, because the internet is not at hand; all layers are stock. Pictures are
read into one array, as they fit in memory. The head and the order of the pictures are drawn from a seed, 0 unless
another is given: without one the last accuracy on val would be another in each run, by a picture or two of 240, and so
would be what ours has to reach. Prints one JSON line: accuracies, and the seconds of each epoch.
"""

from __future__ import annotations

import argparse
import json
import time

import keras
from job import read_job, read_split


class EpochTimes(keras.callbacks.Callback):
    """Seconds since the start of `fit` at the end of each epoch."""

    def on_train_begin(self, logs=None):
        self.started, self.ends = time.perf_counter(), []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(round(time.perf_counter() - self.started, 3))


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("job", help="the document that cold.py wrote")
parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the head's weights and of the order")
given = parser.parse_args()
keras.utils.set_random_seed(given.seed)
job = read_job(given.job)
x_train, y_train = read_split(job, "train")
x_val, y_val = read_split(job, "val")
x_test, y_test = read_split(job, "test")

base = keras.models.load_model(job["keras_file"], compile=False)
base.trainable = False

inputs = keras.Input((job["size"], job["size"], 3))
x = keras.layers.Rescaling(job["scale"], offset=job["offset"])(inputs)
x = base(x, training=False)
outputs = keras.layers.Dense(job["classes"], activation="softmax")(x)
model = keras.Model(inputs, outputs)

model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
times = EpochTimes()
history = model.fit(
    x_train,
    y_train,
    batch_size=32,
    epochs=job["epochs"],
    validation_data=(x_val, y_val),
    callbacks=[times],
    verbose=0,
)
_, test = model.evaluate(x_test, y_test, batch_size=32, verbose=0)
val = [round(float(value), 4) for value in history.history["val_accuracy"]]
print(json.dumps({"val": val[-1], "test": round(float(test), 4), "val_of_epochs": val, "epoch_ends": times.ends}))
