"""Texts as pieces: what is told of them; no backend is needed."""

import json

import pytest

from headstart.specs import InputRequest
from headstart_plugins._pieces import learned
from headstart_plugins.seq2seq import PREPROCESS, PiecesOptions
from headstart_plugins.seq2seq._input import NUMBERED, UNKNOWN, VOCABULARY, build

TEXTS = ["open the file now", "save the table here", "close a window"] * 3


@pytest.fixture(params=[False, True])
def kind(request, tmp_path):
    """By the ids of the model, and by those of a table."""
    pieces = learned(TEXTS, 60, tmp_path / VOCABULARY, tell=print, what="it")
    assets = {VOCABULARY: pieces.file}
    if request.param:
        assets[NUMBERED] = tmp_path / NUMBERED
        assets[NUMBERED].write_text(json.dumps({piece: place for place, piece in enumerate(reversed(pieces.pieces))}))
    return build(InputRequest(dict(PREPROCESS), PiecesOptions(max_tokens=16), assets))


@pytest.mark.parametrize(
    ("text", "is_strange"),
    [
        ("Сохранить файл", True),
        ("открыть the файл", True),
        ("open the файл now here", False),
        ("保存", True),
        ("open the file", False),
        ("", False),
    ],
)
def test_a_text_of_letters_that_no_piece_has_is_told(kind, text, is_strange):
    assert (UNKNOWN in kind.read(text, "it").notes) == is_strange


def test_a_long_text_is_told_to_be_split(kind):
    sample = kind.read("open the file now. save the table here. close a window.", "it")
    assert sample.notes == ("longer than 16 pieces: split at sentences",)
    facts = [each.facts for each in kind.prepare_several(sample)]
    assert [(each["part"], each["parts"]) for each in facts] == [(place, len(facts)) for place in range(len(facts))]
    assert len(facts) > 1


def test_the_end_of_a_files_last_line_is_no_part_of_its_text(kind, tmp_path):
    (tmp_path / "letter.txt").write_bytes(b"\xef\xbb\xbfopen the file now\r\n")
    assert kind.read(tmp_path / "letter.txt", "it").value == kind.read("open the file now", "it").value


def test_lines_of_a_text_that_fits_are_read_as_if_spaces_stood_between(kind):
    one, other = (kind.read(text, "it").value.ids for text in ("open the\nfile now", "open the file now"))
    assert one == other
