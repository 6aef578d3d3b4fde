"""BENCHMARKS.md keeps the sections of every script when one of them writes its own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sections import NAMES, sections_of, with_section, with_sections

HEAD = "# Head\n\ntext\n"


def test_a_section_is_put_between_its_marks_again_and_again():
    told = with_section(HEAD, "stress", "one")
    assert sections_of(told) == {**dict.fromkeys(NAMES, ""), "stress": "one"}
    assert told.startswith(HEAD)
    again = with_section(told, "stress", "two")
    assert sections_of(again)["stress"] == "two"
    assert "one" not in again


def test_a_section_without_text_leaves_the_document_as_it_is():
    assert with_section(HEAD, "stress", "") == HEAD


def test_a_new_head_keeps_the_sections_of_the_others():
    told = with_section(with_section(HEAD, "strategies", "| a |"), "stress", "| b |")
    kept = with_sections("# Another head\n", sections_of(told))
    assert kept.startswith("# Another head\n")
    assert sections_of(kept) == {**dict.fromkeys(NAMES, ""), "strategies": "| a |", "stress": "| b |"}
