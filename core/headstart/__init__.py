"""Transfer learning as a tool: take a pretrained backbone, replace the head, fine-tune, prove what it was
worth.

    import headstart

    run = headstart.fit("data/", backbone="NAME")
    run.predict(["data/new/"])

`import headstart` loads no framework and no numpy: each name below is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.artefact import Artefact as Artefact
    from headstart.errors import DataError as DataError
    from headstart.errors import DivergedError as DivergedError
    from headstart.errors import HeadstartError as HeadstartError
    from headstart.errors import PluginError as PluginError
    from headstart.errors import RecipeError as RecipeError
    from headstart.errors import UsageError as UsageError
    from headstart.predictor import Predictor as Predictor
    from headstart.recipe import Recipe as Recipe
    from headstart.registry import Registry as Registry
    from headstart.registry import load_registry as load_registry
    from headstart.run import Run as Run
    from headstart.runs.fitting import fit as fit
    from headstart.runs.fitting import pretrain as pretrain
    from headstart.transfer.comparison.comparing import Comparison as Comparison
    from headstart.transfer.comparison.comparing import compare as compare
    from headstart.transfer.ranking.jobs import Ranking as Ranking
    from headstart.transfer.ranking.jobs import rank as rank

_HOMES = {
    "fit": "headstart.runs.fitting",
    "pretrain": "headstart.runs.fitting",
    "compare": "headstart.transfer.comparison.comparing",
    "Comparison": "headstart.transfer.comparison.comparing",
    "rank": "headstart.transfer.ranking.jobs",
    "Ranking": "headstart.transfer.ranking.jobs",
    "Run": "headstart.run",
    "Artefact": "headstart.artefact",
    "Predictor": "headstart.predictor",
    "Recipe": "headstart.recipe",
    "Registry": "headstart.registry",
    "load_registry": "headstart.registry",
    "HeadstartError": "headstart.errors",
    "UsageError": "headstart.errors",
    "RecipeError": "headstart.errors",
    "DataError": "headstart.errors",
    "DivergedError": "headstart.errors",
    "PluginError": "headstart.errors",
}

__all__ = [
    "fit",
    "pretrain",
    "compare",
    "Comparison",
    "rank",
    "Run",
    "Ranking",
    "Artefact",
    "Predictor",
    "Recipe",
    "Registry",
    "load_registry",
    "HeadstartError",
    "UsageError",
    "RecipeError",
    "DataError",
    "DivergedError",
    "PluginError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from headstart.host.discovery import installed_version

        return installed_version()
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
