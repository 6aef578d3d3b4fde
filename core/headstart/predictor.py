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

        Returns the task's columns for it as a mapping, or a list of mappings in the order of the inputs. Raises
        DataError naming an input that cannot be read.
        """
        if isinstance(raw, list | tuple):
            return list(self.task.decode(self.outputs(list(raw)), top_k)) if raw else []
        return self.task.decode(self.outputs([raw]), top_k)[0]

    def outputs(
        self, payloads: Sequence[Any], on_progress: Callable[[int, int], None] | None = None
    ) -> dict[str, np.ndarray]:
        """The head's named outputs, (inputs, ...) float32, in the order of `payloads` (not empty)."""
        import numpy as np

        parts: dict[str, list[np.ndarray]] = {}
        done = 0
        for batch, real in self._batches(payloads):
            for name, value in self.forward(batch).items():
                parts.setdefault(name, []).append(value[:real])
            done += real
            if on_progress is not None:
                on_progress(done, len(payloads))
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}

    def _batches(self, payloads: Sequence[Any]) -> Iterator[tuple[Mapping[str, np.ndarray], int]]:
        """Batches of one static shape, the last padded with its last sample, and how many rows are real."""
        import numpy as np

        for first in range(0, len(payloads), BATCH):
            chunk = payloads[first : first + BATCH]
            prepared = [self.kind.prepare(self.kind.read(payload, _where(payload))) for payload in chunk]
            prepared += [prepared[-1]] * (BATCH - len(chunk))
            yield {name: np.stack([sample[name] for sample in prepared]) for name in self.kind.tensors}, len(chunk)


def _where(payload: Any) -> str:
    text = str(payload) if isinstance(payload, str) or hasattr(payload, "__fspath__") else type(payload).__name__
    return text if len(text) < 300 else text[:300] + "..."
