"""Pairs of texts to records, by the rules that all datasets of pairs share."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from headstart.errors import DataError
from headstart.options import option
from headstart.specs import Finding, Record, Records, Tolerances
from headstart_plugins._parallel.doubts import LENGTH, SCRIPT, doubts_about, short
from headstart_plugins._parallel.together import source_group

TRAIN, BEFORE_TEST = 0.64, 0.8
"""The shares of sources whose side depends on themselves: 64 % train, 16 % val, the rest test."""


@dataclass(frozen=True, kw_only=True)
class PairOptions(Tolerances):
    """Which pairs of a source and its target are taken."""

    reverse: bool = option(False, "Learn the other direction: what was the target is the source.")
    min_words: int = option(1, "Pairs with a side of fewer words are left out.", low=1)
    max_words: int = option(0, "Pairs with a side of more words are left out; 0: however long.", low=0)
    repeated: Literal["keep", "drop"] = option(
        "keep", "What becomes of a pair that was there already, both sides to the letter."
    )
    same: Literal["keep", "drop"] = option(
        "keep", "What becomes of pairs whose target is the source itself, such as names that nobody translates."
    )
    odd: Literal["keep", "drop"] = option(
        "keep",
        "What becomes of pairs whose lengths are absurd or whose script is another one than that of the others; "
        "`headstart check` lists them where they are kept.",
    )
    sides: Literal["cut", "by_source"] = option(
        "cut",
        "cut: as for all data; by_source: the side of a pair is a function of its source alone, 64 % of sources in "
        "train and 20 % in test, so that what tests one language is trained on in none.",
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """A `source` and its `target`, with a key that no other pair has; `side` is "train", "val" or "test" where the data
    gives it."""

    key: str
    source: str
    target: str
    side: str | None = None


@dataclass
class LeftOut:
    """What rules leave out: cases by rule, in the words of a sentence about so many of something."""

    cases: defaultdict[str, list[str]]

    @classmethod
    def nothing(cls) -> LeftOut:
        """Before any rule."""
        return cls(defaultdict(list))

    def add(self, rule: str, key: str, text: str | None = None) -> None:
        """One more, by its key and the beginning of its text."""
        self.cases[rule].append(key if text is None else f"{key} ({short(text)})")

    def findings(self) -> tuple[Finding, ...]:
        """A note for each rule, with its count."""
        return tuple(
            Finding("note", f"{len(cases):,} left out: {rule}, such as {cases[0]}", len(cases), cases=tuple(cases))
            for rule, cases in self.cases.items()
        )


def records_of(
    pairs: Iterable[Pair],
    options: PairOptions,
    left_out: LeftOut,
    findings: Sequence[Finding] = (),
    *,
    labelled: bool = True,
) -> Records:
    """Records of texts with texts, and a note for each rule that left some out, first those of `left_out`.

    Without given sides, several sources of the same letters and digits are a group. Where they are to be answered, and
    not `labelled`, each source that is not empty is one, under its own words. Raises DataError where no pair is left.
    """
    kept = list(pairs)
    if options.reverse:
        kept = [replace(pair, source=pair.target, target=pair.source) for pair in kept]
    if not labelled:
        return _sources_of(kept, left_out, findings)
    kept = _filled(kept, options, left_out)
    for rule, is_out in _rules(options):
        kept = _taken(kept, rule, is_out, left_out)
    if options.odd == "drop":
        doubts = doubts_about([pair.source for pair in kept], [pair.target for pair in kept])
        odd = {place for what in (LENGTH, SCRIPT) for place in doubts.places[what]}
        for place in sorted(odd):
            left_out.add("absurd lengths or another script than others", kept[place].key, kept[place].source)
        kept = [pair for place, pair in enumerate(kept) if place not in odd]
    told = (*findings, *left_out.findings())
    if not kept:
        hint = "; ".join(each.message for each in told) or "check the path and what lies below it"
        raise DataError("no pair of texts is left", hint=hint)
    given = any(pair.side for pair in kept)
    groups = [source_group(pair.source) for pair in kept]
    sizes = Counter(groups)
    by_source = options.sides == "by_source" and not given
    items = tuple(
        Record(
            pair.key,
            pair.source,
            pair.target,
            group=None if given or sizes[group] == 1 else group,
            split=side_by(group) if by_source else pair.side,
        )
        for pair, group in zip(kept, groups, strict=True)
    )
    told += _near_copies(items, groups) if given else ()
    return Records("text", items, targets="targets/text", findings=told, tolerances=options)


def _sources_of(pairs: Sequence[Pair], left_out: LeftOut, findings: Sequence[Finding]) -> Records:
    """Records to be answered. Keys are the sources themselves, with the pair's own behind one that is there again."""
    kept = _taken(pairs, "the source is empty", lambda pair: not pair.source.strip(), left_out)
    if not kept:
        raise DataError("no source text is there", hint="check the path and what lies below it")
    counts = Counter(pair.source for pair in kept)
    items = tuple(
        Record(pair.source if counts[pair.source] == 1 else f"{pair.source} ({pair.key})", pair.source) for pair in kept
    )
    return Records("text", items, targets="targets/text", findings=(*findings, *left_out.findings()))


