"""The control of L4: what one would write with OpenVINO alone. Lines of answers go to a file.

python tests/benchmarks/many_answers_by_hand.py JOB.json ANSWERS.jsonl
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

Request = tuple[list[int], dict[str, np.ndarray]]
TOGETHER = 16
"""Texts a request, of like length."""


def main() -> None:
    """Answer what the job names."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # which would start a process
    import openvino

    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    names, requests = READERS[job["field"]](job)
    head = np.load(job["head"])
    graph = Path(job["graph"])
    ports = json.loads((graph / "graph.json").read_text(encoding="utf-8"))
    core = openvino.Core()
    model = core.read_model(graph / "graph.xml")
    if job["field"] != "texts":
        model.reshape({port: [1, *list(port.get_partial_shape())[1:]] for port in model.inputs})
    cores = os.cpu_count() or 1
    compiled = core.compile_model(
        model, "CPU", {"NUM_STREAMS": cores, "INFERENCE_NUM_THREADS": cores, "INFERENCE_PRECISION_HINT": "f32"}
    )
    queue = openvino.AsyncInferQueue(compiled, 2 * cores)
    pooled = ports["outputs"].index("@pooled")
    features = np.zeros((len(names), len(head["kernel"])), np.float32)

    def keep(request: Any, rows: list[int]) -> None:
        features[rows] = request.get_output_tensor(pooled).data[: len(rows)]

    queue.set_callback(keep)
    for rows, tensors in requests:
        queue.start_async([tensors[name] for name in ports["inputs"]], rows)
    queue.wait_all()
    logits = features @ head["kernel"] + head["bias"]
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    with Path(sys.argv[2]).open("w", encoding="utf-8") as file:
        for name, row in zip(names, likely, strict=True):
            best = int(row.argmax())
            answer = {"input": name, "prediction": job["classes"][best], "probability": float(row[best])}
            file.write(json.dumps(answer) + "\n")


def pictures(job: dict[str, Any]) -> tuple[list[str], Iterator[Request]]:
    """Square pictures, resized."""
    from PIL import Image

    files = sorted(Path(job["data"]).rglob("*.png"))

    def requests() -> Iterator[Request]:
        for row, file in enumerate(files):
            with Image.open(file) as picture:
                resized = picture.convert("RGB").resize((job["size"], job["size"]), Image.Resampling.BICUBIC)
            yield [row], {"image": np.asarray(resized)[None]}

    return [str(file) for file in files], requests()


def texts(job: dict[str, Any]) -> tuple[list[str], Iterator[Request]]:
    """Texts of like length together."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(next(map(str, Path(job["assets"]).rglob("tokenizer.json"))))
    tokenizer.enable_truncation(job["tokens"])
    tokenizer.no_padding()
    with Path(job["data"]).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = tokenizer.encode_batch([row["text"] for row in rows])

    def requests() -> Iterator[Request]:
        order = sorted(range(len(found)), key=lambda row: len(found[row].ids))
        for start in range(0, len(order), TOGETHER):
            picked = order[start : start + TOGETHER]
            ids = np.zeros((len(picked), max(len(found[row].ids) for row in picked)), np.int32)
            mask = np.zeros(ids.shape, bool)
            for place, row in enumerate(picked):
                ids[place, : len(found[row].ids)] = found[row].ids
                mask[place, : len(found[row].ids)] = True
            yield picked, {"ids": ids, "types": np.zeros_like(ids), "mask": mask}

    return [row["id"] for row in rows], requests()


def sounds(job: dict[str, Any]) -> tuple[list[str], Iterator[Request]]:
    """Recordings at the network's rate, filled up with zeros."""
    import soundfile
    import soxr

    files = sorted(Path(job["data"]).glob("*.flac"))

    def requests() -> Iterator[Request]:
        for row, file in enumerate(files):
            heard, rate = soundfile.read(file, dtype="float32")
            heard = soxr.resample(heard, rate, job["rate"])[: job["samples"]]
            samples = np.zeros((1, job["samples"]), np.float32)
            samples[0, : len(heard)] = heard
            yield [row], {"samples": samples, "masks": np.zeros((1, 2, 200), np.float32)}

    return [str(file) for file in files], requests()


READERS = {"pictures": pictures, "texts": texts, "sounds": sounds}


if __name__ == "__main__":
    main()
