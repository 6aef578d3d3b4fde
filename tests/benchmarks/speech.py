"""A1, A3 and A5: Whisper's encoder, the whole way from a file to a voice, and transcripts, beside other libraries.

    OMP_NUM_THREADS=1 KERAS_BACKEND=torch python tests/benchmarks/speech.py
    OMP_NUM_THREADS=1 KERAS_BACKEND=jax python tests/benchmarks/speech.py --rows A1 A5

The controls (`speech_control.py`) run in environments of their own: `--control` has transformers, CTranslate2, ONNX
Runtime and OpenVINO, `--voices` has Resemblyzer. Weights and float32 are the same on both sides, and answers are
compared; the sides take turns.

A1: seconds of sound a second, in windows of 30 s full of speech. Ours is the prefix that `fit` runs for transcription,
in the engine that `auto` takes, log-mel included; the controls get spectrograms that are there already, in their best
batch. A3: FLAC files of 22,050 Hz to embeddings: read, resampled, silence left out by webrtcvad, spectrogram, windows,
network. A5: greedy transcripts of recordings shorter than 30 s from samples to token ids, in batches of 8; ours as
`predict` answers many, its encoder in the engine that `auto` takes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from over_seeds import records_of
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios
from text import in_turn, spent, threads
from text_sides import CACHE_LIMIT, MANY

from headstart.cache import Cache
from headstart.engine.features.export import Exporters
from headstart.engine.features.extract import Passing, extract, open_backbone
from headstart.engine.features.extractor import Place
from headstart.engine.features.selection import Workload, decide
from headstart.engine.generation import generator
from headstart.engine.network.assemble import backbone_inputs, build_backbone, graft, load_head, load_weights
from headstart.engine.network.blueprint import BackboneUse
from headstart.engine.network.network import choose_features
from headstart.registry import Registry, load_registry
from headstart.specs import InputRequest, Prepared, TaskRequest

HERE = Path(__file__).parent
BACKEND = keras.backend.backend()
SUFFIX = "" if BACKEND == "torch" else "j"
REFERENCES = Path(".venv/references")
WHISPER, VOICES = "whisper/tiny_en", "speaker_encoder/ge2e"
ENCODERS = ("CTranslate2", "ONNX Runtime", "OpenVINO", "transformers")
RATE, SECONDS, BATCH = 16_000, 30.0, 8
PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
"""Real recordings of one speaker, of Debian's asterisk-core-sounds-en-wav; without them clips of `accents`."""


class Control:
    """The process of `speech_control.py`."""

    def __init__(self, python: Path, of: str, weights: Path) -> None:
        command = [python, HERE / "speech_control.py", of, weights, threads()]
        self._process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Its answer. Stops the benchmark where it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the control ended at {do} {more}")
        return dict(json.loads(line))

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


@dataclass(frozen=True)
class Sounds:
    """A backbone with its weights, its reader, and as much of `PreparedData` of some rows as an extractor reads."""

    use: BackboneUse
    kind: Any
    weights: Path
    rows: tuple[Prepared, ...] = ()

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        return {name: np.stack([row.tensors[name] for row in self.rows]) for name in self.kind.tensors}

    @property
    def owners(self) -> np.ndarray:
        return np.arange(len(self.rows))

    lengths = None