def side_by(group: str) -> str:
    """The side of a group of sources: a function of its name, whatever the data."""
    digest = hashlib.sha256(f"side\0{group}".encode("utf-8", "surrogatepass")).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return "train" if share < TRAIN else "val" if share < BEFORE_TEST else "test"


def _filled(pairs: Sequence[Pair], options: PairOptions, left_out: LeftOut) -> list[Pair]:
    """Those with words on both sides."""
    rules = [
        ("the source is empty", lambda pair: not pair.source.strip()),
        ("the target is empty", lambda pair: not pair.target.strip()),
    ]
    low, high = options.min_words, options.max_words
    if low > 1:
        rules.append((f"fewer than {low} words", lambda pair: min(_words(pair)) < low))
    if high:
        rules.append((f"more than {high} words", lambda pair: max(_words(pair)) > high))
    kept = list(pairs)
    for rule, is_out in rules:
        kept = _taken(kept, rule, is_out, left_out)
    return kept


def _rules(options: PairOptions) -> Iterable[tuple[str, Callable[[Pair], bool]]]:
    if options.repeated == "drop":
        seen: set[tuple[str, str]] = set()

        def is_there(pair: Pair) -> bool:
            found = (pair.source, pair.target) in seen
            seen.add((pair.source, pair.target))
            return found

        yield "the same pair again", is_there
    if options.same == "drop":
        yield "the target is the source itself", lambda pair: pair.source.strip() == pair.target.strip()


def _taken(pairs: Sequence[Pair], rule: str, is_out: Callable[[Pair], bool], left_out: LeftOut) -> list[Pair]:
    kept = []
    for pair in pairs:
        if is_out(pair):
            left_out.add(rule, pair.key, pair.source)
        else:
            kept.append(pair)
    return kept


def _words(pair: Pair) -> tuple[int, int]:
    return len(pair.source.split()), len(pair.target.split())


def _near_copies(items: Sequence[Record], groups: Sequence[str]) -> tuple[Finding, ...]:
    """A warning for sources of val and test that stand in train but for case, spaces and marks; exact copies are found
    by all data's own check."""
    trained: dict[str, Record] = {}
    for item, group in zip(items, groups, strict=True):
        if item.split == "train":
            trained.setdefault(group, item)
    cases = tuple(
        f"{item.key} ({item.split}) and {trained[group].key}"
        for item, group in zip(items, groups, strict=True)
        if item.split in ("val", "test") and group in trained and trained[group].payload != item.payload
    )
    if not cases:
        return ()
    message = f"{len(cases)} sources of val and test differ from one in train in case, spaces or marks alone"
    return (Finding("warning", f"{message}, such as {cases[0]}", len(cases), cases=cases),)
