"""What transfer scores are worth: sources in the order of each score, beside what fine-tuning them really gave.

    python tests/benchmarks/ranked.py                      # all sets; hours on two cores
    python tests/benchmarks/ranked.py --sets digits --seeds 0
    python tests/benchmarks/ranked.py --show               # only what was measured so far
    python tests/benchmarks/ranked.py --write              # puts the taus into BENCHMARKS.md, too

The sources are published networks, some of them cut at several depths, the same from random weights, and three of our
own: trained from scratch for a short and a longer time, and fine-tuned, on another set. Each is scored by
`headstart rank`, and trained by `headstart fit --strategy lp_ft`, the test accuracy of which counts: its mean over
seeds. Agreement is the weighted Kendall tau (Vigna 2015, WWW; scipy's `weightedtau`), as the model-selection benchmark
of the Transfer-Learning-Library has it: 1 for the same order, 0 for none, mistakes among the best weighing more.
Intervals are those of 2,000 resamples of the sources. Beside the scores stand two that ask no data: the accuracy that
publishers state, and the number of parameters.

Each finished cell is a file below OUT/cells, and is not measured again. `ranked.json` is what was measured last.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from processes import HEADSTART, HERE
from scipy.stats import weightedtau
from sections import markdown_table, with_section
from sweep import ROOT, show

STAMPS = ROOT / "examples" / "stamps" / "recipe.toml"
PUBLISHED, REPORT = HERE / "ranked.json", ROOT / "BENCHMARKS.md"
PLUGIN = HERE / "cut_plugin"
RESAMPLES = 2000
LIMIT = 3600
OWN = "own:"
"""Before the name of a source that is trained first."""
PICTURES = (
    *("efficientnet_lite/lite0", "efficientnet_lite/lite1", "efficientnet_lite/lite2"),
    *("mobilenet_v2/imagenet", "nanodet/coco", "hed/edges"),
    *(f"cut/lite0_block{number}" for number in range(2, 6)),
    *("efficientnet_lite/lite0:none", "mobilenet_v2/imagenet:none"),
    *(f"{OWN}{name}" for name in ("short", "longer", "tuned")),
)
TEXTS = (
    *("hf_text/all_minilm_l6", "hf_text/multilingual_e5_small"),
    *(f"cut/all_minilm_l6_block{number}" for number in (2, 4)),
    *(f"cut/multilingual_e5_small_block{number}" for number in (3, 6, 9)),
    *("hf_text/all_minilm_l6:none", "hf_text/multilingual_e5_small:none"),
    *(f"{OWN}{name}" for name in ("short", "longer", "tuned")),
)


@dataclass(frozen=True)
class Target:
    """A set that sources are ranked on: flags of every verb, those of training, its sources, and the data that our own
    ones are trained on."""

    name: str
    flags: tuple[str, ...]
    training: tuple[str, ...]
    sources: tuple[str, ...]
    other: tuple[str, ...]


SETS = (
    Target(
        "digits",
        ("digits", "--limit", "300", "--image-size", "64"),
        ("--epochs", "5"),
        PICTURES,
        ("fashion_mnist", "--limit", "1500", "--image-size", "64"),
    ),
    Target(
        "fashion",
        ("fashion_mnist", "--limit", "400", "--image-size", "64"),
        ("--epochs", "5"),
        PICTURES,
        ("digits", "--limit", "1500", "--image-size", "64"),
    ),
    Target(
        "stamps",
        ("--recipe", str(STAMPS), "--image-size", "128"),
        ("--epochs", "5"),
        PICTURES,
        ("fashion_mnist", "--limit", "1500", "--image-size", "64"),
    ),
    Target(
        "movie_sentences",
        ("movie_sentences", "--limit", "600"),
        ("--epochs", "2"),
        TEXTS,
        ("spam_assassin", "--limit", "600"),
    ),
)
TRAINED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "short": ("pretrain", ("--epochs", "2", "--augment", "none")),
    "longer": ("pretrain", ("--epochs", "8", "--augment", "none")),
    "tuned": ("fit", ("--epochs", "3")),
}
"""Our own sources: the verb, and its flags."""


def main() -> int:
    """Measure what is not measured yet, and set it out."""
    given = parse()
    chosen = [shrunk(each, given) for each in SETS if given.sets is None or each.name in given.sets]
    (given.out / "cells").mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    for target in chosen if not given.show else ():
        failed += measure(target, given)
    documents = [found for target in chosen if (found := summary(target, given)) is not None]
    for document in documents:
        tell(document)
    is_whole = (given.limit, given.image_size, given.epochs) == (None, None, None)
    if documents and is_whole and not given.show:
        known = json.loads(PUBLISHED.read_text("utf-8"))["sets"] if PUBLISHED.exists() else []
        names = {document["set"] for document in documents}
        kept = [each for each in known if each["set"] not in names]
        text = json.dumps({"sets": [*kept, *documents]}, indent=1, allow_nan=False)
        PUBLISHED.write_text(text + "\n", encoding="utf-8")
    if given.write:
        REPORT.write_text(with_section(REPORT.read_text("utf-8"), "ranked", told()), encoding="utf-8")
    for problem in failed:
        print(f"FAILED {problem}")
    return 1 if failed or not documents else 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-ranked"), help="cells and runs")
    parser.add_argument("--sets", nargs="+", choices=[each.name for each in SETS], metavar="NAME")
    parser.add_argument("--backend", default="torch", choices=("jax", "torch"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="of split and training")
    parser.add_argument("--without", nargs="+", default=[], metavar="SOURCE", help="leave sources out")
    parser.add_argument("--limit", type=int, metavar="N", help="instead of the set's own; for a quick look")
    parser.add_argument("--image-size", type=int, metavar="N", help="likewise")
    parser.add_argument("--epochs", type=int, metavar="N", help="likewise, of training")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    parser.add_argument("--write", action="store_true", help="put what ranked.json holds into BENCHMARKS.md")
    return parser.parse_args()


def shrunk(target: Target, given: argparse.Namespace) -> Target:
    """A set with the sizes that the command line asks for; cells of another size have another name."""
    sizes = {"--limit": given.limit, "--image-size": given.image_size, "--epochs": given.epochs}
    asked = {flag: str(value) for flag, value in sizes.items() if value is not None}
    if not asked:
        return target
    training = tuple(part for flag, value in asked.items() if flag == "--epochs" for part in (flag, value))
    reading = tuple(part for flag, value in asked.items() if flag != "--epochs" for part in (flag, value))
    sized = tuple(part for flag, value in asked.items() if flag == "--image-size" for part in (flag, value))
    return replace(
        target,
        name="-".join((target.name, *asked.values())),
        flags=(*target.flags, *reading),
        training=training or target.training,
        other=(*target.other, *sized),
    )


def measure(target: Target, given: argparse.Namespace) -> list[str]:
    """Every cell of a set that is not there; what failed."""
    failed = []
    sources = [each for each in target.sources if each not in given.without]
    for name in [each.removeprefix(OWN) for each in sources if each.startswith(OWN)]:
        verb, flags = TRAINED[name]
        backbone = "hf_text/all_minilm_l6" if target.sources is TEXTS else "efficientnet_lite/lite0"
        place = own_folder(target, name, given)
        if (place / "result.json").exists():
            continue
        command = (verb, *target.other, "--backbone", backbone, *flags, "--out", str(place), "--json")
        failed += run(f"{target.name}-source-{name}", command, given)
    for seed in given.seeds:
        refs = [part for source in sources for part in ("--backbone", source_ref(target, source, given))]
        place = given.out / "rankings" / f"{target.name}-{seed}"
        command = ("rank", *target.flags, *refs, "--split-seed", str(seed), "--out", str(place), "--json")
        failed += run(f"{target.name}-rank-{seed}", command, given)
        for source in sources:
            flags = fit_flags(target, source, seed, given)
            failed += run(f"{target.name}-fit-{seed}-{slug(source)}", ("fit", *target.flags, *flags), given)
    return failed


def fit_flags(target: Target, source: str, seed: int, given: argparse.Namespace) -> tuple[str, ...]:
    """Those of training from a source; random weights keep statistics of their own."""
    ref = source_ref(target, source, given)
    weights: tuple[str, ...] = ()
    if ref.endswith(":none"):
        ref, weights = ref.removesuffix(":none"), ("--weights", "none", "--batch-norm", "trainable")
        weights = weights if target.sources is PICTURES else weights[:2]
    place = given.out / "runs" / f"{target.name}-{seed}-{slug(source)}"
    said = ("--strategy", "lp_ft", "--seed", str(seed), "--split-seed", str(seed), "--out", str(place), "--json")
    return ("--backbone", ref, *weights, *target.training, *said, "--set", 'reporters=["json"]')


def source_ref(target: Target, source: str, given: argparse.Namespace) -> str:
    """What `--backbone` takes."""
    if source.startswith(OWN):
        return str(own_folder(target, source.removeprefix(OWN), given))
    return source


def own_folder(target: Target, name: str, given: argparse.Namespace) -> Path:
    """The run of one of our own sources."""
    told = "-".join(part for part in target.other if not part.startswith("-"))
    folder: Path = (given.out / "sources" / f"{told}-{name}").absolute()
    return folder


def slug(source: str) -> str:
    """A file's name for a source."""
    return source.replace("/", "_").replace(":", "_")


