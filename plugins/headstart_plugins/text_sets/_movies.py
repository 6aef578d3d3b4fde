"""Movie sentences with the ratings that people gave them (Hutto & Gilbert, ICWSM 2014)."""

from __future__ import annotations

import io
import math
import re
import tempfile
from pathlib import Path

from headstart.errors import DataError
from headstart.packages import PublishedFile, bring
from headstart.specs import DatasetRequest, Finding, MakeRequest, Record, Records
from headstart_plugins.text_sets._members import read_members

PACKAGE = PublishedFile(
    client="pip",
    name="vaderSentiment",
    version="3.3.2",
    digest="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
)
INNER = re.compile(r"vaderSentiment-3\.3\.2/additional_resources/hutto_ICWSM_2014\.tar\.gz")
FILE = "movieReviewSnippets_GroundTruth.txt"
TABLE = re.compile(rf"hutto_ICWSM_2014/{re.escape(FILE)}")
AGAIN = "remove its folder, and make the data again"
HIGHEST = 4.0
"""Ratings lie between -4 and 4."""
DECIDED = 0.5
"""Sentences rated closer to 0 are neither negative nor positive."""


def make(request: MakeRequest) -> None:
    """Put the table of sentences into the folder as the package has it. Raises UsageError where the package cannot be
    had, or the file given is not it."""
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        package = bring(PACKAGE, Path(place), here=request.source)
        (request.folder / FILE).write_bytes(sentences_of(package))


def sentences_of(package: Path) -> bytes:
    """The table inside the archive inside the package. Raises DataError where one of them is not there."""
    with package.open("rb") as file:
        inner = dict(read_members(file, INNER, package.name))
    for name, content in inner.items():
        for _, table in read_members(io.BytesIO(content), TABLE, name):
            return table
    raise DataError(f"{package.name} does not hold {FILE}", hint=f"expected the file of {PACKAGE}")


def build(request: DatasetRequest) -> Records:
    """Records with keys `sentence-00001` on, by the table's own numbers, and classes or ratings as targets.

    Raises DataError naming the file and the row that is none.
    """
    assert request.made is not None  # the spec names what makes it
    rows = read_table(request.made / FILE)
    if request.options.target == "rating":
        items = tuple(Record(key, text, str(rating)) for key, rating, text in rows)
        return Records("text", items, targets="targets/number")
    decided = [row for row in rows if abs(row[1]) >= DECIDED]
    items = tuple(Record(key, text, "positive" if rating > 0 else "negative") for key, rating, text in decided)
    left_out = len(rows) - len(decided)
    said = (
        f"{left_out:,} sentences are rated between -{DECIDED} and {DECIDED}, and left out: they have no sign to learn"
    )
    hint = "--set dataset.target=rating learns the rating of all"
    findings = (Finding("note", said, left_out, hint),) if left_out else ()
    return Records("text", items, targets="targets/class", findings=findings)


def read_table(path: Path) -> list[tuple[str, float, str]]:
    """Key, rating and text of each row: number TAB rating TAB text, UTF-8. Raises DataError."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"{path} cannot be read: {exc}", hint=AGAIN) from exc
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            key, rating, text = line.rstrip("\r").split("\t")
            rows.append((f"sentence-{int(key):05d}", float(rating), text.strip()))
        except ValueError as exc:
            raise DataError(f"{path}, row {number}: expected number, rating, text by tabs: {exc}", hint=AGAIN) from exc
        if not (math.isfinite(rows[-1][1]) and abs(rows[-1][1]) <= HIGHEST):
            raise DataError(f"{path}, row {number}: rating {rating}; expected -{HIGHEST:g} to {HIGHEST:g}", hint=AGAIN)
    return rows
