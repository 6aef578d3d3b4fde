"""A made-up language whose words stand one for one, in another order; small runs that learn it."""

import random

import pytest

WORDS = {
    "open": "abrir",
    "save": "guardar",
    "close": "fechar",
    "the": "o",
    "a": "un",
    "file": "ficheiro",
    "window": "fiestra",
    "table": "táboa",
    "now": "agora",
    "here": "aquí",
    "100%": "100 %",
    "m²": "m²",
}
SMALL = (
    *(f"backbone.{name}={value}" for name, value in {"layers": 1, "width": 32, "heads": 2, "hidden": 64}.items()),
    *(f"task.{name}={value}" for name, value in {"layers": 1, "width": 32, "heads": 2, "hidden": 64}.items()),
    *("input.vocabulary=120", "task.vocabulary=120", "input.max_tokens=32", "task.most=32", "task.beams=2"),
)
"""Settings of a network that is trained in seconds."""


def sentence(chance):
    """An English sentence and its translation, whose last word comes first."""
    english = [
        chance.choice(("open", "save", "close")),
        chance.choice(("the", "a")),
        chance.choice(("file", "window", "table", "m²", "100%")),
        chance.choice(("now", "here")),
    ]
    words = [WORDS[word] for word in english]
    return " ".join(english).capitalize(), " ".join([words[-1], *words[:-1]]).capitalize()


def write_pairs(path, count, *, seed=0, split=False):
    """A table of pairs; with `split`, a side for each, and in val and test letters that train does not have."""
    chance = random.Random(seed)
    lines = ["text,translation" + (",split" if split else "")]
    sides = ("train",) * 8 + ("val", "test")
    for number in range(count):
        source, target = sentence(chance)
        side = sides[number % len(sides)]
        odd = {"train": "", "val": " Ж", "test": " Ω"}[side] if split else ""
        lines.append(",".join([f"{source} {number}{odd}", f"{target} {number}{odd}", *([side] if split else [])]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def fitted():
    """Trains on a table in the smallest form: `fitted(table, out, ...)`."""
    from headstart.runs.fitting import fit

    def run(table, out, *, sets=(), small=SMALL, **settings):
        given = {
            "backbone": "seq2seq/small",
            "task": "translation/translation",
            "strategy": "full",
            "epochs": 2,
            "learning_rate": 5e-3,
            "reporters": ("json",),
            **settings,
        }
        return fit(str(table), out=str(out), sets=(*small, *sets), **given)

    return run


@pytest.fixture(scope="session")
def pairs():
    """See `write_pairs`."""
    return write_pairs


@pytest.fixture(scope="session")
def small():
    """See `SMALL`."""
    return SMALL