def run(name: str, command: Sequence[str], given: argparse.Namespace) -> list[str]:
    """One process, what it prints kept as a cell; what went wrong."""
    cell: Path = given.out / "cells" / f"{given.backend}-{name}.json"
    if cell.exists():
        return []
    print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
    place = Path(command[command.index("--out") + 1])
    if place.exists():  # of a sweep that was stopped in the middle of it
        subprocess.run(["rm", "-r", str(place)], check=True)
    path = os.pathsep.join(filter(None, (str(PLUGIN), os.environ.get("PYTHONPATH"))))
    variables = {**os.environ, "KERAS_BACKEND": given.backend, "PYTHONPATH": path}
    try:
        done = subprocess.run(
            [str(HEADSTART), *command], env=variables, capture_output=True, text=True, check=False, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return [f"{name}: took more than {LIMIT} s"]
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
        return [f"{name}: exit code {done.returncode}: {(done.stderr.strip().splitlines() or ['?'])[-1]}"]
    cell.write_text(done.stdout, encoding="utf-8")
    return []


def summary(target: Target, given: argparse.Namespace) -> dict[str, Any] | None:
    """Of a set, each source's accuracy and scores over the seeds that are whole, and the taus; None where too little
    was measured."""
    sources = [each for each in target.sources if each not in given.without]
    accuracies: dict[str, list[float]] = {source: [] for source in sources}
    scores: dict[str, dict[str, list[float]]] = {source: {} for source in sources}
    known: dict[str, dict[str, Any]] = {}
    for seed in given.seeds:
        ranking = read(f"{target.name}-rank-{seed}", given)
        if ranking is None:
            continue
        rows = {row["name"]: row for row in ranking["rows"]}
        for source in sources:
            fitted = read(f"{target.name}-fit-{seed}-{slug(source)}", given)
            row = rows.get(source_ref(target, source, given))
            if fitted is None or row is None:
                continue
            accuracies[source].append(float(fitted["metrics"]["test"]["accuracy"]))
            known[source] = row
            for name, each in row["scores"].items():
                scores[source].setdefault(name, []).append(float(each["value"]))
    there = [source for source in sources if accuracies[source]]
    if len(there) < 3:
        return None
    reached = np.array([np.mean(accuracies[source]) for source in there])
    table = {
        source: {
            "accuracy": float(np.mean(accuracies[source])),
            "seeds": len(accuracies[source]),
            "source_accuracy": known[source]["source_accuracy"],
            "parameters": known[source]["parameters"],
            **{name: float(np.mean(values)) for name, values in scores[source].items()},
        }
        for source in there
    }
    names = [name for name in dict.fromkeys(key for row in table.values() for key in row) if name not in LEFT_OUT]
    taus = {}
    for name in names:
        values = [table[source].get(name) for source in there]
        has = np.array([value is not None for value in values])
        if has.sum() < 3 or len(np.unique(reached[has])) < 2:
            continue
        taken = np.array([float(value) for value in values if value is not None])
        value, low, high = tau_with_interval(reached[has], taken)
        taus[name] = {"tau": value, "ci95": [low, high], "sources": int(has.sum())}
    flags = [each.removeprefix(f"{ROOT}{os.sep}") for each in target.flags]
    return {"set": target.name, "flags": flags, "backend": given.backend, "sources": table, "taus": taus}


LEFT_OUT = ("accuracy", "seeds")


def tau(accuracy: np.ndarray, score: np.ndarray) -> float:
    """The weighted Kendall tau of two orders (source,): additive hyperbolic weights, the mean over both orders."""
    return float(weightedtau(accuracy, score)[0])


def tau_with_interval(accuracy: np.ndarray, score: np.ndarray) -> tuple[float, float, float]:
    """With what 95 of 100 resamples of the sources lie in; resamples of fewer than three different ones say nothing."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        rows = random.integers(0, len(accuracy), len(accuracy))
        if len(np.unique(rows)) >= 3:
            found.append(tau(accuracy[rows], score[rows]))
    found = [each for each in found if np.isfinite(each)]
    low, high = np.quantile(found, (0.025, 0.975))
    return tau(accuracy, score), float(low), float(high)


def read(name: str, given: argparse.Namespace) -> dict[str, Any] | None:
    """What a finished cell printed."""
    cell = given.out / "cells" / f"{given.backend}-{name}.json"
    return dict(json.loads(cell.read_text("utf-8"))) if cell.exists() else None


def tell(document: Mapping[str, Any]) -> None:
    """Print the table of a set, and its taus, the best first."""
    sources = sorted(document["sources"].items(), key=lambda pair: -pair[1]["accuracy"])
    names = list(document["taus"])
    lines = [[source, f"{row['accuracy']:.3f}", *(figure(row.get(name)) for name in names)] for source, row in sources]
    show(("source", "lp_ft accuracy", *names), lines, title=f"{document['set']}: {' '.join(document['flags'])}")
    taus = sorted(document["taus"].items(), key=lambda pair: -pair[1]["tau"])
    show(
        ("score", "weighted tau", "95 %", "sources"),
        [
            [name, f"{each['tau']:.3f}", f"{each['ci95'][0]:.2f} to {each['ci95'][1]:.2f}", each["sources"]]
            for name, each in taus
        ],
        title=f"{document['set']}: agreement with lp_ft",
    )


def told() -> str:
    """The taus of all sets that `ranked.json` holds with what each is of, the best in the mean first, scores that few
    sources have last."""
    places = [target.name for target in SETS]
    found = sorted(json.loads(PUBLISHED.read_text("utf-8"))["sets"], key=lambda each: places.index(each["set"]))

    def order(name: str) -> tuple[bool, float]:
        taus = [(each["taus"][name], len(each["sources"])) for each in found if name in each["taus"]]
        is_rare = all(2 * tau["sources"] < count for tau, count in taus)
        return is_rare, -float(np.mean([tau["tau"] for tau, _ in taus]))

    names = sorted({name for each in found for name in each["taus"]}, key=order)
    rows = [[name, *(tau_told(each["taus"].get(name)) for each in found)] for name in names]
    lines = [
        "## What transfer scores are worth",
        "",
        "`tests/benchmarks/ranked.py`: sources in the order of each score beside the test accuracy that `lp_ft` "
        "reaches from them: weighted Kendall taus, 1 for the same order, with 95 % intervals over resampled sources "
        "and the number of sources that have the score. `source_accuracy` is what publishers state, `parameters` their "
        "number: neither looks at the data.",
        "",
    ]
    for each in found:
        seeds = max(row["seeds"] for row in each["sources"].values())
        reached = [row["accuracy"] for row in each["sources"].values()]
        flags, plural = " ".join(each["flags"]), "s" if seeds > 1 else ""
        lines.append(
            f"- {each['set']} (`{flags}`), {each['backend']}, {seeds} seed{plural}: {len(reached)} sources, accuracies "
            f"from {min(reached):.3f} to {max(reached):.3f}"
        )
    return "\n".join([*lines, "", markdown_table(("score", *(each["set"] for each in found)), rows)])


def tau_told(tau: Mapping[str, Any] | None) -> str:
    """A tau with its interval and sources; a dash for none."""
    if tau is None:
        return "-"
    return f"{tau['tau']:.2f} ({tau['ci95'][0]:.2f} to {tau['ci95'][1]:.2f}; {tau['sources']})"


def figure(value: float | None) -> str:
    """A number in a few letters."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