def main() -> None:
    """Measure, print and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control", type=Path, default=REFERENCES / "transformers/bin/python", metavar="PYTHON")
    parser.add_argument("--voices", type=Path, default=REFERENCES / "voices/bin/python", metavar="PYTHON")
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/speech-BACKEND.json")
    parser.add_argument("--rows", nargs="+", default=["A1", "A3", "A5"], choices=("A1", "A3", "A5"))
    parser.add_argument("--windows", type=int, default=8, metavar="N", help="of 30 s, a round and side of A1")
    parser.add_argument("--files", type=int, default=48, metavar="N", help="a round and side of A3")
    parser.add_argument("--clips", type=int, default=16, metavar="N", help="a round and side of A5")
    parser.add_argument("--engine", default="auto", help="of ours")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--clock", choices=("wall", "processor"), default="processor", help="wall on an idle machine")
    given = parser.parse_args()
    registry = load_registry()
    found: list[Ratio] = []
    with tempfile.TemporaryDirectory() as scratch:
        if "A1" in given.rows:
            found.append(encoded(registry, given, Path(scratch)))
        if "A3" in given.rows:
            found.append(voices(registry, given, Path(scratch)))
        if "A5" in given.rows:
            found.append(transcribed(registry, given, Path(scratch)))
    settings = f"{BACKEND}, float32, {given.rounds} rounds in turn, {threads()} threads, {given.clock} seconds"
    write_ratios(given.json or FOUND / f"speech-{BACKEND}.json", found, settings=settings)
    show_ratios(found, title=f"Speech: {settings}")


def opened_sounds(registry: Registry, name: str, **options: Any) -> Sounds:
    """A backbone of sounds with its published weights. Raises MissingWeightsError where they are not here."""
    from headstart.weights.source import locate

    spec = registry.get("backbones", name)
    reader = registry.input_for(spec)
    request = InputRequest(spec.weights[0].preprocess, reader.options(**options))
    use = BackboneUse(spec, spec.weights[0], input_options=request.options, features=("pooled",))
    return Sounds(use, registry.load_target(reader, reader.build)(request), locate(spec, spec.weights[0], registry))


def speech() -> list[Path]:
    """Files of recordings of up to 30 s, each its own."""
    if PROMPTS.is_dir():
        import soundfile

        files = sorted(PROMPTS.glob("*.wav"))
        return [file for file in files if 2.0 < soundfile.info(file).duration < SECONDS]
    return [Path(record.payload) for record in records_of("accents") if record.split == "test"]


def spread(files: list[Path], count: int) -> list[Path]:
    """So many of them, evenly."""
    return [files[place] for place in np.linspace(0, len(files) - 1, count).astype(int)]


def samples_of(kind: Any, file: Path) -> np.ndarray:
    """A recording as the kind reads it."""
    read: np.ndarray = kind.read(str(file), file.name).value.samples
    return read


def clock_of(given: argparse.Namespace) -> str:
    """The key of a control's answer."""
    return "seconds" if given.clock == "wall" else "processor"


def encoded(registry: Registry, given: argparse.Namespace, scratch: Path) -> Ratio:
    """A1."""
    sounds = opened_sounds(registry, WHISPER)
    said = np.concatenate([samples_of(sounds.kind, file) for file in spread(speech(), 12 * given.windows)])
    whole = round(SECONDS * RATE)
    windows = [np.resize(said[number * whole :], whole) for number in range(given.windows)]
    rows = tuple(sounds.kind.prepare(sounds.kind.read((each, RATE), "speech")) for each in windows)
    sounds = Sounds(sounds.use, sounds.kind, sounds.weights, rows)
    run, engine = opened_prefix(registry, sounds, scratch, feature="tokens", engine=given.engine)
    control = Control(given.control, "whisper", sounds.weights.parent)
    np.save(scratch / "windows.npy", np.stack(windows))
    batches = control.ask("windows", file=str(scratch / "windows.npy"), engines=ENCODERS)["batches"]
    sides: dict[str, Any] = {"ours": lambda: spent(run, given.clock)}
    for name in batches:
        sides[name] = lambda name=name: control.ask("encode", engine=name)[clock_of(given)]
    sound = SECONDS * given.windows
    rates = {side: [sound / each for each in values] for side, values in in_turn(sides, given.rounds).items()}
    best = max(batches, key=lambda name: float(np.median(rates[name])))
    control.ask("encode", engine=best, answers=str(scratch / "theirs.npy"))
    theirs, ours = np.load(scratch / "theirs.npy"), run()["@tokens"]
    control.end()
    off = np.abs(ours - theirs)
    apart = float(np.sqrt(np.mean(off.astype(np.float64) ** 2)) / theirs.std())
    told = "; ".join(f"{side} {middle(values, 1)}" for side, values in rates.items())
    return Ratio(
        f"A1{SUFFIX}",
        f"encoder of Whisper tiny.en, {given.windows} windows of 30 s, float32, {BACKEND}",
        f"{best}, the best of {len(batches)}",
        tuple(own / other for own, other in zip(rates["ours"], rates[best], strict=True)),
        f"Seconds of sound a second: {told}. Ours ran in {engine}, log-mel included; controls on batches of "
        f"{', '.join(f'{name} {size}' for name, size in batches.items())}. Positions differ by {off.max():.1e} at "
        f"most, by {apart:.1e} of their deviation in the root mean square.",
        holds=apart <= 1e-4,
    )


