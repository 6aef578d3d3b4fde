"""Torch files written by hand, opcode by opcode, so that these tests need no torch."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."
MACHINE = b"\x80\x02}X\r\x00\x00\x00little_endian\x88s."
SIX = np.arange(6, dtype="<f4")


def number(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def many(*items):
    return b"(" + b"".join(items) + b"t"


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def tensor(shape=(2, 3), strides=(3, 1), offset=0, count=6, key="0", kind="FloatStorage"):
    storage = many(text("storage"), named("torch", kind), text(key), text("cpu"), number(count)) + b"Q"
    hooks = named("collections", "OrderedDict") + b")R"
    places = (number(offset), many(*map(number, shape)), many(*map(number, strides)))
    return named("torch._utils", "_rebuild_tensor_v2") + many(storage, *places, b"\x89", hooks) + b"R"


def mapping(**values):
    return b"}(" + b"".join(text(name) + value for name, value in values.items()) + b"u"


def legacy(body, storages=(("0", SIX),)):
    """A whole legacy file around one pickled object."""
    keys = b"\x80\x02](" + b"".join(text(key) for key, _ in storages) + b"e."
    data = b"".join(struct.pack("<q", numbers.size) + numbers.tobytes() for _, numbers in storages)
    return MAGIC + PROTOCOL + MACHINE + b"\x80\x02" + body + b"." + keys + data


@pytest.fixture(scope="session")
def torch_bytes():
    """The pieces that torch files consist of."""
    return SimpleNamespace(
        number=number, text=text, many=many, named=named, tensor=tensor, mapping=mapping, legacy=legacy
    )


@pytest.fixture
def write(tmp_path):
    """Writes bytes to a file and returns its path."""

    def write(data, name="weights.pth"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write
