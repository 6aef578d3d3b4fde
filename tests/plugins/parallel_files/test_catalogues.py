"""Catalogues are read by the rules that are stated, and what is left out is counted by rule."""

import pytest

from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest
from headstart_plugins._parallel.catalogues import CatalogueOptions
from headstart_plugins.parallel_files._catalogues import build

polib = pytest.importorskip("polib")

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Plural-Forms: {}\\n"\n\n'
TWO = "nplurals=2; plural=(n != 1);"
POLISH = "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"

BODY = """
msgctxt "menu"
msgid "~Save As..."
msgstr "Gardar ~como..."

msgctxt "button"
msgid "~Save As..."
msgstr "Gardar ~como..."

msgctxt "dialog"
msgid "Save as"
msgstr "Gardar coma"

#, fuzzy
msgid "Close"
msgstr "Pechar?"

msgid "Not yet"
msgstr ""

msgid "Open %s"
msgstr "Abrir %s"

msgid "Copy {0}"
msgstr "Copiar {1}"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d ficheiro"
msgstr[1] "%d ficheiros"

msgid "PDF"
msgstr "PDF"

#~ msgid "Old"
#~ msgstr "Vello"
"""


def written(path, body=BODY, plurals=TWO):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER.format(plurals) + body, "utf-8")
    return path


def opened(path, **options):
    return build(DatasetRequest(str(path), CatalogueOptions(**options)))


def told(records):
    return {each.message.partition(": ")[2].partition(",")[0]: each.count for each in records.findings}


def test_a_catalogue_gives_pairs_and_counts_what_it_leaves_out(tmp_path):
    records = opened(written(tmp_path / "app.po"))
    assert [(each.payload, each.target) for each in records.items] == [
        ("Save As...", "Gardar como..."),
        ("Save as", "Gardar coma"),
        ("Open %s", "Abrir %s"),
        ("%d file", "%d ficheiro"),
        ("%d files", "%d ficheiros"),
        ("PDF", "PDF"),
    ]
    assert (records.medium, records.targets) == ("text", "targets/text")
    assert told(records) == {
        "": 2,  # accelerators removed
        "fuzzy translations": 1,
        "messages without a translation": 1,
        "the two sides do not hold the same placeholders": 1,
        "obsolete messages": 1,
        "the same pair again": 1,
    }
    first, second = records.items[:2]
    assert first.group == second.group == "saveas"
    assert len({each.key for each in records.items}) == 6
    assert {each.group for each in records.items[2:]} == {None}  # one alone needs no group


@pytest.mark.parametrize(
    ("options", "more", "fewer"),
    [
        (dict(fuzzy="keep"), [("Close", "Pechar?")], []),
        (dict(placeholders="keep"), [("Copy {0}", "Copiar {1}")], []),
        (
            dict(placeholders="drop"),
            [],
            [("Open %s", "Abrir %s"), ("%d file", "%d ficheiro"), ("%d files", "%d ficheiros")],
        ),
        (dict(plurals="drop"), [], [("%d file", "%d ficheiro"), ("%d files", "%d ficheiros")]),
        (dict(same="drop"), [], [("PDF", "PDF")]),
        (dict(min_words=2), [], [("PDF", "PDF")]),
        (dict(max_words=2, accelerators=""), [("~Save As...", "Gardar ~como...")], [("Save As...", "Gardar como...")]),
        (dict(repeated="keep"), [("Save As...", "Gardar como...")], []),
    ],
)
def test_each_rule_has_a_setting(tmp_path, options, more, fewer):
    path = written(tmp_path / "app.po")
    usual, found = ([(each.payload, each.target) for each in opened(path, **each).items] for each in ({}, options))
    assert sorted(found) == sorted([pair for pair in usual if pair not in fewer] + more)


def test_to_be_answered_are_all_messages_by_their_own_words(tmp_path):
    path = written(tmp_path / "app.po", BODY + '\nmsgid "Read _file_name and ~quit a_b"\nmsgstr ""\n')
    hard = CatalogueOptions(plurals="drop", placeholders="drop", min_words=2, same="drop")
    for options in (CatalogueOptions(), hard):
        records = build(DatasetRequest(str(path), options, labelled=False))
        assert [each.payload for each in records.items] == [
            *["Save As..."] * 2,
            *["Save as", "Close", "Not yet", "Open %s", "Copy {0}", "%d file", "%d files", "PDF"],
            "Read _file_name and quit a_b",
        ]
        keys = [each.key for each in records.items]
        assert keys[2:] == [each.payload for each in records.items[2:]]
        assert [key.partition("#")[0] for key in keys[:2]] == ["Save As... (app"] * 2
        assert len({*keys}) == len(keys)
        assert {each.target for each in records.items} == {None}
    back = build(DatasetRequest(str(path), CatalogueOptions(reverse=True), labelled=False))
    assert [each.payload for each in back.items][2:4] == ["Gardar coma", "Pechar?"]
    assert told(back)["the source is empty"] == 2


