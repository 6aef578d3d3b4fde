"""Transfer scores of their authors' own code: LogME's, and those of the Transfer-Learning-Library.

python tests/references/scores.py LOGME LIBRARY

LOGME is a checkout of github.com/thuml/LogME at 56551ca, LIBRARY one of github.com/thuml/Transfer-Learning-Library at
c4aa59e (the folder tllib/ranking). Neither is on a package index, so that `make test-references` leaves this out; it
writes scores.json. numba is not needed: what it compiles runs as it is."""

import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
from score_data import CASES, made


def loaded(path):
    """A file as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    sys.modules["numba"] = types.SimpleNamespace(njit=lambda function: function)
    logme = loaded(Path(sys.argv[1]) / "LogME.py").LogME
    ranking = Path(sys.argv[2]) / "tllib" / "ranking"
    leep, nce, rate = (loaded(ranking / f"{name}.py") for name in ("leep", "nce", "transrate"))
    found = {}
    for case in CASES:
        features, labels, numbers, answers = made(case)
        found[case] = {
            "logme": float(logme().fit(features, labels)),
            "logme of numbers": float(logme(regression=True).fit(features, numbers)),
            "leep": float(leep.log_expected_empirical_prediction(answers, labels)),
            "nce": float(nce.negative_conditional_entropy(answers.argmax(axis=1), labels)),
            "transrate": float(rate.transrate(features.astype(np.float64), labels)),
        }
    Path(__file__).with_name("scores.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
