"""The one way from a raw input to an answer; predict, evaluate and the check after training all take it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from headstart.engine.step import Forward
    from headstart.specs import Facts, InputKind, Task

BATCH = 32


@dataclass(frozen=True)
class Answered:
    """A batch of inputs: the head's `outputs` (batch, ...) float32, and of each input the `facts` that preparing it
    told and the `notes` of what reading it took."""

    outputs: Mapping[str, np.ndarray]
    facts: tuple[Facts, ...]
    notes: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Predictor:
    """Reads raw inputs with the artefact's own preprocessing, runs the network, and answers in names."""

    kind: InputKind
    task: Task
    forward: Forward

    def predict(self, raw: Any, *, top_k: int = 1) -> Any:
        """Answer one raw input (path, bytes or array), or a list of them.

        Returns the task's answer as a mapping, or a list of mappings in the order of the inputs; `notes` is there where
        reading took a conversion, such as "converted from CMYK". Raises DataError naming an input that cannot be read.
        """
        several = isinstance(raw, list | tuple)
        answers = []
        for batch in self.answer(raw if several else [raw]):
            decoded = self.task.decode(batch.outputs, batch.facts, top_k)
            for answer, notes in zip(decoded, batch.notes, strict=True):
                answers.append({**answer, "notes": "; ".join(notes)} if notes else answer)
        return answers if several else answers[0]

    def outputs(self, payloads: Sequence[Any]) -> dict[str, np.ndarray]:
        """The head's named outputs, (inputs, ...) float32, in the order of a few `payloads` (not empty)."""
        import numpy as np

        parts = [batch.outputs for batch in self.answer(payloads)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def answer(
        self, payloads: Sequence[Any], on_progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Answered]:
        """Answer inputs in order, BATCH at a time; the next are read while one batch runs."""
        from headstart.data.ahead import ahead

        done = 0
        for tensors, facts, notes in ahead(self._batches(payloads)):
            outputs = {name: array[: len(facts)] for name, array in self.forward(tensors).items()}
            done += len(facts)
            if on_progress is not None:
                on_progress(done, len(payloads))
            yield Answered(outputs, facts, notes)

    def _batches(
        self, payloads: Sequence[Any]
    ) -> Iterator[tuple[Mapping[str, np.ndarray], tuple[Facts, ...], tuple[tuple[str, ...], ...]]]:
        """Batches of one static shape, the last padded with its last sample; facts and notes of the real rows."""
        import numpy as np

        for first in range(0, len(payloads), BATCH):
            chunk = payloads[first : first + BATCH]
            samples = [self.kind.read(payload, _where(payload)) for payload in chunk]
            prepared = [self.kind.prepare(sample) for sample in samples]
            rows = [each.tensors for each in prepared]
            rows += [rows[-1]] * (BATCH - len(chunk))
            tensors = {name: np.stack([row[name] for row in rows]) for name in self.kind.tensors}
            yield tensors, tuple(each.facts for each in prepared), tuple(sample.notes for sample in samples)


def _where(payload: Any) -> str:
    text = str(payload) if isinstance(payload, str) or hasattr(payload, "__fspath__") else type(payload).__name__
    return text if len(text) < 300 else text[:300] + "..."
