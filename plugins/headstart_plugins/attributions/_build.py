"""The reporter: report/attributions.html and report/attributions.json, of a finished run's artefact.

Until it is known that the run has tokens it loads no backend.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.artefact import Artefact
from headstart.atomic import write_file
from headstart.data.lengths import Lengths, cut_to
from headstart.documents import escaped
from headstart.errors import HeadstartError, UsageError
from headstart.events import Event, RunFinished
from headstart.specs import InputKind, NamesSteps, Prepared, PreparesSeveral, Reporter, ReporterRequest, RunView, Trims
from headstart_plugins.attributions import DOCUMENT, PAGE, AttributionOptions
from headstart_plugins.attributions._answers import Answer, chosen, read_answers
from headstart_plugins.attributions._page import page

if TYPE_CHECKING:
    from headstart_plugins.attributions._gradients import Attribution

SCHEMA = 1
DIGITS = 6


@dataclass(frozen=True)
class Explained:
    """An answer, the `steps` of its sample as people read them, and what each adds."""

    answer: Answer
    steps: tuple[str, ...]
    attribution: Attribution


def build(request: ReporterRequest) -> Reporter:
    """A reporter that explains once the run has finished."""
    return Attributions(request.options)


class Attributions:
    """Fulfils `headstart.specs.Reporter`."""

    def __init__(self, options: AttributionOptions) -> None:
        self._options = options

    def on_event(self, event: Event, run: RunView) -> None:
        """At RunFinished, explain and write; a run that cannot be explained gets a page that says why."""
        if not isinstance(event, RunFinished):
            return
        side = "val" if (event.result.get("metrics") or {}).get("test", {}) is None else "test"
        try:
            explained, why = explain(run, side, self._options), None
        except HeadstartError as exc:
            explained, why = (), exc.message
        document = _document(event.result, side, self._options, explained, why)
        folder = run.path / "report"
        folder.mkdir(exist_ok=True)
        text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
        write_file(folder / DOCUMENT, escaped(text + "\n").encode())
        write_file(folder / PAGE, escaped(page(document)).encode())


def explain(run: RunView, side: str, options: AttributionOptions) -> tuple[Explained, ...]:
    """The chosen answers of a finished run, those whose sample is at hand. Raises UsageError where the run is none that
    has tokens, or none of their data is at hand."""
    known = list(read_answers(run.path / "predictions.csv", side))
    if not known:
        raise UsageError(f"predictions.csv has no answers on {side}")
    answers = chosen(known, mistakes=options.mistakes, right=options.right)
    artefact = Artefact.load(Path(run.path) / "artefact")
    kind = artefact.kind
    if not isinstance(kind, NamesSteps) or isinstance(kind, PreparesSeveral):
        raise UsageError(f"attributions need tokens; this run reads {artefact.blueprint.input.name}, which has none")
    samples = {answer: payload for answer in answers if (payload := _payload(run, answer.key)) is not None}
    if not answers:
        return ()
    if not samples:
        raise UsageError("the run's data is not at hand or has changed, so no sample can be shown")
    network = artefact.network  # chooses the backend where there is none
    from headstart_plugins.attributions._gradients import IntegratedGradients, explained_output

    output, units = explained_output(network)
    gradients = IntegratedGradients(network, output, count=options.steps)
    unit = _unit_of(artefact, output) if answers[0].confidence is None else None
    found = []
    for answer, payload in samples.items():
        prepared = kind.prepare(kind.read(payload, answer.key))
        direction = np.eye(units, dtype=np.float32)[answer.unit]
        row, blank = (_one_row(kind, prepared, tensors) for tensors in (prepared.tensors, kind.blank(prepared)))
        attribution = gradients(row, blank, direction)
        if unit is not None:
            attribution = attribution.in_unit(*unit)
        found.append(Explained(answer, tuple(kind.steps(prepared)), attribution))
    return tuple(found)


def _unit_of(artefact: Artefact, output: str) -> tuple[float, float] | None:
    """What the head's output is times, and plus, to be the number that the run answers; None where the task makes
    numbers of it otherwise."""
    heights = np.arange(3, dtype=np.float32)[:, None]
    decoded = artefact.task.decode({output: heights}, [{}] * len(heights), 1)
    numbers = [float(each["prediction"]) for each in decoded]
    factor = numbers[1] - numbers[0]
    return (factor, numbers[0]) if np.isclose(numbers[2] - numbers[1], factor, rtol=1e-4) else None


def _payload(run: RunView, key: str) -> Any | None:
    try:
        return run.payload(key)
    except (HeadstartError, OSError):
        return None


def _one_row(kind: InputKind, prepared: Prepared, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors (1, ...) of a sample, as long as the smallest static length that holds it."""
    row = {name: tensor[None] for name, tensor in tensors.items()}
    if not isinstance(kind, Trims) or prepared.length is None:
        return row
    axes = {name: spec.length_axis for name, spec in kind.tensors.items() if spec.length_axis is not None}
    static = Lengths(np.array([prepared.length]), kind.lengths).of_batch(np.arange(1))
    return cut_to(row, axes, static, kind.lengths[-1])


def _document(
    result: Mapping[str, Any],
    side: str,
    options: AttributionOptions,
    explained: Sequence[Explained],
    why: str | None,
) -> dict[str, Any]:
    """All that is told, as plain values; `why` says why nothing is explained."""
    return {
        "schema": SCHEMA,
        "run": result.get("run"),
        "method": "integrated gradients of the logit or number, arXiv:1703.01365, midpoint rule",
        "baseline": "the sample with its tokens blanked, but for those that frame it and the prefix of the weights",
        "steps": options.steps,
        "split": side,
        "why_none": why,
        "samples": [_sample(each) for each in explained],
    }


def _sample(explained: Explained) -> dict[str, Any]:
    answer, attribution = explained.answer, explained.attribution
    return {
        "key": answer.key,
        "target": answer.target,
        "prediction": answer.prediction,
        "explains": answer.name or None,
        "confidence": answer.confidence,
        "miss": _rounded(answer.miss),
        "tokens": list(explained.steps),
        "attributions": [_rounded(each) for each in attribution.steps[: len(explained.steps)].tolist()],
        "output": _rounded(attribution.value),
        "baseline_output": _rounded(attribution.baseline),
        "error": _rounded(attribution.error),
        "relative_error": _rounded(attribution.relative_error),
    }


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")
