"""The html reporter: report/report.html, one self-contained page without scripts."""

from __future__ import annotations

import base64
import csv
import functools
import heapq
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headstart.documents import FILE_NAMES, as_text
from headstart.errors import HeadstartError
from headstart.events import RunFinished
from headstart.lineage import LINEAGE, read_lineage, told
from headstart.specs import Reporter, ReporterRequest, RunView
from headstart_plugins._readable import readable
from headstart_plugins._target_texts import labels_of, number_of
from headstart_plugins.reporters import HtmlOptions
from headstart_plugins.reporters import _phrases as say
from headstart_plugins.reporters._boxes import draw_precision_recall, marked_pictures
from headstart_plugins.reporters._history import History, ReportAtEnd
from headstart_plugins.reporters._masks import masked_pictures

if TYPE_CHECKING:
    import jinja2


PROBABILITY = "p:"
"""How the columns of labels begin in predictions.csv."""
MOST_CHARACTERS, MOST_LINES = 400, 8
"""Of a text sample; one that has more is shown whole on demand."""
MOST_OF_A_WHOLE = 20_000
"""Characters of such a one: some texts are books."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One answer, and its sample where it can be shown: the data URI of an "image" or "audio", or a "text", and the
    `whole` of that where it is cut. `drawn` is the data URI of a picture of a sound."""

    key: str
    target: str
    prediction: str
    kind: str = ""
    sample: str = ""
    whole: str = ""
    drawn: str = ""


@dataclass(frozen=True, kw_only=True)
class Mistake(Answered):
    """A wrong answer: the `confidence` of a class, how far a number is `off`, or of several labels the one that is most
    surely `given` or `missed` wrongly, with its confidence."""

    confidence: float = 0.0
    given: str = ""
    missed: str = ""
    off: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Transcript(Answered):
    """What was understood of a recording, and its word error rate."""

    wer: float


One = TypeVar("One", bound=Answered)


@dataclass(frozen=True)
class Mistakes:
    """The shown ones, most confident or furthest off first, and how many there are of how many samples."""

    shown: tuple[Mistake, ...]
    wrong: int
    samples: int
    of_numbers: bool = False


def find_mistakes(run: RunView, limit: int, *, side: str = "test", of_numbers: bool = False) -> Mistakes | None:
    """Read the rows of one side of predictions.csv in one pass; None where the side has no rows, and where answers are
    neither classes nor labels nor, as who asks knows, numbers.

    Of equal confidence, the smaller key comes first.
    """
    predictions = run.path / "predictions.csv"
    if not predictions.is_file():
        return None
    wrong: list[Mistake] = []
    samples = 0
    with predictions.open(newline="", encoding="utf-8", errors=FILE_NAMES) as file:
        rows = csv.DictReader(file)
        mistake_in = _judge_of(tuple(rows.fieldnames or ()), of_numbers=of_numbers)
        if mistake_in is None:
            return None
        for row in rows:
            if row["split"] != side:
                continue
            samples += 1
            if mistake := mistake_in(row):
                wrong.append(mistake)
    if not samples:
        return None
    shown = heapq.nsmallest(limit, wrong, key=lambda mistake: (-mistake.off, -mistake.confidence, mistake.key))
    return Mistakes(tuple(with_sample(mistake, run) for mistake in shown), len(wrong), samples, of_numbers)


def _judge_of(columns: Sequence[str], *, of_numbers: bool) -> Callable[[Mapping[str, str]], Mistake | None] | None:
    """What finds the mistake in a row of predictions.csv with these columns, if there is one."""
    if not {"key", "split", "target", "prediction"} <= set(columns):
        return None
    if of_numbers:
        return _number_that_is_off
    if "confidence" in columns:
        return _wrong_class
    return _wrong_labels if any(column.startswith(PROBABILITY) for column in columns) else None


def _answered(row: Mapping[str, str]) -> Mistake:
    return Mistake(key=row["key"], target=row["target"], prediction=row["prediction"])


def _wrong_class(row: Mapping[str, str]) -> Mistake | None:
    found = _answered(row)
    return replace(found, confidence=float(row["confidence"])) if found.prediction != found.target else None


def _number_that_is_off(row: Mapping[str, str]) -> Mistake | None:
    found = _answered(row)
    answer, true = number_of(found.prediction), number_of(found.target)
    if answer is None or true is None or answer == true:
        return None
    return replace(found, off=abs(answer - true))


def _wrong_labels(row: Mapping[str, str]) -> Mistake | None:
    """A label that is missed is so with the probability that it is none."""
    found = _answered(row)
    given, true = set(labels_of(found.prediction)), set(labels_of(found.target))
    sure = {name: float(row.get(PROBABILITY + name) or 0.0) for name in given ^ true}
    sure = {name: share if name in given else 1.0 - share for name, share in sure.items()}
    if not sure:
        return None
    label = min(sure, key=lambda name: (-sure[name], name))
    if label in given:
        return replace(found, confidence=sure[label], given=label)
    return replace(found, confidence=sure[label], missed=label)


