"""Debian packages that tests make."""

import io
import lzma
import tarfile


def debian_package(path, files):
    """A .deb of `files`, contents by their paths: an `ar` archive with a compressed tar, as dpkg makes them."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, content in (("debian-binary", b"2.0"), ("data.tar.xz", lzma.compress(data.getvalue()))):
            file.write(f"{name:16}{0:<12}{0:<6}{0:<6}{'100644':8}{len(content):<10}`\n".encode())
            file.write(content + b"\n" * (len(content) % 2))
    return path