def opened_prefix(
    registry: Registry, sounds: Sounds, scratch: Path, *, feature: str, engine: str
) -> tuple[Callable[..., dict[str, np.ndarray]], str]:
    """What gives the feature (row, ...) of all rows, as `fit` computes it, and the engine that it runs in."""
    place = Place(Cache(scratch / "cache", CACHE_LIMIT), scratch / "scratch", threads(), print)
    options = sounds.use.input_options
    use = BackboneUse(sounds.use.spec, sounds.use.weights, input_options=options, features=(feature,))
    named = None if engine == "auto" else registry.get("engines", engine)
    data: Any = sounds
    with Exporters(registry) as exporters:
        extractor = open_backbone(use, data, exporters, place, kind=sounds.kind)
        stop = len(extractor.stock.stages) - 1
        extractor = decide(extractor, named, "float32", Workload(stop, MANY))
        opened = extractor.open(stop)
    tensors = sounds.tensors
    passing = Passing(lambda rows: {name: array[rows] for name, array in tensors.items()}, len(sounds.rows), {})

    def run(rows: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
        found: list[Mapping[str, np.ndarray]] = []
        own = passing
        if rows is not None:
            own = Passing(lambda at: {name: array[at] for name, array in rows.items()}, len(rows["samples"]), {})
        extract(opened, own, found.append, lambda done, total: None)
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}

    return run, extractor.decided.engine


def voices(registry: Registry, given: argparse.Namespace, scratch: Path) -> Ratio:
    """A3."""
    sounds = opened_sounds(registry, VOICES, voiced=True)
    clips = [Path(record.payload) for record in records_of("accents") if record.split == "test"]
    files = spread(clips, given.files)
    kind = sounds.kind
    first = tuple(row for file in files for row in kind.prepare_several(kind.read(str(file), file.name)))
    sounds = Sounds(sounds.use, kind, sounds.weights, first)
    run, engine = opened_prefix(registry, sounds, scratch, feature="pooled", engine=given.engine)

    def ours() -> np.ndarray:
        parted = [kind.prepare_several(kind.read(str(file), file.name)) for file in files]
        rows = [row for each in parted for row in each]
        pooled = run({name: np.stack([row.tensors[name] for row in rows]) for name in kind.tensors})["@pooled"]
        ends = np.cumsum([len(each) for each in parted])
        return np.stack([part.mean(axis=0) for part in np.split(pooled, ends[:-1])])

    control = Control(given.voices, "voices", sounds.weights)
    control.ask("files", files=[str(file) for file in files])
    sides = {
        "ours": lambda: spent(ours, given.clock),
        "Resemblyzer": lambda: control.ask("embed")[clock_of(given)],
    }
    seconds = in_turn(sides, given.rounds)
    control.ask("embed", answers=str(scratch / "voices.npy"))
    control.end()
    theirs, own = np.load(scratch / "voices.npy"), ours()
    cosines = np.sum(own * theirs, axis=1) / np.linalg.norm(own, axis=1) / np.linalg.norm(theirs, axis=1)
    told = "; ".join(f"{side} {middle([len(files) / each for each in values], 1)}" for side, values in seconds.items())
    return Ratio(
        f"A3{SUFFIX}",
        f"{len(files)} FLAC files of 2 to 4 s to embeddings of GE2E, float32, {BACKEND}",
        "Resemblyzer, whole pipeline",
        tuple(other / mine for mine, other in zip(seconds["ours"], seconds["Resemblyzer"], strict=True)),
        f"Files a second: {told}. Ours ran in {engine}. Cosines with theirs {cosines.min():.5f} and more.",
        holds=float(cosines.min()) > 0.99,
    )


