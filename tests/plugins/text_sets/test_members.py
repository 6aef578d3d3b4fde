"""Archives are read by name alone, within limits."""

import io
import re
import tarfile

import pytest

from headstart.errors import DataError
from headstart_plugins.text_sets import _members
from headstart_plugins.text_sets._members import read_members


def archive(*members):
    """A .tar.gz of (name, content); a link where the content is a text."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as file:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                file.addfile(member)
            else:
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))
    return made.getvalue()


def read(content, wanted=r"data/\d\.txt"):
    return list(read_members(io.BytesIO(content), re.compile(wanted), "it.tgz"))


def test_only_regular_files_of_the_wanted_names_are_read():
    content = archive(
        ("data/1.txt", b"one"), ("../data/2.txt", b"out"), ("data/3.txt", "/etc/passwd"), ("data/4.txt.exe", b"no")
    )
    assert read(content) == [("data/1.txt", b"one")]


def test_archives_that_grow_too_large_are_refused(monkeypatch):
    content = archive(("other", b"x" * 600), ("data/1.txt", b"y" * 600))
    monkeypatch.setattr(_members, "LARGEST", 500)
    with pytest.raises(DataError, match=r"it\.tgz: data/1\.txt has 600 bytes; at most 500"):
        read(content)
    monkeypatch.setattr(_members, "LARGEST_SUM", 1000)
    with pytest.raises(DataError, match=r"it\.tgz: more than 1000 bytes unpacked"):
        read(content)


@pytest.mark.parametrize("damage", [lambda c: c[: len(c) // 2], lambda c: b"no archive", lambda c: c[:20] + b"?" * 20])
def test_a_damaged_archive_is_named(damage):
    with pytest.raises(DataError, match=r"it\.tgz is damaged"):
        read(damage(archive(("data/1.txt", bytes(range(256)) * 40))))
