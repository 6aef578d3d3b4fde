"""Tokens are those of the library, whatever files a tokenizer comes in, and those that do not fit are refused."""

import json

import pytest
from small_tokenizers import SORTS, preprocessing, wordpiece
from tokenizers import Tokenizer

from headstart.errors import UsageError
from headstart.specs import InputRequest
from headstart_plugins.text import TextOptions
from headstart_plugins.text._build import build

TEXT, OTHER = "The film was playing, not good!", "the film"


def ids_of(kind, payload):
    return kind.read(payload, "it").value.ids.tolist()


def test_ids_of_a_whole_tokenizer_are_those_of_the_library_called_directly(tmp_path):
    for name in ("wordpiece", "unigram"):
        folder = tmp_path / name
        folder.mkdir()
        files = SORTS[name](folder)
        kind = build(InputRequest(preprocessing(name), TextOptions(), files))
        direct = Tokenizer.from_file(str(files["tokenizer.json"]))
        direct.no_padding()
        direct.no_truncation()
        for payload in (TEXT, (TEXT, OTHER), ("", OTHER)):
            texts = (payload,) if isinstance(payload, str) else payload
            expected = direct.encode(*texts)
            tokens = kind.read(payload, "it").value
            assert tokens.ids.tolist() == expected.ids
            assert tokens.types.tolist() == expected.type_ids


def test_what_somebody_padded_and_cut_to_at_last_is_ignored(make_kind):
    kind = make_kind("wordpiece")
    stored = json.loads(kind.assets()["tokenizer.json"].read_text("utf-8"))
    assert stored["padding"]
    assert stored["truncation"]["max_length"] == 6
    assert len(ids_of(kind, "good")) == 3  # not the 12 of the padding
    assert len(ids_of(kind, "the film was not good not bad")) == 9  # nor the 6 of the cut


def test_a_word_list_splits_as_bert_does(make_kind):
    # [CLS] the film play ##ing [SEP], by hand
    assert ids_of(make_kind("vocabulary"), "The FILM playing") == [2, 5, 6, 11, 12, 3]


def test_accents_go_with_upper_case_as_in_uncased_bert(make_kind):
    kind = make_kind("vocabulary")
    e = kind._tokenizer.token_to_id("e")
    assert ids_of(kind, "É") == [2, e, 3]
    cased = make_kind("vocabulary", lowercase=False)
    assert ids_of(cased, "é") == [2, cased._tokenizer.token_to_id("é"), 3]


def test_byte_pairs_are_merged_in_their_order_and_keep_every_byte(make_kind):
    kind = make_kind("gpt2")
    tokens = [kind._tokenizer.id_to_token(each) for each in ids_of(kind, "the film é")]
    assert tokens == ["t", "he", "Ġf", "i", "lm", "Ġ", "Ã", "©"]  # "Ġ f" is merged before "f i"


def test_roberta_stands_between_its_marks_and_a_pair_has_two_in_between(make_kind):
    kind = make_kind("roberta")
    tokens = [kind._tokenizer.id_to_token(each) for each in ids_of(kind, ("he", "he"))]
    assert tokens == ["<s>", "he", "</s>", "</s>", "he", "</s>"]
    assert set(kind.read(("he", "he"), "it").value.types.tolist()) == {0}
    assert ids_of(kind, "he <mask>") == [0, kind._tokenizer.token_to_id("he"), 4, 2]  # the mask takes the space before


def test_bert_tells_the_texts_of_a_pair_apart_by_their_types(make_kind):
    tokens = make_kind("wordpiece").read(("the film", "bad"), "it").value
    assert tokens.types.tolist() == [0, 0, 0, 0, 1, 1]


def test_gpt2_has_a_token_for_no_text(make_kind):
    kind = make_kind("gpt2")
    assert ids_of(kind, "") == [kind._tokenizer.token_to_id("<|endoftext|>")]


def test_no_tokenizer_grows_by_the_marks_of_its_family(make_kind, sort):
    kind = make_kind(sort)
    known = kind._tokenizer.get_vocab_size(with_added_tokens=False)
    assert kind._tokenizer.get_vocab_size(with_added_tokens=True) == known


def test_a_tokenizer_that_knows_more_than_the_weights_is_refused(make_kind, sort):
    known = make_kind(sort)._tokenizer.get_vocab_size()
    assert ids_of(make_kind(sort, vocabulary=known), TEXT)
    with pytest.raises(UsageError, match=f"up to {known - 1} and the weights know {known - 1}"):
        make_kind(sort, vocabulary=known - 1).read(TEXT, "it")


def test_files_that_are_no_tokenizer_are_refused_by_name(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    for files, said in (({"tokenizer.json": tmp_path / "tokenizer.json"}, "tokenizer.json"), ({}, "no file")):
        with pytest.raises(UsageError, match=said):
            build(InputRequest(preprocessing("bert"), TextOptions(), files)).read(TEXT, "it")


def test_what_the_weights_want_before_a_text_is_there_once(tmp_path):
    files = wordpiece(tmp_path)
    kind = build(InputRequest(preprocessing("bert", prefix="query: "), TextOptions(), files))
    plain = build(InputRequest(preprocessing("bert"), TextOptions(), files))
    assert ids_of(kind, "good film") == ids_of(plain, "query: good film")
    assert ids_of(kind, ("good", "bad")) == ids_of(plain, ("query: good", "bad"))
    assert kind.read("good", "it").value.text == "good"
