import gzip
import shutil
import subprocess
from collections import Counter

import pytest

from headstart.data.made import stored_folder
from headstart.errors import DataError, UsageError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, MakeRequest
from headstart_plugins.text_sets import SectionOptions, _debian
from headstart_plugins.text_sets._debian import build, make, packages_of

AVAILABLE = """\
Package: chess
Version: 1.0
Section: games
Tag: role::program,
 use::gameplaying
Description: a board with pieces
 It has two sides,
 and a clock.
 .
 Black begins never.
Description-md5: 00

Package: chess-data
Source: chess (1.0-2)
Section: contrib/games
Description: a board with pieces

Package: poker
Section: games
Description: cards and chips

Package: libpoker-perl
Source: poker
Section: perl
Description: cards and chips

Package: libsums-perl
Section: perl
Description: sums, without a calculator

Package: libnothing
Section: libs
Description: nothing

Package: nameless
Section: games
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "available.txt").write_text(AVAILABLE, encoding="utf-8")
    (tmp_path / "made").mkdir()
    make(MakeRequest(tmp_path / "made", tmp_path / "available.txt"))
    return tmp_path / "made"


def opened(folder, **options):
    return build(DatasetRequest(None, SectionOptions(**options), made=folder))


def test_a_package_has_a_section_without_its_area_a_source_and_a_description():
    found = {each.name: each for each in packages_of(AVAILABLE)}
    assert list(found) == ["chess", "chess-data", "libnothing", "libpoker-perl", "libsums-perl", "poker"]
    assert (found["chess-data"].section, found["chess-data"].source) == ("games", "chess")
    assert found["chess"].description == "It has two sides,\nand a clock.\n\nBlack begins never."
    assert found["poker"].description == ""


def test_copies_are_left_out_and_packages_of_one_source_are_one_group(folder):
    records = opened(folder, sections=("games", "perl"))
    assert [(item.key, item.target, item.group, item.payload) for item in records.items] == [
        ("chess", "games", "chess", "a board with pieces"),
        ("libsums-perl", "perl", "libsums-perl", "sums, without a calculator"),
    ]
    assert [(finding.level, finding.count) for finding in records.findings] == [("note", 1), ("note", 2)]
    assert records.findings[1].cases == ("'cards and chips': libpoker-perl (perl), poker (games)",)


def test_long_descriptions_are_read_where_they_are_known(folder, tmp_path):
    records = opened(folder, sections=("games", "perl"), text="full")
    assert records.items[0].payload.startswith("a board with pieces\n\nIt has two sides,\nand a clock.")
    (tmp_path / "short.txt").write_text("Package: a\nSection: perl\nDescription: b\n", encoding="utf-8")
    (tmp_path / "short").mkdir()
    make(MakeRequest(tmp_path / "short", tmp_path / "short.txt"))
    with pytest.raises(DataError, match="has no long descriptions"):
        opened(tmp_path / "short", sections=("perl",), text="full")


def test_an_unknown_section_is_named_with_those_that_there_are(folder):
    with pytest.raises(DataError, match="no package of the section pearl") as caught:
        opened(folder, sections=("games", "pearl"))
    assert caught.value.hint == "sections are games, libs, perl"


def test_what_describes_no_package_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("nothing\n")
    for source, said in ((tmp_path / "empty.txt", "describes no package"), (tmp_path / "gone.txt", "cannot be read")):
        with pytest.raises(UsageError, match=said):
            make(MakeRequest(tmp_path, source))


def test_without_apt_the_hint_says_how_to_bring_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="apt-cache is not on this machine") as caught:
        make(MakeRequest(tmp_path))
    assert "--from FILE" in caught.value.hint


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("apt-cache") is None, reason="apt-cache is not on this machine")
def test_long_descriptions_come_from_the_translations_that_apt_has(tmp_path, monkeypatch):
    printed = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    known = packages_of(printed)
    if not known:
        pytest.skip("apt knows no package on this machine")
    translation = (
        f"Package: {known[0].name}\nDescription-md5: 00\nDescription-en: {known[0].summary}\n Long.\n .\n Too.\n"
    )
    packed = tmp_path / "lists" / "deb_dists_main_i18n_Translation-en.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(translation.encode()))
    monkeypatch.setattr(_debian, "LISTS", packed.parent)
    (tmp_path / "made").mkdir()
    make(MakeRequest(tmp_path / "made"))
    found = _debian.read_lines(tmp_path / "made" / _debian.FILE, _debian.Package)
    assert [each.name for each in found] == [each.name for each in known]
    assert found[0].description == "Long.\n\nToo."


def test_the_real_set_has_thousands_of_texts_in_its_sections():
    folder = stored_folder(load_registry().get("datasets", "text_sets/debian_sections"))
    if not folder.is_dir():
        pytest.skip("debian_sections is not made: headstart datasets make debian_sections")
    items = opened(folder).items
    counts = Counter(item.target for item in items)
    assert set(counts) == set(SectionOptions().sections)
    assert min(counts.values()) >= 1000
    assert len({item.payload for item in items}) == len(items)
    assert Counter(Counter(item.group for item in items).values())[1] > len(items) / 2