def test_a_compiled_catalogue_gives_the_same_pairs_with_the_plural_source(tmp_path):
    source = written(tmp_path / "a" / "app.po")
    (tmp_path / "b").mkdir()
    polib.pofile(str(source)).save_as_mofile(str(tmp_path / "b" / "app.mo"))
    compiled, plain = opened(tmp_path / "b"), opened(tmp_path / "a")
    pairs = [sorted((each.payload, each.target) for each in records.items) for records in (compiled, plain)]
    assert pairs[0] == pairs[1]
    assert "%d files" in [each.payload for each in compiled.items]


def test_plurals_of_three_forms_take_the_one_of_most_numbers(tmp_path):
    body = (
        'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] "%d plik"\nmsgstr[1] "%d pliki"\nmsgstr[2] "%d plików"\n'
    )
    records = opened(written(tmp_path / "app.po", body, POLISH))
    assert [each.target for each in records.items] == ["%d plik", "%d plików"]


@pytest.mark.parametrize("rule", ["n%0", "n/0", "n >>> 1", "n**n**n"])
def test_a_rule_of_plurals_that_is_none_is_named(tmp_path, rule):
    with pytest.raises(DataError, match="no rule of plurals"):
        opened(written(tmp_path / "app.po", plurals=f"nplurals=2; plural={rule};"))


def test_keys_and_sides_are_the_same_in_every_language(tmp_path):
    for language in ("gl", "pt_BR"):
        written(tmp_path / language / "LC_MESSAGES" / "app.po", BODY.replace("Gardar", f"Gardar {language}"))
    with pytest.raises(DataError, match=r"catalogues of 2 languages: gl \(1\), pt_BR \(1\)") as caught:
        opened(tmp_path)
    assert caught.value.hint == "say which one is learned: --set dataset.language=pt_BR"
    one, other = (opened(tmp_path, language=code, sides="by_source") for code in ("gl", "pt"))
    assert [each.key for each in one.items] == [each.key for each in other.items]
    assert [each.split for each in one.items] == [each.split for each in other.items]
    assert one.items[0].target == "Gardar gl como..."
    assert one.items[0].key.startswith("app#")
    with pytest.raises(DataError, match="no catalogue of de; there are: gl"):
        opened(tmp_path, language="de")


def test_the_other_direction_is_a_setting(tmp_path):
    records = opened(written(tmp_path / "app.po"), reverse=True)
    assert (records.items[0].payload, records.items[0].target) == ("Gardar como...", "Save As...")


def test_what_is_no_catalogue_is_named(tmp_path):
    (tmp_path / "bad.mo").write_bytes(b"\xde\x12\x04\x95 no more")
    (tmp_path / "bad.po").write_text('msgid "a"\nmsgstr "b"\nnonsense "c"\n', "utf-8")
    for name in ("bad.mo", "bad.po"):
        with pytest.raises(DataError, match=f"{name}: no readable catalogue"):
            opened(tmp_path / name)
    with pytest.raises(DataError, match="no catalogue"):
        opened(tmp_path.joinpath("none").mkdir() or tmp_path / "none")
    with pytest.raises(DataError, match="no pair of texts is left") as caught:
        opened(written(tmp_path / "empty.po", 'msgid "Not yet"\nmsgstr ""\n'))
    assert "1 left out: messages without a translation" in caught.value.hint


def test_paths_open_by_themselves(tmp_path):
    written(tmp_path / "locale" / "gl" / "LC_MESSAGES" / "app.po")
    registry = load_registry()
    for path in (tmp_path / "locale", tmp_path / "locale" / "gl" / "LC_MESSAGES" / "app.po"):
        assert registry.resolve_dataset(str(path), None).spec.name == "parallel_files/catalogues"


@pytest.mark.parametrize(
    ("paths", "languages", "name"),
    [
        (("po/gl.po", "po/es.po"), {"gl", "es"}, "po"),
        (("gl/cui.po", "gl/sw.po"), {"gl"}, "cui"),
        (("app/gl.po", "app/pt_BR.po"), {"gl", "pt_BR"}, "app"),
        (("locale/gl/LC_MESSAGES/sw.po", "locale/gl/LC_MESSAGES/cui.po"), {"gl"}, "locale/sw"),
        (("messages.po",), {""}, "messages"),
    ],
)
def test_languages_are_told_from_what_catalogues_are_about(tmp_path, paths, languages, name):
    from headstart_plugins._parallel.catalogues import _found

    for path in paths:
        written(tmp_path / path)
    found = _found(tmp_path)
    assert {each.language for each in found} == languages
    assert name in {each.name for each in found}


def test_a_header_that_states_its_language_is_believed(tmp_path):
    body = HEADER.format(TWO).replace('"Plural', '"Language: gl\\n"\n"Plural')
    path = tmp_path / "sw" / "app.po"
    path.parent.mkdir()
    path.write_text(body + 'msgid "Open"\nmsgstr "Abrir"\n', "utf-8")
    assert len(opened(tmp_path, language="gl").items) == 1
    with pytest.raises(DataError, match=r"no catalogue of sw; there are: gl \(1\)"):
        opened(tmp_path, language="sw")
