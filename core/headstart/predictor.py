"""The one way from a raw input to an answer; predict, evaluate and the check after training all take it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from headstart.engine.compute import Forward
    from headstart.specs import InputKind, Task

BATCH = 32


@dataclass(frozen=True)
class Predictor:
    """Reads raw inputs with the artefact's own preprocessing, runs the network, and answers in names."""

    kind: InputKind
    task: Task
    forward: Forward

    def predict(self, raw: Any, *, top_k: int = 1) -> Any:
        """Answer one raw input (path, bytes or array), or a list of them.

        Returns the task's columns for it as a mapping, or a list of mappings in the order of the inputs; `notes` is
        there where reading took a conversion, such as "converted from CMYK". Raises DataError naming an input that
        cannot be read.
        """
        several = isinstance(raw, list | tuple)
        payloads = list(raw) if several else [raw]
        notes: list[tuple[str, ...]] = []
        answers = self.task.decode(self._run(payloads, notes), top_k) if payloads else []
        noted = [
            {**answer, "notes": "; ".join(found)} if found else answer
            for answer, found in zip(answers, notes, strict=True)
        ]
        return noted if several else noted[0]

    def outputs(
        self, payloads: Sequence[Any], on_progress: Callable[[int, int], None] | None = None
    ) -> dict[str, np.ndarray]:
        """The head's named outputs, (inputs, ...) float32, in the order of `payloads` (not empty)."""
        return self._run(payloads, [], on_progress)

    def _run(
        self,
        payloads: Sequence[Any],
        notes: list[tuple[str, ...]],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, np.ndarray]:
        """As `outputs`; what reading each input took is added to `notes`. The next are read while one batch runs."""
        import numpy as np

        from headstart.data.ahead import ahead

        parts: dict[str, list[np.ndarray]] = {}
        done = 0
        for batch, real in ahead(self._batches(payloads, notes)):
            for name, value in self.forward(batch).items():
                parts.setdefault(name, []).append(value[:real])
            done += real
            if on_progress is not None:
                on_progress(done, len(payloads))
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}

    def _batches(
        self, payloads: Sequence[Any], notes: list[tuple[str, ...]]
    ) -> Iterator[tuple[Mapping[str, np.ndarray], int]]:
        """Batches of one static shape, the last padded with its last sample, and how many rows are real."""
        import numpy as np

        for first in range(0, len(payloads), BATCH):
            chunk = payloads[first : first + BATCH]
            samples = [self.kind.read(payload, _where(payload)) for payload in chunk]
            notes += [sample.notes for sample in samples]
            prepared = [self.kind.prepare(sample).tensors for sample in samples]
            prepared += [prepared[-1]] * (BATCH - len(chunk))
            yield {name: np.stack([sample[name] for sample in prepared]) for name in self.kind.tensors}, len(chunk)


def _where(payload: Any) -> str:
    text = str(payload) if isinstance(payload, str) or hasattr(payload, "__fspath__") else type(payload).__name__
    return text if len(text) < 300 else text[:300] + "..."
