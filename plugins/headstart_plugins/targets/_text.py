"""Build target of the kind `text`; it fulfils `headstart.specs.TargetKind`. No framework is imported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from headstart.errors import DataError
from headstart.specs import Finding, Recognised, Record, Records
from headstart_plugins._parallel.doubts import doubtful_pairs
from headstart_plugins.targets._build import ALL, TextTargets

TEXT = "text"
SURE = 0.65
"""How sure targets that read like sentences are that: surer than that they are names, less than of labels and
numbers."""
LEAST_RECORDS, LEAST_DIFFERENT, LEAST_WORDS = 10, 0.9, 4
"""From so many records on, with such a share of different targets, of so many words in the mean, they are texts."""
EXAMPLES = ("a cat sat on the mat", "it is raining", "two dogs run", "where is the house?")


class FreeTextTargets(TextTargets):
    """A target is any text, and a value the same text to the letter: case, spelling and spaces are kept."""

    may_be_empty = True
    noun = "text"
    exclusive = False
    others_are_right = True

    def recognise(self, records: Records) -> Recognised | None:
        """Where nearly all targets are different, and have several words."""
        targets = [record.target for record in records.items if isinstance(record.target, str) and record.target]
        if len(targets) < max(LEAST_RECORDS, len(records.items)):
            return None
        different, words = len(set(targets)), sum(len(target.split()) for target in targets) / len(targets)
        if different < LEAST_DIFFERENT * len(targets) or words < LEAST_WORDS:
            return None
        reason = f"{different} of {len(targets)} targets are different texts, of {words:.1f} words in the mean"
        return Recognised(reason, SURE, True, "class")

    def problems(self, items: Sequence[Record]) -> Iterable[Finding]:
        """Errors for texts that are no UTF-8, and where all are empty or the same; warnings for some that are empty,
        and, where samples are texts too, for pairs that are hardly a text and its translation."""
        damaged = [record for record in items if not _is_utf8(record.target)]
        if damaged:
            message = f"{damaged[0].key}: the target holds a letter that is no UTF-8"
            yield Finding("error", message, len(damaged), "say how the file is encoded, or mend it")
        empty = [record for record in items if not record.target.strip()]
        different = len({record.target for record in items})
        if len(items) > 1 and different == 1:
            message = f"all samples have the target {items[0].target!r:.80}; there is nothing to learn"
            yield Finding("error", message, len(items), "check which column or file is the target")
        elif empty:
            message = f"{len(empty)} of {len(items)} targets are empty, such as that of {empty[0].key}"
            hint = "right where nothing is said in a sound; leave out what has no translation yet"
            yield Finding("warning", message, len(empty), hint, tuple(record.key for record in empty))
        pairs = [record for record in items if isinstance(record.payload, str) and record.target.strip()]
        if pairs and different > 1:
            keys, sources, targets = zip(*((each.key, each.payload, each.target) for each in pairs), strict=True)
            yield from doubtful_pairs(keys, sources, targets)

    def names(self, target: Any) -> tuple[str, ...]:
        """Nothing: no text need be seen before."""
        return ()

    def strata(self, targets: Sequence[Any]) -> list[tuple[str, ...]]:
        """All of them one."""
        return [(ALL,) for _ in targets]

    def read(self, target: Any, where: str) -> str:
        """The text as it is. Raises DataError where it is none."""
        text = self.text(target, where)
        if not _is_utf8(text):
            raise DataError(f"{where}: the target holds a letter that is no UTF-8", hint="mend the file")
        return text

    def examples(self, count: int) -> Sequence[str]:
        """Four sentences in turn."""
        return [EXAMPLES[number % len(EXAMPLES)] for number in range(count)]


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
