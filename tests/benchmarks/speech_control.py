"""The controls of `speech.py`, in environments that need not have headstart.

    python tests/benchmarks/speech_control.py whisper FOLDER THREADS     transformers, CTranslate2 and other engines
    python tests/benchmarks/speech_control.py voices FILE THREADS        Resemblyzer

Answers a line of JSON on stdin with one on stdout, until stdin ends. FOLDER holds CTranslate2's tiny.en, which
transformers' model gets its numbers from as well; FILE is Resemblyzer's own.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it starts processes of its own

import numpy as np  # noqa: E402 - after what it reads
import torch  # noqa: E402 - after what it reads

sys.path.append(str(Path(__file__).parents[1] / "references"))
RATE = 16_000
SIZES = (1, 8)
"""Windows a batch, of which each engine gets its better."""
Encode = Callable[[np.ndarray], np.ndarray]


class Whisper:
    """Encoders, and transcripts by transformers."""

    def __init__(self, folder: Path, threads: int) -> None:
        import transformers
        from whisper import tiny_en

        torch.set_num_threads(threads)
        self.folder, self.threads, self.model = folder, threads, tiny_en()
        self.extract = transformers.WhisperFeatureExtractor()

    def windows(self, file: str, engines: list[str]) -> dict[str, Any]:
        """Keep the windows (window, sample) of `file` as spectrograms, and open the engines; the best batch of each."""
        samples = list(np.load(file))
        self.mels = self.extract(samples, sampling_rate=RATE, return_tensors="np").input_features.astype(np.float32)
        self.opened: dict[str, tuple[Encode, int]] = {}
        for name in engines:
            encode = getattr(self, f"_{name.split()[0].lower()}")()
            sizes = [size for size in SIZES if size <= len(self.mels)]
            taken = {}
            for size in sizes:
                encode(self.mels[:size])
                taken[size] = timed(lambda size=size, encode=encode: encode(self.mels[:size]))["processor"] / size
            self.opened[name] = encode, min(taken, key=lambda size: taken[size])
        return {"batches": {name: size for name, (_, size) in self.opened.items()}}

    def encode(self, engine: str, answers: str = "") -> dict[str, Any]:
        """All windows once; their positions go into the file `answers`, where one is named."""
        encode, size = self.opened[engine]
        found: list[np.ndarray] = []

        def run() -> None:
            for start in range(0, len(self.mels), size):
                found.append(encode(self.mels[start : start + size]))

        answer = timed(run)
        if answers:
            np.save(answers, np.concatenate(found))
        return answer

    def _transformers(self) -> Encode:
        encoder = self.model.model.encoder

        def encode(mels: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return encoder(torch.from_numpy(mels)).last_hidden_state.numpy()

        return encode

    def _ctranslate2(self) -> Encode:
        import ctranslate2

        model = ctranslate2.models.Whisper(
            str(self.folder), device="cpu", compute_type="float32", intra_threads=self.threads
        )
        return lambda mels: np.array(model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mels))))

    def _onnx(self) -> Encode:
        import onnxruntime as runtime

        graph = io.BytesIO()
        axes = {"mel": {0: "batch"}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Positions(self.model),
                (torch.from_numpy(self.mels[:2]),),
                graph,
                dynamo=False,
                input_names=["mel"],
                dynamic_axes=axes,
                opset_version=17,
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = runtime.InferenceSession(graph.getvalue(), options, providers=["CPUExecutionProvider"])
        return lambda mels: session.run(None, {"mel": mels})[0]

    def _openvino(self) -> Encode:
        import openvino as ov

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape = ov.PartialShape([-1, *self.mels.shape[1:]])
            model = ov.convert_model(
                _Positions(self.model), example_input=torch.from_numpy(self.mels[:2]), input=[shape]
            )
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self.threads,
        }
        compiled = ov.Core().compile_model(model, "CPU", settings)
        return lambda mels: compiled([mels])[0].copy()

    def clips(self, file: str, batch: int, most: int) -> dict[str, Any]:
        """Keep the recordings of `file`, in its order."""
        stored = np.load(file)
        self.heard = [stored[str(number)] for number in range(len(stored.files))]
        self.batch, self.most = batch, most
        return {}

    def transcribe(self) -> dict[str, Any]:
        """New tokens of each recording."""
        found: list[list[int]] = []
        end = self.model.generation_config.eos_token_id

        def run() -> None:
            for start in range(0, len(self.heard), self.batch):
                mels = self.extract(
                    self.heard[start : start + self.batch], sampling_rate=RATE, return_tensors="pt"
                ).input_features
                with torch.inference_mode():
                    for row in self.model.generate(mels, num_beams=1, max_new_tokens=self.most).tolist():
                        found.append(row[: row.index(end)] if end in row else row)

        return {**timed(run), "tokens": found}


class _Positions(torch.nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder = model.model.encoder

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (batch, band, frame) to positions (batch, time, width)."""
        found: torch.Tensor = self.encoder(mel).last_hidden_state
        return found


class Voices:
    """Resemblyzer, from a file to an embedding."""

    def __init__(self, weights: Path, threads: int) -> None:
        import types

        import scipy.ndimage

        # Since SciPy 1.13 the module that the package imports is gone; its one function is where it always was.
        sys.modules["scipy.ndimage.morphology"] = types.SimpleNamespace(  # type: ignore[assignment]
            binary_dilation=scipy.ndimage.binary_dilation
        )
        from resemblyzer import VoiceEncoder, preprocess_wav

        torch.set_num_threads(threads)
        self.encoder, self.read = VoiceEncoder("cpu", verbose=False, weights_fpath=weights), preprocess_wav

    def files(self, files: list[str]) -> dict[str, Any]:
        """Keep their names."""
        self.names = files
        return {}

    def embed(self, answers: str = "") -> dict[str, Any]:
        """All files once; embeddings go into the file `answers`, where one is named."""
        found: list[np.ndarray] = []

        def run() -> None:
            found.extend(self.encoder.embed_utterance(self.read(Path(name))) for name in self.names)

        answer = timed(run)
        if answers:
            np.save(answers, np.stack(found))
        return answer


def timed(run: Callable[[], Any]) -> dict[str, Any]:
    """Seconds of a call, on the wall and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return {"seconds": time.perf_counter() - wall, "processor": time.process_time() - processor}


def main() -> None:
    """Answer until stdin ends."""
    of, where, threads = sys.argv[1:]
    control = {"whisper": Whisper, "voices": Voices}[of](Path(where), int(threads))
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(getattr(control, asked.pop("do"))(**asked)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
