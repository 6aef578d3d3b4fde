"""What the text kind says of its tokens, with tokenizers of each kind: how each reads, and a text without content."""

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from headstart.specs import InputRequest, NamesSteps
from headstart_plugins.text import TextOptions
from headstart_plugins.text._build import build

LENGTH = 16


def kind_of(tokenizer, folder, family, prefix=""):
    tokenizer.save(str(folder / "tokenizer.json"))
    preprocess = {"family": family, "length": LENGTH, "lowercase": True, "prefix": prefix, "vocabulary": 1000}
    return build(InputRequest(preprocess, TextOptions(), {"tokenizer.json": folder / "tokenizer.json"}))


def told(kind, payload):
    """Its steps, and what each is in the blank row, as the tokenizer calls it."""
    prepared = kind.prepare(kind.read(payload, "it"))
    blank = kind.blank(prepared)
    assert isinstance(kind, NamesSteps)
    assert blank.keys() == prepared.tensors.keys()
    assert (blank["mask"] == prepared.tensors["mask"]).all()
    assert (blank["types"] == prepared.tensors["types"]).all()
    assert (blank["ids"][prepared.length :] == 0).all()
    names = [kind._tokenizer.id_to_token(int(each)) for each in blank["ids"][: prepared.length]]
    return list(kind.steps(prepared)), names


@pytest.fixture
def pieces(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing", "on"]
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(words[:5])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return kind_of(tokenizer, tmp_path, "bert")


@pytest.fixture
def bytes_alone(tmp_path):
    """As GPT-2's: no token frames a text, and none stands for a missing one."""
    letters = {letter: place for place, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merged = {"\u0120o": 256, "ab": 257, "<|endoftext|>": 258}
    tokenizer = Tokenizer(models.BPE({**letters, **merged}, [("\u0120", "o"), ("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return kind_of(tokenizer, tmp_path, "gpt2")


def test_pieces_of_words_are_told_as_such_and_masked(pieces):
    assert told(pieces, "playing on") == (
        ["[CLS]", "play", "##ing", "on", "[SEP]"],
        ["[CLS]", "[MASK]", "[MASK]", "[MASK]", "[SEP]"],
    )


def test_a_word_that_the_tokenizer_does_not_know_is_content(pieces):
    assert told(pieces, "off") == (["[CLS]", "[UNK]", "[SEP]"], ["[CLS]", "[MASK]", "[SEP]"])


def test_of_two_texts_what_parts_them_stays(pieces):
    assert told(pieces, ("play", "on")) == (
        ["[CLS]", "play", "[SEP]", "on", "[SEP]"],
        ["[CLS]", "[MASK]", "[SEP]", "[MASK]", "[SEP]"],
    )


def test_a_text_of_all_its_tokens_and_an_empty_one_are_blanked_too(pieces):
    steps, blank = told(pieces, "on " * 100)
    assert (len(steps), blank.count("[MASK]")) == (LENGTH, LENGTH - 2)
    assert told(pieces, "") == (["[CLS]", "[SEP]"], ["[CLS]", "[SEP]"])


def test_bytes_are_told_as_letters_with_their_spaces(bytes_alone):
    steps, blank = told(bytes_alone, "ab on")
    assert steps == ["ab", " o", "n"]
    assert blank == ["<|endoftext|>"] * 3


def test_half_a_letter_is_told_as_something(bytes_alone):
    steps, _ = told(bytes_alone, "\u00e9")
    assert len(steps) == 2
    assert all(steps)


def test_a_row_is_not_changed_by_being_blanked(pieces):
    prepared = pieces.prepare(pieces.read("playing", "it"))
    before = prepared.tensors["ids"].copy()
    pieces.blank(prepared)
    np.testing.assert_array_equal(prepared.tensors["ids"], before)


def test_what_the_weights_want_before_a_text_is_in_the_baseline_as_it_is(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", ":", "play", "on"]
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(words[:5])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    kind = kind_of(tokenizer, tmp_path, "bert", prefix="query: ")
    assert told(kind, "play query: on")[1] == ["[CLS]", "query", ":", *["[MASK]"] * 4, "[SEP]"]
