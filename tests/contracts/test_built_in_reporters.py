"""The contract of reporters over every built-in one; those for services write into a folder instead."""

import pytest

from headstart.testing import ReporterContract

from .built_ins import built_ins, contract_of, covered

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # MLflow would rather have a database


@pytest.fixture(autouse=True)
def allowed(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def store_in_a_folder(self, folder):
    return {"tracking_uri": folder.as_uri()}


SPECIAL = {
    # It keeps the number that MLflow gave the run; told again after that was removed, it makes another one.
    "mlflow/mlflow": {"requires": ("mlflow",), "replays": False, "options_in": store_in_a_folder},
    "tensorboard/tensorboard": {"requires": ("tensorboard",)},
}

for offer in built_ins("reporters"):
    made = contract_of(offer, ReporterContract, **SPECIAL.get(offer.name, {}))
    globals()[made.__name__] = made
del made


def test_every_built_in_reporter_has_its_contract():
    offered = {spec.name for spec in built_ins("reporters")}
    assert {"reporters/console", "reporters/html"} <= offered
    assert covered(globals(), ReporterContract) == offered
