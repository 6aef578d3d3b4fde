"""P3: pictures a second through the frozen backbone, beside the best engine that runs a network written by hand.

    KERAS_BACKEND=torch python tests/benchmarks/extraction.py
    KERAS_BACKEND=jax python tests/benchmarks/extraction.py

Ours is the prefix of a network in the engine that `auto` takes. The controls are the same architecture in PyTorch by
hand, BatchNorm folded: eager, torch.compile, ONNX Runtime, and OpenVINO by batches and by streams. Everybody gets the
same uint8 arrays and as many at a time; decoding, compilation and a first call are left out. The sides take turns.
Lite0 has its published weights on every side, the ViT a Hugging Face folder with the control's random ones, and the
answers of these two are compared; other weights are random.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
from control_engines import CONTROLS
from extraction_sides import BACKBONES, Side, open_ours
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios
from torch_networks import by_hand

from headstart.engine.features.extractor import BATCH

SLOW = {"vit": 4, "resnet50": 2}
"""Networks that get fewer pictures, by how many times fewer."""
WEIGHTS = {"lite0": "published weights", "vit": "a Hugging Face folder, random weights"}
"""Networks that have the same weights on both sides, and which."""


def main() -> None:
    """Measure, print and write the ratios."""
    given = parse()
    found = [
        ratio
        for name in given.networks
        for precision in given.precisions
        if (ratio := compare(name, precision, given)) is not None
    ]
    settings = (
        f"{keras.backend.backend()}, {given.count} pictures of 224 px a round (fewer for slow networks), {BATCH} at "
        f"a time, {given.rounds} rounds, decoding left out; controls: {', '.join(given.controls)}"
    )
    write_ratios(given.json or FOUND / f"extraction-{keras.backend.backend()}.json", found, settings=settings)
    show_ratios(found, title=f"Extraction: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/extraction-BACKEND.json")
    parser.add_argument("--networks", nargs="+", default=list(BACKBONES), choices=BACKBONES, metavar="NAME")
    parser.add_argument("--controls", nargs="+", default=list(CONTROLS), choices=CONTROLS, metavar="NAME")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"], metavar="NAME")
    parser.add_argument("--engine", default="auto", help="of ours")
    parser.add_argument("--count", type=int, default=512, metavar="N", help="pictures a round and side")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--quick", action="store_true", help="Lite0 in float32, 64 pictures, torch.compile left out")
    given = parser.parse_args()
    if given.quick:
        few = [name for name in CONTROLS if name != "torch.compile"]
        path = FOUND / "quick" / f"extraction-{keras.backend.backend()}.json"
        small = {"networks": ["lite0"], "precisions": ["float32"], "controls": few, "count": 64, "rounds": 3}
        parser.set_defaults(**small, json=path)
        given = parser.parse_args()
    return given


def compare(name: str, precision: str, given: argparse.Namespace) -> Ratio | None:
    """One network in one precision; None where ours cannot run it, which is printed."""
    batch = np.random.default_rng(0).integers(0, 256, (BATCH, 224, 224, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            ours = open_ours(name, precision, given.engine, batch=batch, scratch=Path(scratch))
        except Exception as exc:  # a refusal is a result: it is printed, and the other networks go on
            print(f"{name} {precision}: {exc}")
            return None
        controls, absent = open_controls(name, precision, ours, batch, given.controls)
        count = max(BATCH, given.count // SLOW.get(name, 1))
        rates = in_turn({"ours": ours.extract, **controls}, batch, count // BATCH, given.rounds)
    best = max(controls, key=lambda control: statistics.median(rates[control]))
    told = [f"{side} {middle(values, 0 if min(values) >= 10 else 1)}" for side, values in rates.items()]
    weights = WEIGHTS.get(name, "random weights: speed only")
    note = f"Pictures a second: {'; '.join(told)}. Ours ran in {ours.engine}"
    note += (
        f"; features differ by {difference(name, ours, controls[best], batch)} from theirs" if name in WEIGHTS else ""
    )
    return Ratio(
        row="P3",
        what=f"{name} ({weights}), 224 px, {precision}, {keras.backend.backend()}",
        against=f"{best}, the best of {len(controls)}",
        ratios=tuple(own / other for own, other in zip(rates["ours"], rates[best], strict=True)),
        note=". ".join([note, *absent]) + ".",
        counts=precision == "float32",
    )


def open_controls(
    name: str, precision: str, ours: Side, batch: np.ndarray, wanted: list[str]
) -> tuple[dict[str, Callable[[np.ndarray], np.ndarray]], list[str]]:
    """The controls that run here, and a sentence on each that does not."""
    network = by_hand(name, ours.scale, ours.offset)
    opened, absent = {}, []
    for control in wanted:
        try:
            opened[control] = CONTROLS[control](network, batch, precision)
        except (NotImplementedError, ImportError) as exc:
            absent.append(f"{control} left out: {exc}")
    return opened, absent


def in_turn(
    sides: Mapping[str, Callable[[np.ndarray], np.ndarray]], batch: np.ndarray, calls: int, rounds: int
) -> dict[str, list[float]]:
    """Pictures a second of each side in each round: A, B, C, A, B, C, ... after one call of each to warm up."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for extract in sides.values():
        extract(batch)
    for _ in range(rounds):
        for name, extract in sides.items():
            started = time.perf_counter()
            for _ in range(calls):
                extract(batch)
            rates[name].append(calls * len(batch) / (time.perf_counter() - started))
    return rates


def difference(name: str, ours: Side, control: Callable[[np.ndarray], np.ndarray], batch: np.ndarray) -> str:
    """The largest absolute difference of features, and their deviation."""
    own, theirs = ours.extract(batch), control(batch)
    return f"at most {np.abs(own - theirs).max():.1e} (deviation {theirs.std():.2f})"


if __name__ == "__main__":
    main()
