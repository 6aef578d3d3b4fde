"""Near-copies are those that a comparison of every text with every other finds."""

import itertools
import re

import numpy as np

from headstart_plugins.text_sets._near_copies import SIMILAR, near_copies


def runs(text):
    words = re.findall(r"[a-z]+", text.lower())
    return {tuple(words[start : start + 3]) for start in range(max(1, len(words) - 2))}


def test_they_are_what_comparing_each_with_each_finds():
    generator = np.random.default_rng(0)
    words = np.array(["".join(letters) for letters in itertools.product("abcdefghij", repeat=3)])
    texts = []
    for _ in range(40):
        text = generator.choice(words, 60)
        for changes in (0, 1, 3, 12):  # Jaccard similarities of about 1, 0.9, 0.75 and 0.4
            copy = text.copy()
            copy[generator.choice(60, changes, replace=False)] = generator.choice(words, changes)
            texts.append(" ".join(copy))
    generator.shuffle(texts)
    expected = list(range(len(texts)))
    for one, other in itertools.combinations(range(len(texts)), 2):
        a, b = runs(texts[one]), runs(texts[other])
        if len(a & b) / len(a | b) >= SIMILAR:
            low, high = sorted((expected[one], expected[other]))
            expected = [low if each == high else each for each in expected]
    assert 40 < len(set(expected)) < 120
    assert near_copies(texts) == expected


def test_digits_addresses_and_punctuation_make_no_difference():
    first = "Dear a@b.com, your loan of $5,000 (ref. 881) is READY: visit http://x.y/881 today, friend of ours"
    second = "dear c@d.org your loan of $9,500 ref. 17q is ready, visit https://z.q/2 today -- friend of ours!"
    assert near_copies([first, second, "something else entirely, and longer than that"]) == [0, 0, 2]


def test_texts_without_words_are_near_copies_only_of_themselves():
    assert near_copies(["123", "456", "123", ""]) == [0, 1, 0, 3]
