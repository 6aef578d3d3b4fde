"""Accents by mean and deviation of log-mel bands and logistic regression: the plain method beside `accented.py`.

    python accented_by_hand.py TABLE SEED [FOLDER_OF_OTHER_ACCENTS]

40 bands of librosa's form, in decibels below a clip's loudest; of each band the mean, the deviation, and the deviation
of its steps over time. The strength is chosen by val, then train and val are fitted together. Prints the accuracy.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headstart_plugins._waves.mel import Mel
from headstart_plugins._waves.reading import read_sound

MEL = Mel(16_000, 400, 160, 40, pad="zero")
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


def main() -> None:
    """Fit, test and print."""
    sides: dict[str, tuple[list[np.ndarray], list[str]]] = {}
    with Path(sys.argv[1]).open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            rows, labels = sides.setdefault(row["split"], ([], []))
            rows.append(statistics_of(Path(row["path"])))
            labels.append(row["label"])
    (train, own), (val, held), (test, true) = (sides[side] for side in ("train", "val", "test"))
    strength = max(STRENGTHS, key=lambda each: fitted(each, train, own).score(val, held))
    model = fitted(strength, train + val, own + held)
    scores = {"accuracy": float(model.score(test, true))}
    if len(sys.argv) > 3:
        files = sorted(Path(sys.argv[3]).glob("*/*.flac"))
        scores["other_engine"] = float(model.score([*map(statistics_of, files)], [path.parent.name for path in files]))
    print(json.dumps(scores))


def fitted(strength: float, rows: list[np.ndarray], labels: list[str]) -> LogisticRegression:
    """Scaled columns, then logistic regression."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
    return model.fit(rows, labels)


def statistics_of(path: Path) -> np.ndarray:
    """(120,) of a clip."""
    powers = 10 * np.log10(np.maximum(MEL.of_array(read_sound(path, path.name, 16_000, 1).value.samples), 1e-10))
    levels = np.maximum(powers - powers.max(), -80)
    return np.concatenate([levels.mean(axis=0), levels.std(axis=0), np.diff(levels, axis=0).std(axis=0)])


if __name__ == "__main__":
    main()
