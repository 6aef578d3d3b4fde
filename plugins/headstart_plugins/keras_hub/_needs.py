"""What a KerasHub backbone needs on this machine, and how to get it without TensorFlow."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from headstart.errors import Problem, UsageError
from headstart.recipe import Recipe

PREFIX = "keras_hub/"
INSTALL = "pip install --no-deps keras-hub && pip install regex sentencepiece tokenizers"
"""keras-hub asks for tensorflow-text, which JAX and PyTorch do not need; these are what it does import."""
INSTALL_CLIENT = "pip install kagglehub"
IMPORTED = ("keras_hub", "regex", "sentencepiece", "tokenizers")


def require_installed() -> None:
    """Raise UsageError with the pip lines where KerasHub cannot be imported; imports nothing."""
    absent = [name for name in IMPORTED if importlib.util.find_spec(name) is None]
    if absent:
        raise UsageError(f"KerasHub needs {', '.join(absent)}, which {_is(absent)} not installed", hint=INSTALL)


def _is(absent: list[str]) -> str:
    return "is" if len(absent) == 1 else "are"


def missing(recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with a recipe whose backbone is of KerasHub: the package, or the preset's own files."""
    table = recipe.table("backbone")
    if "config" not in table or not _is_ours(recipe, table["config"]):
        return
    try:
        require_installed()
    except UsageError as exc:
        yield Problem("backbone", exc.message, exc.hint)
    if not table["config"]:
        name = str(recipe.backbone)
        yield Problem("backbone", f"{name} is not on this machine", f"`headstart weights get {name}` fetches it")


def _is_ours(recipe: Recipe, config: object) -> bool:
    named = str(recipe.backbone).startswith((PREFIX, PREFIX.replace("/", ":")))
    return named or (isinstance(config, str) and config.startswith("{"))
