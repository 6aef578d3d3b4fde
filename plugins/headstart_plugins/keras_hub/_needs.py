"""What a KerasHub backbone needs on this machine, and how to get it without TensorFlow."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headstart.errors import Problem, UsageError

if TYPE_CHECKING:
    from headstart.recipe import Recipe
    from headstart.registry import Registry

PLUGIN = "keras_hub"
PREFIX = f"{PLUGIN}/"
INSTALL = "pip install --no-deps keras-hub && pip install regex sentencepiece tokenizers"
"""keras-hub asks for tensorflow-text, which JAX and PyTorch do not need; these are what it does import."""
INSTALL_CLIENT = "pip install kagglehub"
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
    if spec.plugin != PLUGIN:
        return
    try:
        require_installed()
    except UsageError as exc:
        yield Problem("backbone", exc.message, exc.hint)
    if not recipe.table("backbone").get("config"):
        hint = f"`headstart weights get {spec.name}` fetches it" if spec.weights else "write keras_hub/PRESET"
        yield Problem("backbone", f"{spec.name} is not on this machine", hint)
