"""The controls of `translation.py`, in an environment with transformers and CTranslate2.

    python tests/benchmarks/translation_control.py FOLDER THREADS

Answers a line of JSON on stdin with one on stdout, until stdin ends. FOLDER is that of a MarianMT.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import ctranslate2
import numpy as np
import torch
import transformers

RATE, DECAY = 1e-6, 0.01


class Controls:
    """What is asked of this process, by name."""

    def __init__(self, folder: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self.model = transformers.MarianMTModel.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa"
        ).eval()
        numbers = json.loads((folder / "vocab.json").read_text("utf-8"))
        self.pieces = np.array(sorted(numbers, key=numbers.get))
        with tempfile.TemporaryDirectory() as scratch:
            converted = Path(scratch) / "converted"
            ctranslate2.converters.TransformersConverter(str(folder)).convert(str(converted))
            self.translator = ctranslate2.Translator(
                str(converted), device="cpu", compute_type="float32", intra_threads=threads
            )

    def sentences(self, file: str) -> dict[str, Any]:
        """Keep the batches in `file`."""
        stored = np.load(file)
        count = len(stored.files) // 2
        self.batches = [(stored[f"{place} ids"], stored[f"{place} mask"]) for place in range(count)]
        self.texts = [
            [self.pieces[row[: real.sum()]].tolist() for row, real in zip(ids, mask, strict=True)]
            for ids, mask in self.batches
        ]
        return {}

    def transformers(self, beams: int, most: int) -> dict[str, Any]:
        """Answer all batches by `generate`."""
        pad, lengths = self.model.config.pad_token_id, []

        def answer() -> None:
            for ids, mask in self.batches:
                with torch.inference_mode():
                    found = self.model.generate(
                        input_ids=torch.from_numpy(ids),
                        attention_mask=torch.from_numpy(mask).long(),
                        num_beams=beams,
                        max_new_tokens=most,
                        length_penalty=1.0,
                    )
                lengths.extend((found[:, 1:] != pad).sum(1).tolist())

        return {**timed(answer), "lengths": lengths}

    def CTranslate2(self, beams: int, most: int) -> dict[str, Any]:
        """The same by CTranslate2."""

        def answer() -> None:
            for texts in self.texts:
                self.translator.translate_batch(
                    texts, beam_size=beams, max_decoding_length=most, length_penalty=1.0, disable_unk=True
                )

        return timed(answer)

    def prepare_step(self, file: str, smoothing: float) -> dict[str, Any]:
        """Keep a batch, and an optimizer of every weight."""
        stored = np.load(file)
        pad = self.model.config.pad_token_id
        following = torch.from_numpy(stored["next"])
        previous = torch.cat([torch.full((len(following), 1), pad), following[:, :-1]], 1)
        self.batch = (torch.from_numpy(stored["ids"]), torch.from_numpy(stored["mask"]).long(), previous, following)
        self.smoothing = smoothing
        self.optimizer = torch.optim.AdamW(self.model.parameters(), RATE, weight_decay=DECAY, fused=True)
        return {}

    def step(self) -> dict[str, Any]:
        """One update."""
        ids, mask, previous, following = self.batch
        self.model.train()

        def update() -> None:
            logits = self.model(input_ids=ids, attention_mask=mask, decoder_input_ids=previous).logits
            loss = torch.nn.functional.cross_entropy(
                logits.reshape(-1, logits.shape[-1]),
                following.reshape(-1),
                ignore_index=self.model.config.pad_token_id,
                label_smoothing=self.smoothing,
            )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()

        found = timed(update)
        self.model.eval()
        return found


def timed(run: Callable[[], Any]) -> dict[str, Any]:
    """Seconds of a call, on the wall and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return {"seconds": time.perf_counter() - wall, "processor": time.process_time() - processor}


def main() -> None:
    """Answer until stdin ends."""
    controls = Controls(Path(sys.argv[1]), int(sys.argv[2]))
    for line in sys.stdin:
        asked = json.loads(line)
        answer = getattr(controls, asked.pop("do"))(**asked)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
