"""Texts as people have them: what is read, what is told, and what is refused."""

import time
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import DataError, UsageError
from headstart_plugins._reading_texts import CRLF, EMPTY, HALF_EMPTY, NUL
from headstart_plugins.text._build import UNKNOWN


def read(kind, payload):
    return kind.read(payload, "row 7")


def words(kind, payload):
    return [kind._tokenizer.id_to_token(each) for each in read(kind, payload).value.ids]


def test_a_long_text_is_cut_at_its_end_and_that_is_told(make_kind):
    kind = make_kind(max_tokens=8)
    assert read(kind, "a b c d e a").notes == ()
    long = read(kind, "a b c d e a b")
    assert long.notes == ("cut to 8 tokens",)
    assert words(kind, "a b c d e a b") == ["[CLS]", "a", "b", "c", "d", "e", "a", "[SEP]"]
    assert kind.prepare(long).length == 8


@pytest.mark.parametrize(("first", "second"), [(10, 2), (2, 10), (10, 10), (4, 9), (3, 5), (0, 20)])
def test_of_a_pair_the_longer_text_is_cut_first(make_kind, first, second):
    kind = make_kind(max_tokens=12)
    tokens = words(kind, (" ".join("a" * first), " ".join("b" * second)))
    free = 12 - 3
    counted = tokens.count("a"), tokens.count("b")
    shorter = min(first, second, free // 2)
    assert min(counted) == shorter
    assert max(counted) == min(max(first, second), free - shorter)
    assert first == second or (counted[0] < counted[1]) == (first < second)
    assert len(tokens) == 3 + sum(counted)


def test_more_tokens_than_the_weights_take_are_refused(make_kind):
    with pytest.raises(UsageError, match="--max-tokens 33 is more than these weights take: 32"):
        make_kind(max_tokens=33)
    assert make_kind(max_tokens=32).lengths == (8, 16, 32)
    assert make_kind(max_tokens=24).lengths == (8, 16, 24)
    assert make_kind(max_tokens=8).lengths == (8,)


def test_a_pair_is_a_mapping_or_two_in_a_row(make_kind):
    kind = make_kind()
    pair = read(kind, ("good", "bad")).value
    for other in (["good", "bad"], {"text": "good", "text2": "bad"}):
        assert np.array_equal(read(kind, other).value.ids, pair.ids)
    assert np.array_equal(read(kind, {"text": "good"}).value.ids, read(kind, "good").value.ids)
    for odd in (("good",), ("good", None), {"text2": "good"}, 7, None, {"text": "a", "text2": 7}):
        with pytest.raises(DataError, match="row 7"):
            read(kind, odd)


@pytest.mark.slow
def test_a_pair_of_very_long_texts_takes_moments(make_kind, sort):
    kind = make_kind(sort)
    pair = "the film was good and " * 5_000, "it was bad " * 10_000
    started = time.monotonic()
    long = read(kind, pair)
    assert time.monotonic() - started < 5  # the library alone takes minutes
    assert long.notes[-1] == "cut to 32 tokens"
    assert np.array_equal(long.value.ids, read(kind, tuple(each[:1_500] for each in pair)).value.ids)


@pytest.mark.slow
def test_a_text_of_a_megabyte_is_cut_like_its_beginning(make_kind, sort):
    kind = make_kind(sort)
    text = "the film was good and long " * 40_000
    assert np.array_equal(read(kind, text).value.ids, read(kind, text[:3_000]).value.ids)


@pytest.mark.parametrize(
    ("payload", "notes"),
    [
        ("", (EMPTY,)),
        (" \n\t", (EMPTY,)),
        (("", " "), (EMPTY,)),
        (("good", ""), (HALF_EMPTY,)),
        ("go\0od", (NUL,)),
        ("good\r\nbad", (CRLF,)),
        ("good\nbad\ra", ()),
        ("xyzzy plugh", (UNKNOWN,)),
        ("xyzzy good", ()),
    ],
)
def test_what_is_odd_about_a_text_is_told(make_kind, payload, notes):
    kind = make_kind()
    sample = read(kind, payload)
    assert sample.notes == notes
    assert kind.prepare(sample).length >= 2


SCRIPTS = {
    "arabic": "مرحبا بالعالم",
    "hebrew": "שלום עולם",
    "chinese": "这部电影很好看",
    "thai": "ภาพยนตร์เรื่องนี้ดีมาก",
    "emoji": "\N{SLIGHTLY SMILING FACE}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WOMAN}",
    "turned": "\u202eabc\u202c",
    "decomposed": "e\u0301",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_texts_of_any_script_are_read_in_their_logical_order(make_kind, sort, text):
    kind = make_kind(sort, length=128)
    sample = read(kind, text)
    assert kind.prepare(sample).length == len(sample.value.ids) > 0
    assert kind.preview(sample).data.decode("utf-8") == text
    if sort in ("gpt2", "roberta"):  # bytes lose nothing
        assert kind._tokenizer.decode(sample.value.ids.tolist()) == text


def test_chinese_letters_are_words_of_their_own(make_kind):
    assert words(make_kind(), "这部 good") == ["[CLS]", "这", "部", "good", "[SEP]"]


@pytest.mark.parametrize("text", ["caf\udce9", "good \ud800 bad", "\udfff"])
def test_half_a_letter_is_refused_by_its_place(make_kind, text):
    place = next(place for place, letter in enumerate(text) if "\ud800" <= letter <= "\udfff") + 1
    with pytest.raises(DataError, match=rf"row 7: letter {place} is the lone surrogate U\+{ord(text[place - 1]):04X}"):
        read(make_kind(), text)
    with pytest.raises(DataError, match="lone surrogate"):
        read(make_kind(), ("good", text))


def test_a_file_is_read_as_utf8_with_or_without_a_mark(make_kind, tmp_path):
    kind, path = make_kind(), tmp_path / "a.txt"
    for content in ("good é".encode(), "good é".encode("utf-8-sig")):
        path.write_bytes(content)
        assert read(kind, path).value.text == read(kind, content).value.text == "good é"


def test_a_file_that_is_no_utf8_is_named_with_the_byte(make_kind, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"good caf" + b"\xe9 bad")
    with pytest.raises(DataError, match=r"row 7 is no UTF-8: .* at byte 8 \(e9\)"):
        read(make_kind(), path)
    path.write_text("good", "utf-16")
    with pytest.raises(DataError, match="at byte 0") as error:
        read(make_kind(), path)
    assert "UTF-16" in error.value.hint
    with pytest.raises(DataError, match="row 7 cannot be read: No such file"):
        read(make_kind(), tmp_path / "absent.txt")


def test_texts_that_differ_in_spaces_and_punctuation_share_a_fingerprint(make_kind):
    kind = make_kind()

    def mark(text):
        return kind.fingerprint(read(kind, text))

    assert mark("The film was good!") == mark("the film, was  good") != mark("the film was bad")
    assert mark("e\u0301") == mark("é") != mark("e")
    assert mark("ที่") != mark("ท")  # marks of vowels are letters to who reads them
    assert mark("!?") is None
    assert mark("") is None
    assert mark(("good", "bad")) != mark(("bad", "good"))


def test_a_preview_is_the_beginning_of_the_text(make_kind):
    kind = make_kind()
    assert kind.preview(read(kind, "good")).data == b"good"
    assert len(kind.preview(read(kind, "good " * 10_000)).data) < 2_100
    assert kind.preview(read(kind, "")) is None


def test_a_folder_means_the_texts_below_it_and_a_sentence_means_itself(make_kind, tmp_path, monkeypatch):
    kind = make_kind()
    for name in ("b.txt", "a/c.TXT", "a/d.md", "a/.hidden.txt", "e.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("good", "utf-8")
    monkeypatch.chdir(tmp_path)
    found = [each.relative_to(tmp_path).as_posix() for each in kind.find(tmp_path)]
    assert found == ["a/c.TXT", "a/d.md", "b.txt"]
    assert kind.find("b.txt") == [Path("b.txt")]
    for text in ("... and then", "~5 stars", "good", "", "see b.txt", "a" * 5_000, "a\0b"):
        assert kind.find(text) == [text]
    for absent in ("./c", "../c.txt", "/no/such", "~/no-such-file-here", "revews.txt", "data.csv", Path("absent")):
        with pytest.raises(UsageError, match="no such file") as error:
            kind.find(absent)
        assert "--text" in error.value.hint


def test_what_was_cut_and_what_is_nearly_equal_is_counted_for_a_run(make_kind):
    from headstart.data.prepared import PrepareOptions, prepare
    from headstart.data.targets import build_target_kind
    from headstart.registry import load_registry
    from headstart.specs import Record, Records

    letters = "abcde"
    texts = [" ".join(letters[number // 5**place % 5] for place in range(4)) for number in range(40)]
    texts[3], texts[20] = "a b c d e a b c d", "b c d e a b c d e"  # 9 words, of which 6 fit
    texts[7:10] = ["good", "Good!", "good ."]
    sides = [("train", "val", "test")[number % 3] for number in range(40)]
    sides[7:10] = ["train", "test", "val"]
    items = tuple(
        Record(str(number), text, "xy"[number % 2], split=side)
        for number, (text, side) in enumerate(zip(texts, sides, strict=True))
    )
    targets = build_target_kind(load_registry(), "targets/class")
    data = prepare(Records("text", items, frozenset()), make_kind(max_tokens=8), targets, PrepareOptions())
    told = {finding.message: finding.level for finding in data.findings}
    assert told["2 samples cut to 8 tokens"] == "note"
    assert any("2 samples of val and test nearly equal to one in train" in each for each in told)
    assert data.tensors["ids"].shape == (40, 8)
    assert data.lengths is not None


def test_texts_that_are_empty_are_named_and_all_of_them_listed(make_kind):
    from headstart.data.prepared import PrepareOptions, prepare
    from headstart.data.targets import build_target_kind
    from headstart.registry import load_registry
    from headstart.specs import Record, Records

    texts = [f"the film was {'good' if number % 2 else 'bad'} {number}" for number in range(40)]
    places = (1, 4, 8, 13, 21, 30, 34)
    for place in places:
        texts[place] = " " * place
    items = tuple(Record(f"t{place:02}", text, "xy"[place % 2]) for place, text in enumerate(texts))
    targets = build_target_kind(load_registry(), "targets/class")
    data = prepare(Records("text", items), make_kind(), targets, PrepareOptions())
    (told,) = (finding for finding in data.findings if "without text" in finding.message)
    assert told.level == "warning"
    assert told.message == "7 samples without text: t01, t04, t08, t13, t21, and 2 more"
    assert told.cases == tuple(f"t{place:02}" for place in places)


def test_a_warning_of_all_samples_names_none(make_kind):
    from headstart.data.prepared import PrepareOptions, prepare
    from headstart.data.targets import build_target_kind
    from headstart.registry import load_registry
    from headstart.specs import Record, Records

    items = tuple(Record(str(place), (f"he {place}", "film"), "xy"[place % 2]) for place in range(20))
    targets = build_target_kind(load_registry(), "targets/class")
    data = prepare(Records("text", items), make_kind("gpt2"), targets, PrepareOptions())
    (told,) = (finding for finding in data.findings if finding.level == "warning")
    assert told.message.startswith("20 samples of two texts that this tokenizer puts nothing between")
    assert (told.message.endswith("<|endoftext|>"), told.cases) == (True, ())


def test_what_two_texts_have_between_them_is_told_where_a_tokenizer_has_nothing(make_kind):
    said = "warning: of two texts that this tokenizer puts nothing between; text2 can begin with <|endoftext|>"
    kind = make_kind("gpt2")
    assert read(kind, ("the film", "he")).notes == (said,)
    assert words(kind, ("the film", "he")) == words(kind, "the filmhe")  # as tokenizer(first, second) of transformers
    assert read(kind, "the film").notes == read(kind, ("the film", "<|endoftext|>he")).notes == ()
    assert read(kind, ("the film<|endoftext|>", "he")).notes == ()
    for sort in ("wordpiece", "vocabulary", "roberta", "unigram"):
        assert read(make_kind(sort), ("a b", "c")).notes == ()


def test_a_network_is_asked_in_the_form_that_it_learned_from(make_kind, tmp_path):
    from small_tokenizers import preprocessing, wordpiece

    from headstart.specs import InputRequest
    from headstart_plugins.text import TextOptions
    from headstart_plugins.text._build import build

    kind, files = make_kind(), wordpiece(tmp_path)
    payloads = {
        "single": "good",
        "mapped": {"text": "good"},
        "pair": ("good", "bad"),
        "both": {"text": "a", "text2": ""},
    }
    forms = {name: kind.form(payload) for name, payload in payloads.items()}
    assert forms["single"] == forms["mapped"] == kind.form(tmp_path / "a.txt")
    assert forms["pair"] == forms["both"] != forms["single"]
    for learned in ("single", "pair"):
        asked = build(InputRequest(preprocessing("wordpiece"), TextOptions(), files, (forms[learned],)))
        for name, payload in payloads.items():
            if forms[name] == forms[learned]:
                assert read(asked, payload).notes in ((), (HALF_EMPTY,))
                continue
            with pytest.raises(DataError, match=rf"row 7 is {forms[name]}, and the run learned from") as told:
                read(asked, payload)
            assert ("dataset.text_column" if learned == "single" else "columns text and text2") in told.value.message
