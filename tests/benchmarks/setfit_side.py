"""SetFit's side of `texts.py`, in an environment of its own: python setfit_side.py TABLE ENCODER SEED

Prints accuracy and macro-F1 on test as JSON. Its settings are SetFit's own defaults.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time


def main() -> None:
    """Train on train and val together, answer test."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.metrics import accuracy_score, f1_score

    table, encoder, seed = sys.argv[1:4]
    with open(table, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    names = sorted({row["label"] for row in rows})
    known = [row for row in rows if row["split"] != "test"]
    test = [row for row in rows if row["split"] == "test"]
    model = SetFitModel.from_pretrained(encoder, local_files_only=True)
    data = Dataset.from_dict(
        {"text": [row["text"] for row in known], "label": [names.index(row["label"]) for row in known]}
    )
    with tempfile.TemporaryDirectory() as scratch:
        settings = TrainingArguments(output_dir=scratch, seed=int(seed), report_to="none", save_strategy="no")
        started = time.perf_counter()
        Trainer(model=model, args=settings, train_dataset=data).train()
        trained = time.perf_counter() - started
        answers = model.predict([row["text"] for row in test])
    truth = [names.index(row["label"]) for row in test]
    given = [int(answer) for answer in answers]
    print(
        json.dumps(
            {
                "accuracy": float(accuracy_score(truth, given)),
                "macro_f1": float(f1_score(truth, given, average="macro")),
                "training_seconds": trained,
            }
        )
    )


if __name__ == "__main__":
    main()
