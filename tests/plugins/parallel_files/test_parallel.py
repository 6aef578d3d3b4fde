"""Line-aligned files and translation memories, as people have them."""

import gzip

import pytest

from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest
from headstart_plugins.parallel_files import ParallelOptions, TmxOptions, _lines, _tmx

ENGLISH = [
    "Open the file.",
    "There are 12 of them: take one!",
    "Where is the house of your friend?",
    "No.",
    "The document (page 3) could not be saved because the disk is full.",
    "Do you want to save it?",
    "Yes",
    "The year 1984 was cold; that of 2001 was not.",
    "Close all windows.",
    "Thank you very much for your help.",
]
GALICIAN = [
    "Abrir o ficheiro.",
    "Hai 12 deles: colla un!",
    "Onde está a casa do teu amigo?",
    "Non.",
    "Non se puido gardar o documento (páxina 3) porque o disco está cheo.",
    "Quere gardalo?",
    "Si",
    "O ano 1984 foi frío; o de 2001 non o foi.",
    "Pechar todas as xanelas.",
    "Moitas grazas pola súa axuda.",
]


def opened(path, **options):
    return _lines.build(DatasetRequest(str(path), ParallelOptions(**options)))


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


@pytest.fixture
def corpus(tmp_path):
    for side, low, high in (("train", 0, 6), ("dev", 6, 8), ("test", 8, 10)):
        write(tmp_path / f"{side}.en", ENGLISH[low:high])
        write(tmp_path / f"{side}.gl", GALICIAN[low:high])
    return tmp_path


def test_a_folder_with_sides_by_their_usual_names(corpus):
    records = opened(corpus)
    assert {(each.payload, each.target) for each in records.items} == set(zip(ENGLISH, GALICIAN, strict=True))
    assert {each.key: each.split for each in records.items}["dev-000002"] == "val"
    assert [each.split for each in records.items].count("test") == 2
    assert records.targets == "targets/text"
    assert "en is translated into gl" in records.findings[0].message


def test_a_folder_and_its_files_open_by_their_paths(corpus):
    registry = load_registry()
    for path in (corpus, corpus / "train.gl"):
        assert registry.resolve_dataset(str(path), None).spec.name == "parallel_files/parallel"
    assert len(opened(corpus / "train.gl").items) == 6
    assert {each.split for each in opened(corpus / "train.gl").items} == {None}


def test_the_direction_is_a_setting(corpus):
    assert opened(corpus, source="gl").items[0].payload in GALICIAN
    assert opened(corpus, reverse=True).items[0].payload in GALICIAN


@pytest.mark.parametrize(
    "names",
    [("a.src", "a.tgt"), ("a.en.txt", "a.gl.txt"), ("Books.en-gl.en", "Books.en-gl.gl"), ("a.en.gz", "a.gl.gz")],
)
def test_names_as_people_give_them(tmp_path, names):
    for name, lines in zip(names, (ENGLISH, GALICIAN), strict=True):
        content = "\r\n".join(lines).encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    records = opened(tmp_path)
    assert [(each.payload, each.target) for each in records.items] == list(zip(ENGLISH, GALICIAN, strict=True))


def test_languages_that_could_each_be_meant_are_named(corpus):
    write(corpus / "train.fr", ["x"] * 6)
    with pytest.raises(
        DataError, match=r"which of the languages .*en.*fr.*gl.* is translated into which is not known"
    ) as caught:
        opened(corpus)
    assert "--set dataset.source=" in caught.value.hint
    with pytest.raises(DataError, match="dev is not there in fr"):
        opened(corpus, source="en", target="fr")


@pytest.mark.parametrize("gone", [0, 3, 4, 6])
@pytest.mark.parametrize("side", ["en", "gl"])
def test_files_of_different_lengths_are_refused_with_the_line_where_they_part(tmp_path, gone, side):
    files = {"en": list(ENGLISH), "gl": list(GALICIAN)}
    del files[side][gone]
    for language, lines in files.items():
        write(tmp_path / f"train.{language}", lines)
    with pytest.raises(DataError) as caught:
        opened(tmp_path)
    counts = f"train.en has {len(files['en'])} lines, train.gl {len(files['gl'])}"
    assert counts in caught.value.message
    assert f"they seem to part at about line {gone + 1}: " in caught.value.message
    assert "nothing is paired by guessing" in caught.value.hint


def test_lines_missing_at_the_end_and_what_cannot_be_told(tmp_path):
    write(tmp_path / "a.en", ENGLISH)
    write(tmp_path / "a.gl", GALICIAN[:8])
    with pytest.raises(DataError, match=r"part at about line 9: 'Close all windows.' beside the end"):
        opened(tmp_path)
    write(tmp_path / "a.en", ["a b"] * 9)
    write(tmp_path / "a.gl", ["c d"] * 8)
    with pytest.raises(DataError, match="where they part cannot be told"):
        opened(tmp_path)


