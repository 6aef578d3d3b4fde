"""A ranking as files: numbers, a plot of what sources are worth over what they cost, and a page with both."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.atomic import explained, make_folders, write_file
from headstart.documents import escaped, plain
from headstart.errors import UsageError
from headstart.specs import Baseline
from headstart.transfer.ranking.jobs import Ranking
from headstart.transfer.ranking.rows import Row

JSON, PNG, PAGE = "ranking.json", "ranking.png", "ranking.html"
FILES = (JSON, PNG, PAGE)
RUN = "run"
"""The folder of the run that `--then-fit` makes."""
MARK = "headstart rank"
"""Stands in the JSON file, which says that the folder is one of ours."""
LINES = 18
"""Names that stand beside a plot at their own distance; more stand closer."""
POINT, BEST, MET = "#0b6fb8", "#d1495b", "#9aa5b1"


def verify_place(folder: Path) -> None:
    """Raise UsageError where `folder` is there and holds what is no ranking of ours: it would be lost among that."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"--out {folder} is a file", hint="choose a folder that does not exist yet")
    names = {path.name for path in folder.iterdir()}
    if names and not names <= {*FILES, RUN}:
        raise UsageError(f"--out {folder} holds other things than a ranking", hint="choose another folder")
    if (folder / RUN).exists():
        raise UsageError(
            f"--out {folder} holds a ranking with its run", hint="choose another folder, or remove this one"
        )


def write_ranking(ranking: Ranking, folder: Path) -> dict[str, str]:
    """Write the three files; their paths by kind. Raises HeadstartError where they cannot be written."""
    with explained(folder):
        make_folders(folder)
    picture = draw_png(ranking)
    document = {"made_by": MARK, **ranking.document()}
    text = json.dumps(plain(document), indent=2, allow_nan=False, ensure_ascii=False)
    write_file(folder / JSON, escaped(text + "\n").encode())
    write_file(folder / PNG, picture)
    write_file(folder / PAGE, escaped(draw_page(ranking, picture)).encode())
    return {"json": str(folder / JSON), "plot": str(folder / PNG), "html": str(folder / PAGE)}


def cost(row: Row) -> float | None:
    """Milliseconds a sample that the source takes here."""
    return None if not row.rate else 1000.0 / row.rate


