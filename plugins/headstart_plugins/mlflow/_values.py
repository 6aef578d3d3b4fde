"""What a run has to tell, in the words and within the limits of MLflow: names, parameters, metrics, tags."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from headstart.documents import escaped
from headstart.events import EpochDone, RunFinished, RunStarted
from headstart.host.discovery import installed_version

LONGEST_NAME = 250
LONGEST_PARAMETER = 6000
LONGEST_TAG = 8000
"""Characters that a server takes; what is longer is cut, and says so."""
CUT = " ... (cut)"


def name(*parts: str) -> str:
    """A name that MLflow takes, its parts joined by slashes: letters, digits and `_.- `, everything else as `_`.

    Empty steps, `.` and `..` would be another path, so they are `_` too.
    """
    joined = re.sub(r"[^\w.\- /]", "_", "/".join(parts), flags=re.ASCII)
    steps = ["_" if step in ("", ".", "..") else step for step in joined.split("/")]
    return "/".join(steps)[:LONGEST_NAME]


def cut(text: str, longest: int) -> str:
    """`text`, or as much of it as fits, as UTF-8 holds it."""
    text = escaped(text)
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT


def parameters(recipe: str) -> dict[str, str]:
    """Every value of recipe.toml, named as `--set` names it. What reporters were told is no parameter of the run."""
    tables = {table: value for table, value in tomllib.loads(recipe).items() if table != "reporter"}
    return {
        name(key): cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), LONGEST_PARAMETER)
        for key, value in _flatten("", tables)
    }


def _flatten(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else key, inner)
    else:
        yield prefix, value


def epoch_metrics(event: EpochDone) -> dict[str, float]:
    """What one epoch measured, and the rates that it ran at: `fine_tune/val/accuracy`, `fine_tune/rate/head`."""
    groups = {"train": event.train, "val": event.val, "rate": event.rates}
    metrics = {
        name(event.phase, group, key): value for group, values in groups.items() for key, value in values.items()
    }
    metrics[name(event.phase, "seconds")] = event.seconds
    if event.strength is not None:
        metrics[name(event.phase, "strength")] = event.strength
    return metrics


def final_metrics(event: RunFinished) -> dict[str, float]:
    """The results: `test/accuracy`, its interval as `test/accuracy_low` and `_high`, baselines, seconds.

    What was not measured is left out, as test where nothing was held out.
    """
    result = event.result
    measured = {
        (split, key): value for split, values in result["metrics"].items() for key, value in (values or {}).items()
    }
    for split, intervals in result.get("intervals", {}).items():
        for key, (low, high) in (intervals or {}).items():
            measured |= {(split, f"{key}_low"): low, (split, f"{key}_high"): high}
    for group in ("baseline", "seconds"):
        measured |= {(group, key): value for key, value in result.get(group, {}).items()}
    return {name(*parts): value for parts, value in measured.items() if value is not None}


def start_tags(event: RunStarted) -> dict[str, str]:
    """What a run is searched by on the server."""
    told = {
        "version": installed_version(),
        "run": event.run,
        "backend": event.backend,
        "backbone": event.backbone,
        "weights": event.weights,
        "task": event.task,
        "strategy": event.strategy,
    }
    return {f"headstart.{key}": cut(value, LONGEST_TAG) for key, value in told.items()}


def final_tags(event: RunFinished) -> dict[str, str]:
    """What is known at the end: which split the numbers are about, and why there are none on test."""
    told = {name: event.result.get(name) for name in ("split_hash", "no_test")}
    return {f"headstart.{name}": cut(str(value), LONGEST_TAG) for name, value in told.items() if value}
