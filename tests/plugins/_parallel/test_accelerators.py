"""Marks of keyboard letters are removed, and nothing that is no such mark."""

import pytest

from headstart_plugins._parallel.accelerators import without_accelerators


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("~File", "~Ficheiro"), ("File", "Ficheiro")),
        (("Sa_ve As...", "Gardar c_omo..."), ("Save As...", "Gardar como...")),
        (("E_xit", "Saír"), ("Exit", "Saír")),
        (("&Open", "A&brir"), ("Open", "Abrir")),
        (("~File", "檔案(~F)"), ("File", "檔案")),
        (("_OK", "_OK"), ("OK", "OK")),
        (("V_ertical:", "V_ertical:"), ("Vertical:", "Vertical:")),
        (("All ~Pages", "~Todas as páxinas"), ("All Pages", "Todas as páxinas")),
        (("Reset to Parent", "Restaurar ao _herdado"), ("Reset to Parent", "Restaurar ao herdado")),
    ],
)
def test_marks_are_removed(pair, expected):
    assert without_accelerators(*pair) == expected


@pytest.mark.parametrize(
    "pair",
    [
        ("Drag & Drop", "Arrastrar e soltar"),
        ("R&D", "I+D"),
        ("Q&A", "P&R"),
        ("AT&T", "AT&T"),
        ("Open my_file.txt", "Abrir my_file.txt"),
        ("VAR_POP", "VAR_POP"),
        ("a_b and c_d", "a_b e c_d"),
        ("Error: $error_message$", "Erro: $error_message$"),
        ("{file_name} is open", "{file_name} está aberto"),
        ("Fish &amp; chips", "Peixe &amp; patacas"),
        ("100__000", "100__000"),
    ],
)
def test_other_signs_stay(pair):
    assert without_accelerators(*pair) == pair


def test_only_the_marks_that_are_named_are_removed():
    assert without_accelerators("~File", "~Ficheiro", "_") == ("~File", "~Ficheiro")
    assert without_accelerators("_File", "_Ficheiro", "") == ("_File", "_Ficheiro")