def test_a_letter_that_some_programs_take_for_a_line_end_is_named(tmp_path):
    write(tmp_path / "a.en", [*ENGLISH[:4], "a\u2028b", *ENGLISH[4:]])
    write(tmp_path / "a.gl", [*GALICIAN[:4], "a", "b", *GALICIAN[4:]])
    with pytest.raises(DataError, match=r"line 5 of a\.en holds U\+2028"):
        opened(tmp_path)


def test_empty_lines_are_left_out_and_counted(tmp_path):
    write(tmp_path / "a.en", [*ENGLISH, "", "Alone"])
    write(tmp_path / "a.gl", [*GALICIAN, "Só", " "])
    records = opened(tmp_path)
    assert len(records.items) == 10
    told = [each.message for each in records.findings]
    assert any(each.startswith("1 left out: the source is empty, such as a-000011") for each in told)
    assert any(each.startswith("1 left out: the target is empty, such as a-000012 ('Alone')") for each in told)


def test_to_be_answered_are_all_lines_by_their_own_words(tmp_path):
    write(tmp_path / "new.en", ["Open", "", "Close", "Open"])
    write(tmp_path / "new.gl", ["Abrir", "x", "", ""])
    options = ParallelOptions(min_words=3)
    records = _lines.build(DatasetRequest(str(tmp_path / "new.en"), options, labelled=False))
    assert [(each.key, each.payload) for each in records.items] == [
        ("Open (new-000001)", "Open"),
        ("Close", "Close"),
        ("Open (new-000004)", "Open"),
    ]
    assert records.findings[-1].message == "1 left out: the source is empty, such as new-000002 ('')"


def test_sources_of_test_that_stand_in_train_in_another_case_are_told(corpus):
    write(corpus / "test.en", ["OPEN the  file", "Close all windows."])
    told = [each.message for each in opened(corpus).findings]
    assert any(
        each.startswith("1 sources of val and test differ from one in train in case, spaces or marks alone")
        and each.endswith("such as test-000001 (test) and train-000001")
        for each in told
    )


def test_wrong_bytes_and_odd_names_are_named(corpus):
    (corpus / "train.gl").write_bytes(b"Non\n\xe1gora\n" + b"x\n" * 4)
    with pytest.raises(DataError, match=r"train\.gl: line 2: byte 4 \(e1\) is no valid utf-8"):
        opened(corpus)
    assert opened(corpus, encoding="latin-1") is not None
    write(corpus / "extra.en", ["a"])
    write(corpus / "extra.gl", ["b"])
    with pytest.raises(DataError, match="'extra' names none"):
        opened(corpus)


TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en-US" datatype="plaintext"/><body>
<tu tuid="u1"><tuv xml:lang="en-US">
<seg>Press <bpt i="1">&lt;b&gt;</bpt><hi>Enter</hi><ept i="1">&lt;/b&gt;</ept> now</seg></tuv>
<tuv xml:lang="gl"><seg>Prema <ph x="1">\\n</ph>Intro agora</seg></tuv></tu>
<tu tuid="u2"><tuv xml:lang="en-US"><seg>Close</seg></tuv><tuv xml:lang="de"><seg>Schliessen</seg></tuv></tu>
<tu tuid="u3"><tuv xml:lang="en-US"><seg>Open</seg></tuv><tuv xml:lang="gl"><seg>Abrir</seg></tuv></tu>
</body></tmx>
"""


def memory(path, **options):
    return _tmx.build(DatasetRequest(str(path), TmxOptions(**options)))


def test_a_translation_memory_gives_pairs_of_two_languages(tmp_path):
    path = tmp_path / "memory.tmx"
    path.write_text(TMX, "utf-8")
    assert load_registry().resolve_dataset(str(path), None).spec.name == "parallel_files/tmx"
    with pytest.raises(DataError, match="is translated into which is not known"):
        memory(path)
    records = memory(path, source="en", target="gl")
    assert [(each.key, each.payload, each.target) for each in records.items] == [
        ("u1", "Press Enter now", "Prema Intro agora"),
        ("u3", "Open", "Abrir"),
    ]
    assert records.findings[1].message == "1 left out: units without en-US or gl, such as u2"
    assert memory(path, source="en", target="gl", inline="keep").items[0].payload == "Press <b>Enter</b> now"
    options = TmxOptions(source="en", target="gl")
    answered = _tmx.build(DatasetRequest(str(path), options, labelled=False))
    assert [each.payload for each in answered.items] == ["Press Enter now", "Close", "Open"]


def test_what_is_no_memory_is_named(tmp_path):
    path = tmp_path / "memory.tmx"
    for content, said in (
        (TMX[:400], "no readable TMX"),
        ("<html/>", "begins with <html>"),
        ("<tmx/>", "no translation unit"),
    ):
        path.write_text(content, "utf-8")
        with pytest.raises(DataError, match=said):
            memory(path)
