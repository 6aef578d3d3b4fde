"""The control of T3: sentence-transformers and scikit-learn, as their documents combine them.

    python tests/benchmarks/text_by_hand.py TABLE.csv SPLIT.csv FOLDER

Encodes all texts, chooses C on val, fits again on train and val, tests; a split and weights that both sides share.
Prints one JSON line of accuracies.
"""

import csv
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

table, split, folder = sys.argv[1:]
with open(table, encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
with open(split, encoding="utf-8", newline="") as file:
    sides = {row["key"]: row["split"] for row in csv.DictReader(file)}
model = SentenceTransformer(folder, device="cpu")
model.max_seq_length = 256
features = model.encode([row["text"] for row in rows], batch_size=32, normalize_embeddings=True)
labels = np.array([row["label"] for row in rows])
side = np.array([sides[f"row-{line:06d}"] for line in range(2, len(rows) + 2)])  # the table's own lines are its keys


def of(*names):
    picked = np.isin(side, names)
    return features[picked], labels[picked]


heads = {c: LogisticRegression(C=c, max_iter=1000).fit(*of("train")) for c in np.logspace(-2, 3, 6)}
best = max(heads, key=lambda c: heads[c].score(*of("val")))
final = LogisticRegression(C=best, max_iter=1000).fit(*of("train", "val"))
print(json.dumps({"val": round(heads[best].score(*of("val")), 4), "test": round(final.score(*of("test")), 4)}))
