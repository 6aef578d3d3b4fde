"""Fetch target: a published preset, with the publisher's own client."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from headstart.errors import MissingWeightsError
from headstart_plugins.keras_hub._needs import INSTALL_CLIENT

KAGGLE = "kaggle://"
REQUIRED = ("config.json", "image_converter.json", "model.weights.h5")


def fetch(handle: str, folder: Path) -> None:
    """Bring the preset `handle` (`kaggle://OWNER/MODEL/keras/VARIANT/VERSION`) into `folder`.

    Raises MissingWeightsError where the client is not installed or the preset cannot be reached.
    """
    if importlib.util.find_spec("kagglehub") is None:
        raise MissingWeightsError("presets are fetched with kagglehub, which is not installed", hint=INSTALL_CLIENT)
    import kagglehub

    for name in REQUIRED:
        try:
            kagglehub.model_download(handle.removeprefix(KAGGLE), path=name, output_dir=str(folder))
        except Exception as exc:  # the client raises what its transport raises
            raise MissingWeightsError(
                f"{name} of {handle} could not be fetched: {type(exc).__name__}: {exc}",
                hint="fetch the preset where there is a connection, and name its folder with --backbone",
            ) from exc
