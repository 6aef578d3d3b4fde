"""Long texts are split at sentences, else at commas, else at spaces."""

from headstart_plugins._sentences import parts_that_fit


def words(texts):
    return [len(text.split()) for text in texts]


def test_a_text_that_fits_stays_as_it_is():
    assert parts_that_fit("  One.  Two! ", 5, words) == ["  One.  Two! "]


def test_whole_sentences_go_together_as_long_as_they_fit():
    text = "One two three. Four five! Six seven eight? Nine."
    assert parts_that_fit(text, 5, words) == ["One two three. Four five!", "Six seven eight? Nine."]


def test_lines_are_sentences_and_quotes_stay_with_theirs():
    assert parts_that_fit("Title here\nHe said “no.” Then left", 4, words) == [
        "Title here",
        "He said “no.”",
        "Then left",
    ]


def test_a_long_sentence_is_split_at_commas_and_then_at_spaces():
    assert parts_that_fit("one two, three four; five", 2, words) == ["one two,", "three four;", "five"]
    assert parts_that_fit("one two three four five", 2, words) == ["one two", "three four", "five"]


def test_a_word_that_is_too_long_is_split_where_it_fills_a_part():
    assert parts_that_fit("abcdef gh", 3, lambda texts: [len(text) for text in texts]) == ["abc", "def", "gh"]
    long = "กขค" * 5_000
    found = parts_that_fit(long, 128, lambda texts: [len(text) for text in texts])
    assert "".join(found) == long
    assert {*map(len, found[:-1])} == {128}
    assert parts_that_fit("ab", 1, lambda texts: [2 * len(text) for text in texts]) == ["a", "b"]


def test_chinese_sentences_end_without_spaces():
    found = parts_that_fit("你好。再见。好", 4, lambda texts: [len(text) for text in texts])
    assert found == ["你好。", "再见。", "好"]
