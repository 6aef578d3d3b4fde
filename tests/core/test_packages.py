"""Packages brought by pip, npm and apt themselves, from registries that the tests make."""

import base64
import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from headstart.errors import UsageError
from headstart.packages import PublishedFile, bring, download_debian_package

NPM = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def packed(files):
    """A .tar.gz of {name: text}."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


BACKEND = """
def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    import pathlib
    place = pathlib.Path(folder, "few_words-1.0.dist-info")
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\\nName: few-words\\nVersion: 1.0\\n")
    (place / "WHEEL").write_text("Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return place.name
"""


@pytest.fixture
def few_words(tmp_path, monkeypatch):
    """A source distribution in a folder that pip looks into, alone; its build script needs nothing."""
    place = tmp_path / "index"
    place.mkdir()
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    facts = "Metadata-Version: 2.1\nName: few-words\nVersion: 1.0\n"
    files = {"pyproject.toml": build, "backend.py": BACKEND, "PKG-INFO": facts, "data/words.txt": "few"}
    content = packed({f"few_words-1.0/{name}": text for name, text in files.items()})
    (place / "few_words-1.0.tar.gz").write_bytes(content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    return PublishedFile("pip", "few-words", "1.0", hashlib.sha256(content).hexdigest())


def empty(tmp_path, name="to"):
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_pip_brings_a_source_distribution_as_it_is(few_words, tmp_path):
    path = bring(few_words, empty(tmp_path))
    assert path.read_bytes() == (tmp_path / "index" / "few_words-1.0.tar.gz").read_bytes()


def test_pip_brings_a_wheel_as_it_is_and_refuses_one_that_differs(few_words, tmp_path):
    wheel = tmp_path / "index" / "many_words-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("many_words-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: many-words\nVersion: 1.0\n")
        archive.writestr(
            "many_words-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
    published = PublishedFile("wheel", "many-words", "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert bring(published, empty(tmp_path)).read_bytes() == wheel.read_bytes()
    with pytest.raises(UsageError, match=r"pip could not download many-words==1\.0"):
        bring(PublishedFile("wheel", "many-words", "1.0", "0" * 64), empty(tmp_path, "again"))


def test_a_wheel_of_another_platform_is_brought_where_its_tags_are_said(few_words, tmp_path):
    """Nothing of it is run: it is read as an archive."""
    tags = "cp311-cp311-win_arm64"
    wheel = tmp_path / "index" / f"far_words-1.0-{tags}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("far_words-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: far-words\nVersion: 1.0\n")
        archive.writestr("far_words-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tags}\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    with pytest.raises(UsageError, match=r"pip could not download far-words==1\.0"):
        bring(PublishedFile("wheel", "far-words", "1.0", digest), empty(tmp_path))
    brought = bring(PublishedFile("wheel", "far-words", "1.0", digest, tags), empty(tmp_path, "again"))
    assert brought.read_bytes() == wheel.read_bytes()


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is not installed")
def test_apts_own_reason_is_told_and_without_apt_the_file_can_come_from_elsewhere(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="could not download no-such-words: Unable to locate package no-such-words"):
        download_debian_package("no-such-words", empty(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="apt-get is not on this machine") as caught:
        download_debian_package("no-such-words", tmp_path / "to")
    assert "--from FILE" in caught.value.hint


def test_a_source_distribution_that_differs_is_refused_before_its_build_script_runs(few_words, tmp_path):
    files = {"pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'}
    files["backend.py"] = f"open({str(tmp_path / 'ran')!r}, 'w')\n{BACKEND}"
    content = packed({f"few_words-1.0/{name}": text for name, text in files.items()})
    (tmp_path / "index" / "few_words-1.0.tar.gz").write_bytes(content)
    with pytest.raises(UsageError, match=r"pip could not download few-words==1\.0"):
        bring(few_words, empty(tmp_path))
    assert not (tmp_path / "ran").exists()
    own = PublishedFile("pip", "few-words", "1.0", hashlib.sha256(content).hexdigest())
    bring(own, empty(tmp_path, "again"))
    assert (tmp_path / "ran").exists()  # so it would have


@pytest.fixture
def npm_registry(tmp_path, monkeypatch):
    """A registry with one package, @few/words 1.0.0, whose file and stated integrity the test may change."""
    place = empty(tmp_path, "registry")
    content = packed({"package/package.json": '{"name": "@few/words", "version": "1.0.0"}', "package/words.txt": "few"})
    (place / "words.tgz").write_bytes(content)
    handler = partial(SimpleHTTPRequestHandler, directory=str(place))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        integrity = f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"
        version = {"name": "@few/words", "version": "1.0.0"}
        version["dist"] = {"tarball": f"{address}/words.tgz", "integrity": integrity}
        stated = {"name": "@few/words", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
        (place / "@few").mkdir()
        (place / "@few" / "words").write_text(json.dumps(stated))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("npm_config_registry", address)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm-cache"))
        yield PublishedFile("npm", "@few/words", "1.0.0", hashlib.sha512(content).hexdigest())
        server.shutdown()


@NPM
def test_npm_brings_a_package_as_it_is(npm_registry, tmp_path):
    path = bring(npm_registry, empty(tmp_path))
    assert path.read_bytes() == (tmp_path / "registry" / "words.tgz").read_bytes()


@NPM
def test_what_npm_brings_is_refused_where_it_is_not_what_we_know(npm_registry, tmp_path):
    other = PublishedFile("npm", "@few/words", "1.0.0", "0" * 128)
    with pytest.raises(UsageError, match=rf"sha512 {npm_registry.digest}, expected 0000"):
        bring(other, empty(tmp_path))


@NPM
def test_npms_own_reason_is_told(npm_registry, tmp_path):
    with pytest.raises(UsageError, match=r"npm could not download @few/words@2\.0\.0: .*No matching version"):
        bring(PublishedFile("npm", "@few/words", "2.0.0", "0" * 128), empty(tmp_path))


@NPM
def test_a_registry_that_is_not_reached_is_named(npm_registry, tmp_path, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retry_mintimeout", "1")
    with pytest.raises(
        UsageError, match=r"npm could not download @few/words@1\.0\.0: .*http://127\.0\.0\.1:9"
    ) as caught:
        bring(npm_registry, empty(tmp_path))
    assert "--from FILE" in caught.value.hint


def test_without_npm_the_file_can_come_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    content = packed({"package/words.txt": "few"})
    published = PublishedFile("npm", "@few/words", "1.0.0", hashlib.sha512(content).hexdigest())
    with pytest.raises(UsageError, match="npm is not on this machine") as caught:
        bring(published, empty(tmp_path))
    assert "npm pack @few/words@1.0.0" in caught.value.hint
    (tmp_path / "words.tgz").write_bytes(content)
    assert bring(published, tmp_path / "to", here=tmp_path / "words.tgz") == tmp_path / "words.tgz"
    (tmp_path / "words.tgz").write_bytes(content[:-1])
    with pytest.raises(UsageError, match=r"words\.tgz is not the published file of @few/words@1\.0\.0"):
        bring(published, tmp_path / "to", here=tmp_path / "words.tgz")
    with pytest.raises(UsageError, match="there is no file"):
        bring(published, tmp_path / "to", here=tmp_path / "gone.tgz")
