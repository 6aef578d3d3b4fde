"""The reporter `mlflow`: a run's recipe, curves, numbers and files on an MLflow tracking server.

export MLFLOW_TRACKING_URI=http://localhost:5000
headstart fit digits --reporter console --reporter mlflow
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import ReporterSpec

RECORD = "report/mlflow.json"
"""Which MLflow run this run is; a replay goes on with that one."""


@dataclass(frozen=True)
class MlflowOptions:
    """Where the run is told to."""

    tracking_uri: str = option(
        "", "The tracking server; empty: what MLFLOW_TRACKING_URI says, or else MLflow's own default."
    )
    experiment: str = option("headstart", "The experiment; created where it is not there yet.")
    run_name: str = option("", "The run's name on the server; empty: the name of the run's folder.")
    artefacts: bool = option(True, "Upload the model, the numbers and the reports too.")

    def __post_init__(self) -> None:
        if not self.experiment.strip():
            raise ValueError("experiment must not be empty")
        if "@" in urlsplit(self.tracking_uri).netloc:
            raise ValueError(
                "tracking_uri must not hold a user or a password: the recipe is kept in the run's folder; "
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )


@hookimpl
def register_reporters() -> Iterable[ReporterSpec]:
    """Offer the reporter."""
    return [
        ReporterSpec(
            name="mlflow/mlflow",
            summary="Parameters, metrics of every epoch, results and artefacts on an MLflow server.",
            options=MlflowOptions,
            build="headstart_plugins.mlflow._build:build",
            writes=(RECORD,),
        )
    ]
