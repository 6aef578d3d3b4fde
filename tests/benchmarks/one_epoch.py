"""The control of R1 and R2: one epoch of fine-tuning all of a network in plain Keras, as one tries a source out.

    KERAS_BACKEND=torch python tests/benchmarks/one_epoch.py JOB.json [PARTS]

As `tutorial.py`, but that everything learns, at a rate for that. An epoch of PARTS parts is cut short after two: the
rest would go at the pace of the second one, which compiles nothing and warms nothing up. Prints one JSON line: the
seconds of the rest, and for a whole epoch, of one part, the accuracy on val.
"""

from __future__ import annotations

import importlib
import json
import sys
import time

import keras
from job import read_job, read_split

BATCH = 32

job = read_job(sys.argv[1])
parts = int(sys.argv[2]) if len(sys.argv) > 2 else 1
x_train, y_train = read_split(job, "train")
x_val, y_val = read_split(job, "val")

for module in job.get("imports", ()):
    importlib.import_module(module)
base = keras.models.load_model(job["keras_file"], compile=False)
inputs = keras.Input((job["size"], job["size"], 3))
x = keras.layers.Rescaling(job["scale"], offset=job["offset"])(inputs)
x = base(x, training=False)
outputs = keras.layers.Dense(job["classes"], activation="softmax")(x)
model = keras.Model(inputs, outputs)
model.compile(keras.optimizers.Adam(1e-4), loss="sparse_categorical_crossentropy", metrics=["accuracy"])


train, val = (len(rows) // parts for rows in (x_train, x_val))
if parts > 1:
    train = max(BATCH, train // BATCH * BATCH)  # whole batches, as most of an epoch's are


def train_on(part: int) -> float:
    """Accuracy on val after an epoch of this part."""
    learned, judged = (slice(part * count, (part + 1) * count) for count in (train, val))
    history = model.fit(
        x_train[learned],
        y_train[learned],
        batch_size=BATCH,
        epochs=1,
        validation_data=(x_val[judged], y_val[judged]),
        verbose=0,
    )
    return float(history.history["val_accuracy"][-1])


accuracy = train_on(0)
if parts == 1:
    print(json.dumps({"val": round(accuracy, 4), "left_out": 0.0}))
else:
    begun = time.perf_counter()
    train_on(1)
    second = time.perf_counter() - begun
    print(json.dumps({"left_out": round((len(x_train) / train - 2) * second, 3)}))