def draw_png(ranking: Ranking, dpi: int = 120) -> bytes:
    """The deciding score over the cost of a sample, with intervals, the sources by number in their order, which their
    names beside the plot have too: points lie close. The recommended one stands out."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import FuncFormatter, LogLocator

    by = ranking.by
    figure = Figure(figsize=(10, 5), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    shown = [row for row in ranking.rows if by.short_name in row.scores and cost(row) is not None]
    names = [
        Path(row.candidate.name).name if Path(row.candidate.name).exists() else row.candidate.name for row in shown
    ]
    for number, (row, name) in enumerate(zip(shown, names, strict=True), start=1):
        found, across = row.scores[by.short_name], cost(row) or 0.0
        colour = MET if row.met else BEST if row is ranking.recommended else POINT
        reach = [[max(found.value - found.interval[0], 0.0)], [max(found.interval[1] - found.value, 0.0)]]
        axis.errorbar([across], [found.value], yerr=reach, fmt="o", color=colour, capsize=3)
        shape: dict[str, Any] = {"fontsize": "small", "color": colour}
        axis.annotate(
            str(number),
            (across, found.value),
            xytext=(5, 3),
            textcoords="offset points",
            zorder=5,  # above the intervals of others
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            **shape,
        )
        told = name if names.count(name) == 1 else row.candidate.name
        down = 1 - (number - 0.5) / max(len(shown), LINES)
        axis.text(1.02, down, f"{number}  {told}", transform=axis.transAxes, va="center", **shape)
    baseline = ranking.baselines.get(by.short_name)
    if shown and baseline is not None:
        axis.axhline(baseline.value, color=MET, linestyle="--", zorder=1)
        axis.annotate(
            f"{baseline.says}: {baseline.value:.3f}",
            (0.01, baseline.value),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize="small",
            color="#5d6b78",
        )
    if shown:
        costs = [cost(row) or 0.0 for row in shown]
        axis.set_xscale("log")
        axis.set_xlim(min(costs) / 1.5, max(costs) * 1.5)
        wide = max(costs) >= 4.0 * min(costs)  # of few costs that are alike, 1, 2 and 5 may all lie elsewhere
        axis.xaxis.set_major_locator(
            LogLocator(subs=(1.0, 2.0, 5.0) if wide else (1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0))
        )
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.minorticks_off()
        axis.margins(y=0.12)
    else:
        axis.text(0.5, 0.5, f"no source has both a {by.short_name} and a cost", ha="center", transform=axis.transAxes)
    axis.set_xlabel(f"milliseconds to compute a sample's features, on this machine and {ranking.backend}")
    axis.set_ylabel(f"{by.short_name} ({by.unit}), with 95 % intervals")
    axis.set_title(f"{Path(ranking.data).name}: what sources are worth, and what they cost")
    axis.grid(alpha=0.25)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sources for {{ data }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #27313b; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid #dde3e8; vertical-align: top }
td:first-child { overflow-wrap: anywhere; min-width: 9rem }
td.number, th.number { text-align: right; white-space: nowrap } small { color: #5d6b78 }
tr.best { background: #fdf0f1 } tr.baseline td { color: #5d6b78; border-top: 2px solid #dde3e8 }
.reason { background: #f4f7f9; padding: .8rem 1rem; border-left: 4px solid #d1495b }
img { max-width: 100%; height: auto }
</style></head><body>
<h1>Sources for {{ data }}</h1>
<p>Task {{ task }}, {{ samples.train }} training and {{ samples.val }} validation records looked at,
{{ samples.test }} test records not; on {{ backend }}; {{ "%.0f"|format(seconds) }} s.</p>
<div class="reason">{% if recommended %}<strong>Take {{ recommended }}</strong>{% endif %}
<ul>{% for each in reason.split("; ") %}<li>{{ each }}</li>{% endfor %}</ul></div>
<div class="scroll"><table><thead><tr><th>source</th>
{% for name in scores %}<th class="number">{{ name }}</th>{% endfor %}
<th class="number">source accuracy</th><th class="number">parameters</th><th class="number">samples/s</th>
</tr></thead><tbody>
{% for row in rows %}<tr{% if row.name == recommended %} class="best"{% endif %}>
<td>{{ row.name }}<br><small>{{ row.trained_on or "random weights" }}
{% if row.met %}; met {{ row.met }} of these records before{% endif %}
{% if row.problem %}; {{ row.problem }}{% endif %}</small></td>
{% for name in scores %}<td class="number">
{% if row.scores[name] is defined %}{{ row.scores[name].value|figure }}<br>
<small>{{ row.scores[name].ci95[0]|figure }} to {{ row.scores[name].ci95[1]|figure }}</small>{% else %}-{% endif %}
</td>{% endfor %}
<td class="number">{{ row.source_accuracy|figure }}</td>
<td class="number">{{ "{:,}".format(row.parameters) if row.parameters else "-" }}</td>
<td class="number">{{ row.samples_per_second|figure }}</td></tr>
{% endfor %}
{% for says, values in baselines.items() %}<tr class="baseline">
<td>{{ says }}<br><small>no feature is looked at</small></td>
{% for name in scores %}<td class="number">{{ values[name]|figure }}</td>{% endfor %}
<td class="number">-</td><td class="number">-</td><td class="number">-</td></tr>
{% endfor %}</tbody></table></div>
<h2>What it costs</h2>
<img alt="The deciding score of each source over milliseconds a sample" src="data:image/png;base64,{{ picture }}">
<h2>What the scores are</h2>
<table><tbody>
{% for spec in specs %}<tr>
<td>{{ spec.short_name }}{% if spec.short_name == by %}<br><small>decides</small>{% endif %}</td>
<td>{{ spec.summary }}<br>
<small>{{ spec.unit }}; higher is better{% if spec.paper %}; {{ spec.paper }}{% endif %}</small></td>
</tr>{% endfor %}
</tbody></table>
<p><small>Intervals are what 95 of 100 other sets of records of this kind would give, from weighing records at random
(Rubin 1981). Only records of train and val were looked at. The source accuracy is what each reached on the task that
it was trained on, as its publishers, or its run, say. Speed was measured when features were first computed here;
other work on the machine slows it. A score is an estimate before training: what the transfer
is worth, a comparison with controls says.</small></p>
{% if refused %}<h2>What scores say nothing of</h2>
<ul>{% for line in refused %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}
{% if not_here %}<h2>Not ranked</h2>
<ul>{% for each in not_here %}<li>{{ each.name }}: {{ each.reason }}
{% if each.get %}(<code>{{ each.get }}</code>){% endif %}</li>{% endfor %}</ul>{% endif %}
{% if warnings %}<h2>Of the data</h2>
<ul>{% for line in warnings %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}
</body></html>
"""


def draw_page(ranking: Ranking, picture: bytes) -> str:
    """The page, with everything in it; nothing is loaded from elsewhere."""
    from jinja2 import Environment

    environment = Environment(autoescape=True)
    environment.filters["figure"] = figure_of
    document = ranking.document()
    names = [name for name in _score_names(ranking) if any(name in row.scores for row in ranking.rows)]
    by = ranking.by.short_name
    names.sort(key=lambda name: name != by)
    return environment.from_string(TEMPLATE).render(
        **{key: value for key, value in document.items() if key not in ("scores", "baselines")},
        scores=names,
        baselines=by_answer(ranking.baselines),
        specs=[spec for name in names for spec in ranking.specs if spec.short_name == name],
        refused=_refusals(ranking),
        picture=base64.b64encode(picture).decode(),
    )


def by_answer(baselines: Mapping[str, Baseline]) -> dict[str, dict[str, float]]:
    """Values by what is answered and by score: a row of a table for each answer."""
    found: dict[str, dict[str, float]] = {}
    for name, baseline in baselines.items():
        found.setdefault(baseline.says, {})[name] = baseline.value
    return found


def figure_of(value: Any) -> str:
    """A number in three or four figures; a dash for none."""
    if not isinstance(value, int | float):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def _score_names(ranking: Ranking) -> list[str]:
    found: Mapping[str, None] = dict.fromkeys(name for row in ranking.rows for name in row.scores)
    return list(found)


def _refusals(ranking: Ranking) -> list[str]:
    """Which score says nothing of which sources, and why; what holds for all of them once."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for row in ranking.rows:
        for name, reason in row.refused.items():
            by_reason.setdefault((name, reason), []).append(row.candidate.name)
    return [
        f"{name}: {reason}" + ("" if len(sources) == len(ranking.rows) else f" ({', '.join(sources)})")
        for (name, reason), sources in by_reason.items()
    ]
