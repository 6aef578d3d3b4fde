"""Pairs of texts that are hardly a text and its translation, found without knowing either language."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

from headstart.specs import Finding
from headstart_plugins._placeholders import placeholders_of

FAR = 4.0
"""A target that is so many times longer or shorter than its source, by the median pair, is absurd."""
LONG = 20
"""Letters between such lengths at least: short texts differ as they like."""
SURE = 0.8
"""The share of a side's texts in one script that makes another script odd there."""
LEAST_LETTERS = 3
MANY = 0.1
"""The share of copies that is worth a warning."""
SHOWN = 60
EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "HANGUL", "IDEOGRAPHIC"})
"""Scripts that one text mixes."""
SIGNS = frozenset({"MASCULINE", "FEMININE", "MICRO", "MODIFIER", "SUPERSCRIPT", "SUBSCRIPT"})
"""How the names of letters of no script begin, such as that of 1.º."""

COPY, LENGTH, SCRIPT, PLACEHOLDER = "copy", "length", "script", "placeholder"


@dataclass(frozen=True)
class Doubts:
    """Places of pairs in a list by what is odd about them (COPY, LENGTH, SCRIPT, PLACEHOLDER), and the most frequent
    `scripts` of both sides, None where texts are of several."""

    places: Mapping[str, Sequence[int]]
    scripts: tuple[str | None, str | None]


def doubts_about(sources: Sequence[str], targets: Sequence[str]) -> Doubts:
    """What is odd about pairs; an empty side is no matter of this.

    COPY: the target is the source, and has letters. LENGTH: the target is more than FAR times longer or shorter than
    its source, measured by the median pair, and by more than LONG letters. SCRIPT: most letters of one text are of
    another script than SURE of its side, and it is no copy. PLACEHOLDER: the target lacks one that its source has.
    """
    pairs = list(zip(sources, targets, strict=True))
    both = [place for place, (source, target) in enumerate(pairs) if source.strip() and target.strip()]
    copies = [place for place in both if _same(*pairs[place]) and any(map(str.isalpha, pairs[place][0]))]
    others = sorted({*both} - {*copies})
    usual = median([len(pairs[place][1]) / len(pairs[place][0]) for place in others] or [1.0])
    lengths = [place for place in others if _absurd(len(pairs[place][0]) * usual, len(pairs[place][1]))]
    scripts = [[script_of(text) for text in side] for side in (sources, targets)]
    usual_scripts = tuple(map(_usual, scripts))
    odd = [
        place
        for place in others
        if any(
            side[place] not in (None, expected)
            for side, expected in zip(scripts, usual_scripts, strict=True)
            if expected is not None
        )
    ]
    lacking = [place for place in others if placeholders_of(pairs[place][0]) - placeholders_of(pairs[place][1])]
    places = {COPY: copies, LENGTH: lengths, SCRIPT: odd, PLACEHOLDER: lacking}
    return Doubts(places, (usual_scripts[0], usual_scripts[1]))


def doubtful_pairs(keys: Sequence[str], sources: Sequence[str], targets: Sequence[str]) -> Iterator[Finding]:
    """What `doubts_about` finds, each kind of oddness as one finding with its first examples; all are its cases. An
    error where every target is a copy."""
    doubts = doubts_about(sources, targets)
    first, second = doubts.scripts
    told = {
        COPY: "with the source itself as target",
        LENGTH: f"with a target more than {FAR:g} times as long or as short as those of other pairs",
        SCRIPT: f"with a text in another script than others ({first} on one side, {second} on the other)".lower(),
        PLACEHOLDER: "without a placeholder of the source in the target",
    }
    copies = len(doubts.places[COPY])
    if copies and copies == len(keys):
        hint = "check which column or file is the target"
        yield Finding("error", f"all {copies} targets are their sources; there is nothing to learn", copies, hint)
        return
    for what, places in doubts.places.items():
        if not places:
            continue
        cases = tuple(f"{keys[place]}: {short(sources[place])} | {short(targets[place])}" for place in places)
        few = what == PLACEHOLDER or (what == COPY and copies < MANY * len(keys))
        pairs = "1 pair" if len(places) == 1 else f"{len(places)} pairs"
        message = f"{pairs} {told[what]}, such as {cases[0]}"
        advice = None if few else "look at all of them with `headstart check DATA`, leave out what is no translation"
        yield Finding("note" if few else "warning", message, len(places), advice, cases)


def script_of(text: str) -> str | None:
    """The script of more than half of the letters of a text, as Unicode begins their names, such as "LATIN"; "EAST
    ASIAN" for those of China, Japan and Korea. None for fewer than three letters, and where no script has so many."""
    counts = Counter(each for letter in text if (each := _script(letter)) is not None)
    total = counts.total()
    if total < LEAST_LETTERS and "EAST ASIAN" not in counts:
        return None
    first, count = counts.most_common(1)[0]
    return first if 2 * count > total else None


@cache
def _script(letter: str) -> str | None:
    if not letter.isalpha():
        return None
    name = unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]
    if name in SIGNS:
        return None
    return "EAST ASIAN" if name in EAST_ASIAN else name or None


def _usual(scripts: Sequence[str | None]) -> str | None:
    known = Counter(script for script in scripts if script is not None)
    if not known:
        return None
    script, count = known.most_common(1)[0]
    return script if count >= SURE * known.total() else None


def _same(source: str, target: str) -> bool:
    return source.strip() == target.strip()


def _absurd(expected: float, found: int) -> bool:
    longer, shorter = max(expected, found), min(expected, found)
    return longer > FAR * shorter and longer - shorter > LONG


def short(text: str) -> str:
    """The beginning of a text in a message, in quotes and on one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…")
