"""What a KerasHub backbone needs on this machine, and how to get it: the package without TensorFlow, and presets."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.errors import MissingWeightsError, Problem, UsageError

if TYPE_CHECKING:
    from headstart.recipe import Recipe
    from headstart.registry import Registry

PLUGIN = "keras_hub"
PREFIX = f"{PLUGIN}/"
INSTALL = "pip install --no-deps keras-hub && pip install regex sentencepiece tokenizers"
"""keras-hub asks for tensorflow-text, which JAX and PyTorch do not need; these are what it does import."""
INSTALL_CLIENT = "pip install kagglehub"
KAGGLE = "kaggle://"
REQUIRED = ("config.json", "image_converter.json", "model.weights.h5")
IMPORTED = ("keras_hub", "regex", "sentencepiece", "tokenizers")


def require_installed() -> None:
    """Raise UsageError with the pip lines where KerasHub cannot be imported; imports nothing."""
    absent = [name for name in IMPORTED if importlib.util.find_spec(name) is None]
    if absent:
        are = "is" if len(absent) == 1 else "are"
        raise UsageError(f"KerasHub needs {', '.join(absent)}, which {are} not installed", hint=INSTALL)


def missing(recipe: Recipe, registry: Registry) -> Iterator[Problem]:
    """What is wrong with a recipe whose backbone is of KerasHub: the package, or the preset's own files."""
    if recipe.backbone is None:  # chosen once the data is seen, and never one of these
        return
    spec = registry.resolve_backbone(recipe.backbone)
    if registry.builder_of(spec).plugin != PLUGIN:  # a run's backbone may be one of these, under the run's name
        return
    try:
        require_installed()
    except UsageError as exc:
        yield Problem("backbone", exc.message, exc.hint)
    if not recipe.table("backbone").get("config"):
        hint = f"`headstart weights get {spec.name}` fetches it" if spec.weights else "write keras_hub/PRESET"
        yield Problem("backbone", f"{spec.name} is not on this machine", hint)


def fetch(handle: str, folder: Path) -> None:
    """Fetch target: the preset `handle` (`kaggle://OWNER/MODEL/keras/VARIANT/VERSION`) into `folder`, with the
    publisher's own client.

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