def transcribed(registry: Registry, given: argparse.Namespace, scratch: Path) -> Ratio:
    """A5."""
    from headstart.weights.source import locate_assets

    sounds = opened_sounds(registry, WHISPER)
    kind, spec, weights = sounds.kind, sounds.use.spec, sounds.use.weights
    heard = [samples_of(kind, file) for file in spread(speech(), given.clips)]
    rows = [kind.prepare(kind.read((each, RATE), "speech")) for each in heard]
    tensors = {name: np.stack([row.tensors[name] for row in rows]) for name in kind.tensors}
    task_spec = registry.get("tasks", "transcription/transcription")
    labels, assets = weights.head.labels, locate_assets(spec, weights, registry)
    task = registry.load_target(task_spec, task_spec.build)(
        TaskRequest(task_spec.options(), labels=labels, assets=assets)
    )
    options = sounds.use.blueprint(registry).backbone_options
    stages = build_backbone(spec, registry, options=options, inputs=backbone_inputs(kind))
    network = graft(kind, stages, choose_features(spec.features, task_spec.features), task=task, head="decoder", seed=0)
    load_weights(
        network,
        {name: array[:2] for name, array in tensors.items()},
        kind,
        spec=spec,
        source=weights,
        registry=registry,
    )
    load_head(network, spec, weights, registry)
    sounds = Sounds(sounds.use, kind, sounds.weights, tuple(rows))
    encode, engine = opened_prefix(registry, sounds, scratch, feature="tokens", engine=given.engine)
    search = generator(network, task, len(network.stages) - 1)

    def ours() -> list[list[int]]:
        found: list[list[int]] = []
        for start in range(0, len(rows), BATCH):
            encoded = encode({name: array[start : start + BATCH] for name, array in tensors.items()})
            tokens = search(encoded)["tokens"]
            found += [_until(each.tolist(), task.tokens.end) for each in tokens]
        return found

    control = Control(given.control, "whisper", sounds.weights.parent)
    np.savez(scratch / "clips.npz", **{str(number): each for number, each in enumerate(heard)})
    control.ask("clips", file=str(scratch / "clips.npz"), batch=BATCH, most=task.search.most)
    sides = {
        "ours": lambda: spent(ours, given.clock),
        "transformers": lambda: control.ask("transcribe")[clock_of(given)],
    }
    seconds = in_turn(sides, given.rounds)
    theirs = control.ask("transcribe")["tokens"]
    control.end()
    same = float(np.mean([mine == other for mine, other in zip(ours(), theirs, strict=True)]))
    sound = sum(len(each) for each in heard) / RATE
    told = "; ".join(f"{side} {middle([len(rows) / each for each in values], 2)}" for side, values in seconds.items())
    return Ratio(
        f"A5{SUFFIX}",
        f"{len(rows)} recordings, {sound:.0f} s in all, greedily to tokens by Whisper tiny.en, float32, {BACKEND}",
        "transformers, the same batches",
        tuple(other / mine for mine, other in zip(seconds["ours"], seconds["transformers"], strict=True)),
        f"Recordings a second: {told}. Our encoder ran in {engine}. {100 * same:.0f} % of answers are the same, "
        "token for token.",
        holds=same > 0.9,
    )


def _until(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end)] if end in ids else ids


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
