"""The control of R1 and R2: one epoch of fine-tuning all of a network in plain Keras, as one tries a source out.

    KERAS_BACKEND=torch python tests/benchmarks/one_epoch.py JOB.json

As `tutorial.py`, but that everything learns, at a rate for that. Prints one JSON line.
"""

from __future__ import annotations

import json
import sys

import keras
from job import read_job, read_split

job = read_job(sys.argv[1])
x_train, y_train = read_split(job, "train")
x_val, y_val = read_split(job, "val")

base = keras.models.load_model(job["keras_file"], compile=False)
inputs = keras.Input((job["size"], job["size"], 3))
x = keras.layers.Rescaling(job["scale"], offset=job["offset"])(inputs)
x = base(x, training=False)
outputs = keras.layers.Dense(job["classes"], activation="softmax")(x)
model = keras.Model(inputs, outputs)
model.compile(keras.optimizers.Adam(1e-4), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=32, epochs=1, validation_data=(x_val, y_val), verbose=0)
print(json.dumps({"val": round(float(history.history["val_accuracy"][-1]), 4)}))
