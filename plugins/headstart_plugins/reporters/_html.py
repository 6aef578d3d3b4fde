"""The html reporter: report/report.html, one self-contained page without scripts."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.atomic import write_file
from headstart.events import Event, RunFinished
from headstart.specs import Reporter, ReporterRequest, RunView
from headstart_plugins.reporters import _phrases as say
from headstart_plugins.reporters._confusions import commonest, shade
from headstart_plugins.reporters._history import History
from headstart_plugins.reporters._mistakes import find_mistakes, with_sample

if TYPE_CHECKING:
    import jinja2

    from headstart_plugins.reporters import HtmlOptions


def build(request: ReporterRequest) -> Reporter:
    """A reporter that writes its page once the run has finished."""
    return HtmlReporter(request.options)


class HtmlReporter:
    """Gathers events; at RunFinished it reads the run folder and writes the page."""

    def __init__(self, options: HtmlOptions) -> None:
        self._options = options
        self._history = History()

    def on_event(self, event: Event, run: RunView) -> None:
        """Gather; at RunFinished, write."""
        self._history.hear(event)
        if isinstance(event, RunFinished):
            folder = run.path / "report"
            folder.mkdir(exist_ok=True)
            page = _environment().from_string(_asset("report.html.j2"))
            text = page.render(page_context(self._history, event.result, run, self._options))
            write_file(folder / "report.html", text.encode("utf-8"))


def page_context(history: History, result: Mapping[str, Any], run: RunView, options: HtmlOptions) -> dict[str, Any]:
    """Everything the template shows, as plain values."""
    mistakes = find_mistakes(run.path / "predictions.csv", options.mistakes)
    text = _read(run.path / "environment.json")
    return {
        "css": _asset("report.css"),
        "result": result,
        "history": history,
        "scores": _scores(result),
        "curves": _curves(history),
        "mistakes": mistakes,
        "shown_mistakes": [with_sample(mistake, run) for mistake in mistakes.shown] if mistakes else [],
        "recipe": _read(run.path / "recipe.toml"),
        "environment": list(_flatten("", json.loads(text))) if text else [],
        "calibration": result.get("calibration") or {},
        "command": f"headstart fit --recipe {shlex.quote(str(run.path / 'recipe.toml'))} --out NEW_FOLDER",
        **_per_class(result, options),
    }


def _scores(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each metric, the primary first: its values, its interval, and the baseline it has to beat."""
    metrics: Mapping[str, Mapping[str, float | None]] = result.get("metrics") or {}
    val, test = metrics.get("val") or {}, metrics.get("test") or {}
    intervals = (result.get("intervals") or {}).get("test") or {}
    baseline: Mapping[str, float] = result.get("baseline") or {}
    primary = result.get("primary_metric")
    names = sorted({**test, **val}, key=lambda name: (name != primary, name == "loss"))
    return [
        {
            "name": name,
            "val": val.get(name),
            "test": test.get(name),
            "interval": intervals.get(name),
            "baseline": next((value for key, value in baseline.items() if key.endswith("_" + name)), None)
            if name == primary
            else None,
            "share": say.is_share(name),
        }
        for name in names
    ]


def _per_class(result: Mapping[str, Any], options: HtmlOptions) -> dict[str, Any]:
    """Confusions and per-class scores on test, where the task reports them."""
    report = (result.get("report") or {}).get("test") or {}
    matrix, classes = report.get("confusion_matrix"), list(result.get("classes") or ())
    drawn = len(matrix or ()) <= options.matrix_classes
    return {
        "classes": classes,
        "matrix": shade(matrix) if matrix and drawn else None,
        "confusions": commonest(matrix, classes) if matrix and not drawn else [],
        "per_class": report.get("per_class") or {},
    }


def _curves(history: History) -> str | None:
    if not any(phase.epochs for phase in history.phases):
        return None
    from headstart_plugins.reporters._curves import draw_png

    return "data:image/png;base64," + base64.b64encode(draw_png(history)).decode("ascii")


def _flatten(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [row for key, item in value.items() for row in _flatten(f"{prefix} {key}".strip(), item)]
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        lines = [" ".join(str(part) for part in item.values() if part is not None) for item in value]
        return [(prefix, ", ".join(lines))]
    return [] if value is None else [(prefix, str(value))]


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        metric=say.metric,
        small=say.small,
        interval=say.interval,
        count=say.count,
        duration=say.duration,
        listing=say.listing,
        words=say.words,
        printable=say.printable,
        shares=say.shares,
    )
    return environment


def _asset(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
