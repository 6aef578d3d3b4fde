"""R1, R1v and R2: which of five sources is best, and a network trained on it, beside trying each out.

    python tests/benchmarks/rank_speed.py
    python tests/benchmarks/rank_speed.py --cases R1v --rounds 1
    python tests/benchmarks/rank_speed.py --parts 1        # every epoch of the control to its end
    python tests/benchmarks/rank_speed.py --quick

Ours is `headstart rank --then-fit` with an empty cache, whole process: five sources, nine scores, and `lp_ft` on the
best, which gets the one epoch that each source gets in the control (R1; R1v with VGG16 among the five, which takes
most of the time on both sides: HED's, whose weights a package has, at its own 320 px). Beside R1 stands a head alone on
the best. Then `headstart rank` once more with the
cache that it left (R2). The control is one epoch of fine-tuning in plain Keras for each of the five (`one_epoch.py`),
whole processes one after the other, on the same pictures. Two of `--parts` of such an epoch are run, with the start of
the process and all that compiles in the first; the others count as the second does. Sources that are not here are left
out on both sides, and told. What was measured is kept in `--out`: `--cases R1 --rounds 1`, and with `--rounds 2` later
the second round alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cold_cases import stock_backbone
from kept import Kept, Measured
from picture_folders import picture_folder
from processes import HEADSTART, HERE, PYTHON, environment, timed
from ratios import FOUND, Ratio, show_ratios, write_ratios

from headstart.registry import load_registry
from headstart.transfer.ranking.candidates import is_here, named_candidate

SMALL = (
    *("efficientnet_lite/lite0", "efficientnet_lite/lite1", "efficientnet_lite/lite2"),
    *("mobilenet_v2/imagenet", "nanodet/coco"),
)
WITH_VGG = (*SMALL[:4], "hed/edges")
CASES = {"R1": SMALL, "R1v": WITH_VGG}
EPOCH, HEAD = ("--set", "strategy.epochs=1"), ("--set", "strategy=probe")
"""What the best source is trained with: an epoch of `lp_ft`, and beside it a head on the features that are there."""
NETWORKS = ("mobilenet_v2/imagenet", "nanodet/coco", "hed/edges")
"""Whose network is told by the first part of its name."""
QUICK = {"count": 200, "rounds": 1, "cases": ["R1"], "most": 2, "parts": 4}


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    data = picture_folder("fashion", given.count, given.out / "data").resolve()
    sources = {row: at_hand(CASES[row][: given.most]) for row in given.cases}
    found = [ratio for row in given.cases for ratio in ratios_of(row, sources[row], data, given, kept)]
    control = "whole epochs" if given.parts == 1 else f"two of {given.parts} parts of epochs, the others as the second"
    settings = (
        f"whole processes on {given.backend}, empty cache; {given.rounds} rounds in turn; batch 32, native sizes; "
        f"control: {control}"
    )
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Ranking: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-rank"), help="pictures, runs and measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "rank.json", help="where the ratios go")
    parser.add_argument("--backend", default="torch", choices=("jax", "torch"))
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="ROW")
    parser.add_argument("--count", type=int, default=1500, metavar="N", help="pictures; 4 of 5 are looked at")
    parser.add_argument("--most", type=int, metavar="N", help="only the first so many sources of a row; for a look")
    parser.add_argument("--rounds", type=int, default=2, metavar="N")
    parser.add_argument("--parts", type=int, default=10, metavar="N", help="of a control's epoch, of which two are run")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK}")
    given = parser.parse_args()
    if given.quick:
        parser.set_defaults(**QUICK, json=FOUND / "quick" / "rank.json")
        given = parser.parse_args()
    return given


def at_hand(sources: Sequence[str]) -> tuple[str, ...]:
    """Those whose weights lie here; the others are told."""
    registry = load_registry()
    found = []
    for source in sources:
        candidate = named_candidate(source, registry)
        if candidate.weights is not None and is_here(candidate.spec, candidate.weights):
            found.append(source)
        else:
            print(f"{source} is not here and left out: headstart weights get {source}", file=sys.stderr)
    return tuple(found)


def ratios_of(row: str, sources: Sequence[str], data: Path, given: argparse.Namespace, kept: Kept) -> list[Ratio]:
    """Both sides of a row, round by round, and the second ranking."""
    jobs = {source: job_of(source, data, given) for source in sources}
    ours, again, heads, theirs = [], [], [], []
    for number in range(given.rounds):
        key = f"{given.backend} {given.count} {row} {number} of {len(sources)}"
        found = kept.once(f"{key} ours", lambda: ours_once(row, sources, data, given, EPOCH))
        if row == "R1":
            head = kept.once(f"{key} ours, head alone", lambda: ours_once(row, sources, data, given, HEAD))
            heads.append(head["first"])
        ours.append(found["first"])
        again.append(found["second"])
        epochs = [
            kept.once(
                f"{given.backend} {given.count} {number} epoch of {given.parts} {source}",
                lambda job=job: epoch_of(job, given),
            )
            for source, job in jobs.items()
        ]
        theirs.append(sum(each["seconds"] for each in epochs))
    names = ", ".join(source.partition("/")[0 if source in NETWORKS else 2] for source in sources)
    looked = given.count * 4 // 5
    what = f"rank {len(sources)} sources ({names}) and fine-tune the best for an epoch, {looked} pictures"
    note = f"ours {ours[-1]:.0f} s, {again[-1]:.1f} s again; one epoch each {theirs[-1]:.0f} s"
    first = tuple(each / own for each, own in zip(theirs, ours, strict=True))
    second = tuple(each / own for each, own in zip(theirs, again, strict=True))
    against = "one epoch each in plain Keras"
    ratios = [
        Ratio(row, what, against, first, note),
        Ratio("R2", f"rank the same again, cache present ({row})", against, second, note, counts=row == "R1"),
    ]
    if heads:
        third = tuple(each / own for each, own in zip(theirs, heads, strict=True))
        alone = f"ours {heads[-1]:.0f} s, test accuracy {head['test']:.3f}, beside {found['test']:.3f} after the epoch"
        what = f"the same, but the head of the best alone (probe): {row}"
        ratios.insert(1, Ratio(row, what, against, third, alone, counts=False))
    return ratios


def ours_once(
    row: str, sources: Sequence[str], data: Path, given: argparse.Namespace, training: tuple[str, str]
) -> Measured:
    """Seconds of the first ranking with its run, and of a second one."""
    place = given.out / f"ours-{row}"
    shutil.rmtree(place, ignore_errors=True)
    variables = environment(HEADSTART_CACHE=place / "cache", KERAS_BACKEND=given.backend)
    refs = [part for source in sources for part in ("--backbone", source)]
    command = (HEADSTART, "rank", data, *refs, "--json", "--out")
    first, document = timed((*command, place / "first", "--then-fit", *training), variables)
    second, again = timed((*command, place / "second"), variables)
    if document["recommended"] != again["recommended"]:
        raise SystemExit(f"{row}: a second ranking recommends {again['recommended']}")
    accuracy = document["run"]["metrics"]["test"]["accuracy"]
    shutil.rmtree(place, ignore_errors=True)
    return {"first": first, "second": second, "recommended": document["recommended"], "test": accuracy}


def epoch_of(job: Path, given: argparse.Namespace) -> Measured:
    """Seconds of one epoch of plain Keras, whole process."""
    variables = environment(KERAS_BACKEND=given.backend, KERAS_HOME=given.out / "keras")
    seconds, found = timed((PYTHON, HERE / "one_epoch.py", job, str(given.parts)), variables)
    return {"seconds": seconds + found["left_out"], **found}


def job_of(source: str, data: Path, given: argparse.Namespace) -> Path:
    """The control's file for one source: as many pictures of each class on each side as ours looks at."""
    backbone = stock_backbone(source, given.out / "backbones" / source.replace("/", "_"))
    folders = sorted(path for path in data.iterdir() if path.is_dir())
    pictures: dict[str, list[Any]] = {"train": [], "val": []}
    for label, folder in enumerate(folders):
        files = sorted(folder.iterdir())
        train, both = len(files) * 16 // 25, len(files) * 4 // 5
        pictures["train"] += [(str(file), label) for file in files[:train]]
        pictures["val"] += [(str(file), label) for file in files[train:both]]
    path: Path = given.out / "jobs" / f"{source.replace('/', '_')}-{given.count}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**backbone, "pictures": pictures, "classes": len(folders)}), encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
