"""T3: a probe on movie sentences from a cold start, beside sentence-transformers and scikit-learn; whole processes.

    python tests/benchmarks/text_cold.py --control .venv/references/transformers/bin/python

Ours is `headstart fit movie.csv --strategy probe` with an empty cache: reading, tokenisation, the engine, features,
heads, test, artefact and its reload. The control is `text_by_hand.py`, on the split of our first run and the same
weights: the folder of all-MiniLM-L6-v2, completed with what sentence-transformers saves beside it. Sides take turns.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
from pathlib import Path

from kept import Kept, Measured
from processes import HEADSTART, HERE, environment, timed
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios
from text_tables import sentence_table

CONTROL = Path(".venv/references/transformers/bin/python")
BACKBONE = "hf_text/all_minilm_l6"
WORSE = 0.02
"""The test accuracy by which ours may be below the control's."""
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
POOLING = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    table = sentence_table(given.out / "data", given.count)
    folder = sentence_folder(given.out / "all-MiniLM-L6-v2")
    found = [compare(backend, table, folder, given, kept) for backend in given.backends]
    settings = f"{given.count} movie sentences, whole processes, cold; {given.rounds} rounds in turn"
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Text, cold: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control", type=Path, default=CONTROL, help=f"Python with sentence-transformers ({CONTROL})")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-text-cold"), help="data, runs and measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "text-cold.json", help="where the ratios go")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--count", type=int, default=10_000, metavar="N", help="sentences")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="processor on a busy machine")
    return parser.parse_args()


def sentence_folder(folder: Path) -> Path:
    """all-MiniLM-L6-v2 as sentence-transformers reads it: the package's files, and what it saves beside them."""
    from headstart.registry import load_registry
    from headstart.weights.source import locate

    if not folder.exists():
        registry = load_registry()
        spec = registry.get("backbones", BACKBONE)
        shutil.copytree(locate(spec, spec.weights[0], registry).parent, folder)
        (folder / "modules.json").write_text(json.dumps(MODULES), encoding="utf-8")
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(POOLING), encoding="utf-8")
        (folder / "2_Normalize").mkdir(exist_ok=True)
    return folder


def compare(backend: str, table: Path, folder: Path, given: argparse.Namespace, kept: Kept) -> Ratio:
    """Ours and the control in turn, on the split of our first run."""
    ours: list[Measured] = []
    theirs: list[Measured] = []
    split = given.out / f"split-{given.count}.csv"
    for number in range(given.rounds):
        key = f"{given.count}/{number}"
        ours.append(kept.once(f"ours/{backend}/{key}", lambda: our_run(backend, table, split, given)))
        theirs.append(kept.once(f"by hand/{key}", lambda: by_hand(table, split, folder, given)))
    worst = theirs[0]["test"] - min(each["test"] for each in ours)
    told = [
        f"{side} {middle([each['wall'] for each in found], 1, ' s')}, "
        f"{middle([each['processor'] for each in found], 1, ' s')} of processors, {found[0]['test']:.1%} on test"
        for side, found in (("ours", ours), ("by hand", theirs))
    ]
    return Ratio(
        row="T3",
        what=f"headstart fit --strategy probe, {given.count} movie sentences, MiniLM, cold, float32, {backend}",
        against="sentence-transformers and scikit-learn's LogisticRegression, whole process",
        ratios=tuple(other[given.clock] / own[given.clock] for own, other in zip(ours, theirs, strict=True)),
        note="; ".join(told) + ".",
        holds=worst <= WORSE,
    )


def our_run(backend: str, table: Path, split: Path, given: argparse.Namespace) -> Measured:
    """Seconds and test accuracy of one run with an empty cache; its split stays for the control."""
    run, cache = given.out / "run", given.out / "cache"
    for left in (run, cache):
        shutil.rmtree(left, ignore_errors=True)
    command = (HEADSTART, "fit", table, "--backbone", BACKBONE, "--strategy", "probe", "--backend", backend)
    command += ("--precision", "float32", "--out", run, "--json")
    before = spent()
    wall, _ = timed(command, environment(HEADSTART_CACHE=cache))
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    shutil.copy(run / "split.csv", split)
    return {
        "wall": round(wall, 2),
        "processor": round(spent() - before, 2),
        "test": float(result["metrics"]["test"]["accuracy"]),
    }


def by_hand(table: Path, split: Path, folder: Path, given: argparse.Namespace) -> Measured:
    """The same of the control."""
    before = spent()
    wall, found = timed((given.control, HERE / "text_by_hand.py", table, split, folder), environment())
    return {"wall": round(wall, 2), "processor": round(spent() - before, 2), **found}


def spent() -> float:
    """Seconds of processors that processes started here have taken, and those that they started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
