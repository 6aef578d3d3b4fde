"""One table of all ratios beside their floors and goals: on stdout, in BENCHMARKS.md, as JSON and as a picture.

    python tests/benchmarks/table.py                # what is below runs/bench
    python tests/benchmarks/table.py --quick        # what is below runs/bench/quick; BENCHMARKS.md stays as it is

It measures nothing: each benchmark leaves a JSON file there. Rows of benchmarks that left none stay as the table had
them, each with the machine and day that it was measured on. What limits a row that misses its goal stands in
limits.toml, by hand, from profiles. The tables of strategies, which `strategies.py` wrote, stay as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from goals import GOALS, verdict
from ratio_plot import draw
from ratios import FOUND, Ratio, middle, read_ratios
from sections import sections_of, with_sections
from sweep import ROOT, show

HERE = Path(__file__).parent
LIMITS = HERE / "limits.toml"
COLUMNS = ("row", "what", "against", "measured: median [range]", "floor", "goal", "met")
Run = tuple[list[Ratio], Mapping[str, Any]]
"""What one benchmark found, and the document around it."""
HEAD = """# Benchmarks

What `make bench` measured last. Each figure is a ratio: how many times faster than the control beside it, medians over
the rounds, with their range; of memory and start-up, how many times as much, so that less is better. "met" says which
mark the median reaches. The controls, and how to run them, are described in `tests/benchmarks/README.md`.
"""


@dataclass(frozen=True)
class Limit:
    """What a profile showed to limit a row; `where` is a part of its `what`."""

    row: str
    by: str
    where: str = ""


def main() -> int:
    """Read, print and write; 2 where there is nothing."""
    given = parse()
    measured = {path.stem: read_ratios(path) for path in given.found.glob("*.json")}
    if not measured:
        print(f"nothing was measured yet: no JSON file below {given.found}", file=sys.stderr)
        return 2
    beside = (given.found / "table" if given.quick else HERE) / "benchmarks"
    beside.parent.mkdir(parents=True, exist_ok=True)
    known = _read_json(beside.with_suffix(".json")) if not given.quick and beside.with_suffix(".json").exists() else {}
    runs = dict(sorted({**known, **measured}.items()))
    ratios = sorted((each for found, _ in runs.values() for each in found), key=_order)
    show(COLUMNS, [_line(each) for each in ratios], title="Ratios")
    _write_json(beside.with_suffix(".json"), runs)
    draw(ratios, beside.with_suffix(".png"))
    if not given.quick:
        page, told = _page(ratios, [(name, told) for name, (_, told) in runs.items()]), ROOT / "BENCHMARKS.md"
        kept = sections_of(told.read_text(encoding="utf-8")) if told.exists() else {}
        told.write_text(with_sections(page, kept), encoding="utf-8")
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--found", type=Path, default=FOUND, help=f"where the benchmarks wrote ({FOUND})")
    parser.add_argument("--quick", action="store_true", help="read what the quick ones found; write beside it alone")
    given = parser.parse_args()
    if given.quick:
        given.found = given.found / "quick"
    return given


def _order(ratio: Ratio) -> tuple[int, bool]:
    """As in the list of goals; what does not count behind what does."""
    rows = list(GOALS)
    return (rows.index(ratio.row) if ratio.row in rows else len(rows), not ratio.counts)


def _line(ratio: Ratio) -> tuple[str, ...]:
    goal = GOALS.get(ratio.row)
    measured = middle(ratio.ratios, _digits(ratio.median))
    if goal is None:
        return (ratio.row, ratio.what, ratio.against, measured, "", "", "")
    return (ratio.row, ratio.what, ratio.against, measured, f"{goal.floor:g}", f"{goal.goal:g}", verdict(ratio))


def _digits(value: float) -> int:
    return 3 if value < 2 else 2 if value < 10 else 1


def _write_json(path: Path, runs: Mapping[str, Run]) -> None:
    lines = [
        {"run": name, **asdict(each), "median": each.median, **_marks(each)}
        for name, (found, _) in runs.items()
        for each in found
    ]
    told = {name: {key: value for key, value in run.items() if key != "ratios"} for name, (_, run) in runs.items()}
    path.write_text(json.dumps({"ratios": lines, "runs": told}, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Run]:
    """What `_write_json` wrote."""
    document = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, list[Ratio]] = {name: [] for name in document["runs"]}
    for line in document["ratios"]:
        values = {each.name: line[each.name] for each in fields(Ratio)}
        found[line["run"]].append(Ratio(**{**values, "ratios": tuple(line["ratios"])}))
    return {name: (found[name], run) for name, run in document["runs"].items()}


def _marks(ratio: Ratio) -> Mapping[str, Any]:
    goal = GOALS.get(ratio.row)
    if goal is None:
        return {}
    return {"floor": goal.floor, "goal": goal.goal, "met": verdict(ratio)}


def _page(ratios: Sequence[Ratio], documents: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    missed = [each for each in ratios if verdict(each) in ("floor", "MISSED")]
    parts = [
        HEAD,
        _table(ratios),
        "![The ratios on a logarithmic scale, with floors and goals](tests/benchmarks/benchmarks.png)\n",
        "## What limits the rows that miss their goal\n",
        "\n".join(f"- **{each.row}**, {each.what}: {_limit(each)}" for each in missed) or "None misses it.",
        "\n## Beside each row\n",
        "\n".join(f"- **{each.row}**, {each.what}, against {each.against}: {each.note}" for each in ratios),
        "\n## How it was measured\n",
        *_settings(documents),
    ]
    return "\n".join(parts) + "\n"


def _table(ratios: Sequence[Ratio]) -> str:
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *(_line(each) for each in ratios)]
    absent = [row for row in GOALS if row not in {each.row for each in ratios}]
    told = f"\nNot measured: {', '.join(absent)}.\n" if absent else ""
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n" + told


def _limit(ratio: Ratio) -> str:
    """The hand-kept note on a row, the most particular one that fits."""
    limits = [Limit(**each) for each in tomllib.loads(LIMITS.read_text(encoding="utf-8")).get("limit", [])]
    fitting = [each for each in limits if each.row == ratio.row and each.where in ratio.what]
    return f"limited by {max(fitting, key=lambda each: len(each.where)).by}" if fitting else "not profiled yet"


def _settings(documents: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """A line for each benchmark; machine and versions once where they are the same."""
    lines, told = [], None
    for name, document in documents:
        versions = ", ".join(f"{package} {version}" for package, version in document["versions"].items())
        lines.append(f"- {name}, {document['when']}, {document['commit']}: {document['settings']}.")
        if (document["machine"], versions) != told:
            lines.append(f"  - {document['machine']}; {versions}")
        told = (document["machine"], versions)
    return lines


if __name__ == "__main__":
    sys.exit(main())