def with_sample(answer: One, run: RunView) -> One:
    """The answer with its sample, where the data is at hand and is a picture, a sound or a text."""
    try:
        preview = run.preview(answer.key)
    except (HeadstartError, OSError):
        return answer
    if preview is None:
        return answer
    kind = preview.media_type.partition("/")[0]
    if kind in ("image", "audio"):
        drawn = _picture(answer.key, run) if kind == "audio" else ""
        return replace(answer, kind=kind, sample=_data_uri(preview.media_type, preview.data), drawn=drawn)
    if preview.media_type.partition(";")[0] == "text/plain":
        sample, whole = _cut(preview.data.decode("utf-8", "replace"))
        return replace(answer, kind=kind, sample=sample, whole=whole)
    return answer


def _picture(key: str, run: RunView) -> str:
    """The data URI of a sample that is a picture at hand, large enough for what is drawn over it; empty for others."""
    try:
        preview = run.detailed_preview(key)
    except (HeadstartError, OSError):
        return ""
    if preview is None or not preview.media_type.startswith("image/"):
        return ""
    return _data_uri(preview.media_type, preview.data)


def _cut(text: str) -> tuple[str, str]:
    """A text without empty lines, cut between words where it is long; and where something was cut, the whole of it."""
    lines = [line for each in text.splitlines() if (line := " ".join(each.split()))]
    beginning = "\n".join(lines[:MOST_LINES])
    if len(beginning) > MOST_CHARACTERS:
        beginning = beginning[: MOST_CHARACTERS + 1].rpartition(" ")[0] or beginning[:MOST_CHARACTERS]
    if beginning == "\n".join(lines):
        return beginning, ""
    left = len(text) - MOST_OF_A_WHOLE
    whole = text if left <= 0 else f"{text[:MOST_OF_A_WHOLE]} ...\n({say.count(left)} more characters)"
    return f"{beginning} ...", whole


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


MOST = 20
RIGHT, WRONG = (11, 111, 184), (209, 73, 91)


@dataclass(frozen=True)
class Cell:
    """A count, the share it is of its true class, and the colours it is shown in."""

    count: int
    share: float
    background: str
    ink: str


@dataclass(frozen=True)
class Confusion:
    """How often `target` was called `prediction`, of how many samples of `target`."""

    target: str
    prediction: str
    count: int
    support: int


def shade(matrix: Sequence[Sequence[int]]) -> list[list[Cell]]:
    """Cells (true class, predicted class): right answers blue, wrong ones red, deeper for a larger share."""
    return [
        [_cell(count, sum(row), right=true == predicted) for predicted, count in enumerate(row)]
        for true, row in enumerate(matrix)
    ]


