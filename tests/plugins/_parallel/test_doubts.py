"""What is hardly a translation is found without knowing either language, and what is one is left in peace."""

import pytest

from headstart_plugins._parallel.doubts import (
    COPY,
    LENGTH,
    PLACEHOLDER,
    SCRIPT,
    doubtful_pairs,
    doubts_about,
    script_of,
)
from headstart_plugins._parallel.together import source_group
from headstart_plugins._placeholders import placeholders_of

SOUND = [
    ("Open the file", "Abrir o ficheiro"),
    ("Save all documents now", "Gardar agora todos os documentos"),
    ("Close", "Pechar"),
    ("The document could not be saved.", "Non foi posíbel gardar o documento."),
]


def found(pairs):
    sources, targets = zip(*pairs, strict=True)
    return {what: list(places) for what, places in doubts_about(sources, targets).places.items() if places}


def test_sound_pairs_are_not_doubted():
    assert found(SOUND * 5) == {}
    assert found([("OK", "Конечно, хорошо"), ("Save", "Сохранить"), ("PDF file", "Файл PDF")] * 3) == {}


@pytest.mark.parametrize(
    ("pair", "what"),
    [
        (("LibreOffice Writer", "LibreOffice Writer"), COPY),
        (("Yes", "O documento que se está a abrir foi gardado noutro formato"), LENGTH),
        (("The document you are about to open was stored in another format by somebody", "Si"), LENGTH),
        (("Close all windows", "Закрыть все окна"), SCRIPT),
        (("打开文件", "Abrir o ficheiro"), SCRIPT),
        (("Delete %1 of {0}?", "Eliminar {0}?"), PLACEHOLDER),
    ],
)
def test_an_odd_pair_among_sound_ones_is_found_and_told_why(pair, what):
    assert found([*SOUND * 5, pair]) == {what: [20]}


def test_numbers_and_empty_sides_are_no_copies():
    assert found([*SOUND, ("100 %", "100 %"), ("", ""), ("Open", " ")]) == {}


def test_lengths_are_measured_by_the_usual_pair():
    long = [("你好世界你好世界", "Hello world, hello once more to all of the world out there, " * 2)] * 5
    assert LENGTH not in found(long)


def test_scripts_are_those_of_most_letters():
    assert script_of("Файл PDF открыт") == "CYRILLIC"
    assert script_of("ファイルを開く") == script_of("打开") == script_of("파일 열기") == "EAST ASIAN"
    assert script_of("1.º, 2.º, 3.º, 4.ª") is None
    assert script_of("OK 12") is script_of("...") is None


def test_findings_name_examples_and_list_all():
    pairs = [*SOUND * 10, ("Close all windows", "Закрыть все окна"), ("Draw", "Draw")]
    sources, targets = zip(*pairs, strict=True)
    told = list(doubtful_pairs([f"k{place}" for place in range(len(pairs))], sources, targets))
    assert [(each.level, each.count) for each in told] == [("note", 1), ("warning", 1)]
    assert told[0].message == "1 pair with the source itself as target, such as k41: 'Draw' | 'Draw'"
    assert told[1].cases == ("k40: 'Close all windows' | 'Закрыть все окна'",)
    (error,) = doubtful_pairs(["a", "b"], ["Open", "Close"], ["Open", "Close"])
    assert (error.level, error.message) == ("error", "all 2 targets are their sources; there is nothing to learn")


def test_sentences_that_differ_in_case_spaces_or_marks_stay_together():
    assert source_group("Save  As...") == source_group("[save as…]") == source_group("Save-as") == "saveas"
    assert source_group("...") == "..."
    long = "The quick brown fox jumps over the lazy dog, and then it does so once more"
    assert source_group(long) != source_group(f"{long} today")
    assert len(source_group(long)) <= 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%s of %2$d in %.1f", ["%s", "%2$d", "%.1f"]),
        ("%(name)s has {count} of {0:.2f} {}", ["%(name)s", "{count}", "{0:.2f}", "{}"]),
        ("%PRODUCTNAME %PRODUCTVERSION $(ARG1) ${name} $user$", None),
        ("Copy %1 to %2", ["%1", "%2"]),
        ("<b>Bold</b> 50 % off, 50% more, 100%", ["<b>", "</b>"]),
        ("Costs $5, 3 < 4 and {a b}", []),
        ("5 % a year, 50 % d'entre eux, 100 % of", []),
    ],
)
def test_placeholders_are_those_of_programs(text, expected):
    assert sorted(placeholders_of(text).elements()) == sorted(text.split() if expected is None else expected)
