"""What headstart itself offers, and a test class for each: made from the registry, so that nothing can be left out."""

import json
from functools import cache

from headstart.registry import load_registry

loaded = cache(load_registry)


@cache
def built_ins(kind):
    """Every offer of a kind that the distribution `headstart` brings."""
    registry = loaded()
    return tuple(spec for spec in registry.specs(kind) if registry.provenance(spec).distribution == "headstart")


def contract_of(spec, *levels, marks=(), **attributes):
    """A test class of these levels for one offer, under a name that pytest collects."""
    words = "".join(word.title() for word in spec.name.replace("/", "_").replace("-", "_").split("_"))
    title = f"Test{words}{levels[0].__name__}"
    return type(title, levels, {"name": spec.name, "pytestmark": list(marks), **attributes})


def covered(namespace, level):
    """The offers that a module's test classes of this level are about."""
    classes = [each for each in namespace.values() if isinstance(each, type) and issubclass(each, level)]
    return {each.name for each in classes if each.__name__.startswith("Test")}


def word_pieces(folder):
    """A tokenizer of a few words, as weights for texts bring one: the asset of the text kind."""
    marks = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[MASK]": 3}
    words = [*marks, "the", "film", "was", "good", "##s", "not", "bad"]
    added = [{"id": place, "content": name, "special": True} for name, place in marks.items()]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    document = {
        "version": "1.0",
        "added_tokens": [{**each, **flags} for each in added],
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
        "model": {
            **model,
            "max_input_chars_per_word": 100,
            "vocab": {word: place for place, word in enumerate(words)},
        },
    }
    file = folder / "tokenizer.json"
    file.write_text(json.dumps(document), "utf-8")
    return {file.name: file}