def commonest(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> list[Confusion]:
    """The most frequent wrong answers, most frequent first."""
    found = [
        Confusion(classes[true], classes[predicted], count, sum(row))
        for true, row in enumerate(matrix)
        for predicted, count in enumerate(row)
        if count and true != predicted
    ]
    return sorted(found, key=lambda one: -one.count)[:MOST]


def _cell(count: int, support: int, *, right: bool) -> Cell:
    share = count / support if support else 0.0
    red, green, blue = RIGHT if right else WRONG
    depth = 0.12 + 0.88 * share if count else 0.0
    return Cell(count, share, f"rgba({red},{green},{blue},{depth:.2f})", "#fff" if depth > 0.55 else "inherit")


def build(request: ReporterRequest) -> Reporter:
    """A reporter that writes its page once the run has finished."""
    return ReportAtEnd("report.html", functools.partial(page, options=request.options))


def page(history: History, finished: RunFinished, run: RunView, *, options: HtmlOptions) -> str:
    """The template with all that it shows, as plain values."""
    result = finished.result
    curves = None
    if any(phase.epochs for phase in history.phases):
        from headstart_plugins.reporters._curves import draw_png

        curves = _data_uri("image/png", draw_png(history))
    report = (result.get("report") or {}).get(say.judge(result)) or {}
    precision_recall = report.get("precision_recall")
    text = _read(run.path / "environment.json")
    return _template().render(
        css=_asset("report.css"),
        result=result,
        history=history,
        scores=_scores(result),
        side=say.judge(result),
        curves=curves,
        mistakes=find_mistakes(run, options.mistakes, side=say.judge(result), of_numbers="absolute_error" in report),
        recipe=_read(run.path / "recipe.toml"),
        environment=list(_flatten("", json.loads(text))) if text else [],
        calibration=result.get("calibration") or {},
        lineage=[told(each) for each in read_lineage(result.get(LINEAGE) or [], "result.json")],
        command=f"headstart fit --recipe {shlex.quote(str(run.path / 'recipe.toml'))} --out NEW_FOLDER",
        precision_recall=_data_uri("image/png", draw_precision_recall(precision_recall)) if precision_recall else None,
        marked=marked_pictures(report, options.mistakes, lambda key: _picture(key, run)),
        masked=masked_pictures(report, options.mistakes, lambda key: _picture(key, run)),
        sentences=sentences_of(report, options.mistakes),
        transcripts=[with_sample(each, run) for each in transcripts_of(report, options.mistakes)],
        misheard=misheard(report),
        clips={name: report.get(name) for name in ("clips", "right", "looped", "signature")},
        signatures=report.get("signatures") or {},
        placeholders=report.get("placeholders") or {},
        unit=report.get("unit") or "samples",
        **_per_class(report, list(result.get("classes") or ()), options),
    )


SENTENCE = ("source", "reference", "hypothesis")


def sentences_of(report: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    """The first `limit` sentences that `report` has under `worst`, side by side, each with its chrF; none where what it
    has there are no translations."""
    worst: Sequence[Mapping[str, Any]] = report.get("worst") or ()
    if not all(all(isinstance(each.get(name), str) for name in SENTENCE) for each in worst):
        return []
    return [
        {**{name: _cut(each[name])[0] for name in SENTENCE}, "chrf": each.get("chrf"), "key": str(each.get("key", ""))}
        for each in worst[:limit]
    ]


TRANSCRIPT = ("key", "reference", "hypothesis", "wer")


def transcripts_of(report: Mapping[str, Any], limit: int) -> list[Transcript]:
    """The first `limit` clips that `report` has under `worst`; none where what it has there are no transcripts."""
    worst: Sequence[Mapping[str, Any]] = report.get("worst") or ()
    if not all(all(name in each for name in TRANSCRIPT) for each in worst):
        return []
    return [
        Transcript(key=each["key"], target=each["reference"], prediction=each["hypothesis"], wer=each["wer"])
        for each in worst[:limit]
    ]


def misheard(report: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Words of transcripts that most often go wrong, the commonest first: what was said, what was understood, one of
    them empty where words are left out or made up, and how often."""
    found = [(said, heard, times) for said, heard, times in report.get("confused") or ()]
    found += [(said, "", times) for said, times in report.get("deleted") or ()]
    found += [("", heard, times) for heard, times in report.get("inserted") or ()]
    return sorted(found, key=lambda each: -each[2])[:MOST]


def _scores(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each metric, the primary first: its values, that which is `judged` (on test where there is a test
    side), its interval, and the baseline it has to beat, with what that is called."""
    side = say.judge(result)
    metrics: Mapping[str, Mapping[str, float | None]] = result.get("metrics") or {}
    val, test = metrics.get("val") or {}, metrics.get("test") or {}
    intervals = (result.get("intervals") or {}).get(side) or {}
    baseline: Mapping[str, float] = result.get("baseline") or {}
    primary = result.get("primary_metric")
    names = sorted({**test, **val}, key=lambda name: (name != primary, name == "loss"))
    beaten: dict[str, str] = {}
    for called in baseline:  # majority_balanced_accuracy is none of accuracy, where there are both
        of = max((name for name in names if called.endswith(f"_{name}")), key=len, default=None)
        beaten.setdefault(of or called, called)
    return [
        {
            "name": name,
            "val": val.get(name),
            "test": test.get(name),
            "judged": (metrics.get(side) or {}).get(name),
            "interval": intervals.get(name),
            "baseline": baseline.get(beaten.get(name, "")),
            "baseline_name": beaten.get(name),
            "share": say.is_share(name),
        }
        for name in names
    ]


def _per_class(report: Mapping[str, Any], classes: Sequence[str], options: HtmlOptions) -> dict[str, Any]:
    """Confusions and per-class scores on the judged side, where the task reports them and names its classes, or with
    `confusion_names` the rows of its matrix."""
    matrix, names = report.get("confusion_matrix"), list(report.get("confusion_names") or classes)
    if len(matrix or ()) != len(names):  # nothing says what its rows are
        matrix = None
    drawn = len(matrix or ()) <= options.matrix_classes
    return {
        "classes": classes,
        "matrix_names": names,
        "matrix": shade(matrix) if matrix and drawn else None,
        "confusions": commonest(matrix, names) if matrix and not drawn else [],
        "per_class": report.get("per_class") or {},
        "at": report.get("at"),
    }


def _flatten(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [row for key, item in value.items() for row in _flatten(f"{prefix} {key}".strip(), item)]
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        lines = [" ".join(str(part) for part in item.values() if part is not None) for item in value]
        return [(prefix, ", ".join(lines))]
    return [] if value is None else [(prefix, str(value))]


def _template() -> jinja2.Template:
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
        readable=readable,
        shares=say.shares,
        weights=say.weights,
    )
    return environment.from_string(_asset("report.html.j2"))


def _asset(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _read(path: Path) -> str | None:
    return as_text(path.read_bytes()) if path.is_file() else None
