"""Vocabularies of pieces: what they keep, that they are the same each time, and what is told of too little text."""

import pytest

from headstart.errors import DataError
from headstart_plugins._pieces import Pieces, joined, learned

TEXTS = ["Open the file %1$s", "Save all  two spaces", "10⁵ m² and 1½", "Ábrelo ahora", "~File", "tab\there"] * 20


def ignore(finding):
    pass


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    return learned(TEXTS, 200, tmp_path_factory.mktemp("pieces") / "it.spm", tell=ignore, what="it")


def test_texts_come_back_to_the_letter(vocabulary):
    """sentencepiece's own normalisation makes 105 of 10⁵ and one space of two."""
    for text in TEXTS[:6]:
        (ids,) = vocabulary.encode([text])
        assert vocabulary.decode(ids) == text
        assert vocabulary.unknown not in ids


def test_white_space_that_is_unknown_is_as_a_space(vocabulary):
    plain = vocabulary.encode(["Open the file"])
    for text in ("Open\nthe file", "Open\r\nthe file", "Open the\u00a0file"):
        assert vocabulary.encode([text]) == plain
    assert vocabulary.encode(["tab\there"]) != vocabulary.encode(["tab here"])
    assert vocabulary.unknown_letters("Open\r\nthe жж") == 2


def test_the_end_and_padding_are_no_text(vocabulary):
    (ids,) = vocabulary.encode(["~File"])
    assert vocabulary.decode([*ids, vocabulary.end, *ids]) == "~File"
    assert vocabulary.decode([*ids, vocabulary.pad, vocabulary.pad]) == "~File"
    assert {vocabulary.end, vocabulary.pad, vocabulary.unknown}.isdisjoint(ids)


def test_equal_texts_give_equal_bytes_and_others_do_not(tmp_path):
    one, same, other = (tmp_path / f"{name}.spm" for name in ("one", "same", "other"))
    for file, texts in ((one, TEXTS), (same, TEXTS), (other, [*TEXTS, "altogether different words"])):
        learned(texts, 100, file, tell=ignore, what="it")
    assert one.read_bytes() == same.read_bytes() != other.read_bytes()


def test_too_little_text_gives_what_there_is_and_that_is_told(tmp_path):
    told = []
    found = learned(["a cat", "a dog"], 4000, tmp_path / "small.spm", tell=told.append, what="the vocabulary")
    assert len(found) < 40
    assert [each.level for each in told] == ["note"]
    assert f"2 texts of the training split give {len(found)} pieces, of 4,000 asked for" in told[0].message


def test_more_letters_than_pieces_are_all_kept_and_that_is_told(tmp_path):
    told = []
    found = learned(TEXTS, 16, tmp_path / "letters.spm", tell=told.append, what="the vocabulary")
    assert [each.level for each in told] == ["warning"]
    assert "letters and signs, more than the 16 pieces asked for" in told[0].message
    assert found.decode(found.encode(["10⁵ m²"])[0]) == "10⁵ m²"


def test_no_text_at_all_is_an_error_that_says_so(tmp_path):
    with pytest.raises(DataError, match="no text of the training split has a letter"):
        learned(["", "  "], 100, tmp_path / "none.spm", tell=ignore, what="the vocabulary")


def test_a_long_line_is_learned_from_too(tmp_path):
    """Beyond 4,192 bytes sentencepiece leaves a line out without a word."""
    found = learned(["Ж" + " wort" * 2000], 60, tmp_path / "long.spm", tell=ignore, what="it")
    assert found.unknown not in found.encode(["Ж wort"])[0]


def test_joined_vocabularies_keep_their_ids_and_know_both(vocabulary, tmp_path):
    own = learned(["Ficheiro ж"] * 5, 60, tmp_path / "own.spm", tell=ignore, what="it")
    both = joined(vocabulary, own, tmp_path / "both.spm")
    assert both.pieces[: len(vocabulary)] == vocabulary.pieces
    assert set(both.pieces) == {*vocabulary.pieces, *own.pieces}
    assert len(both.pieces) == len(set(both.pieces))
    for text in ("Ficheiro ж", "10⁵ m² and 1½"):
        assert both.decode(both.encode([text])[0]) == text
        assert both.unknown not in both.encode([text])[0]


def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "odd.spm").write_bytes(b"no such thing")
    with pytest.raises(DataError, match=r"odd\.spm is no model of sentencepiece"):
        Pieces(tmp_path / "odd.spm")
