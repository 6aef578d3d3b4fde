"""Files of CTranslate2, well formed and not."""

import struct

import numpy as np
import pytest

from headstart.errors import MissingWeightsError, WrongWeightsError
from headstart_plugins.whisper._ctranslate import read_ctranslate_whisper
from headstart_plugins.whisper._ctranslate_file import read_ctranslate_file

TYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def name_of(text):
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def content_of(arrays, kind="WhisperSpec", aliases=(), version=6):
    parts = [struct.pack("<I", version), name_of(kind), struct.pack("<II", 3, len(arrays))]
    for name, array in arrays.items():
        raw = array.tobytes()
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        parts += [name_of(name), shape, struct.pack("<BI", TYPES[array.dtype.name], len(raw)), raw]
    parts.append(struct.pack("<I", len(aliases)))
    parts += [name_of(each) for pair in aliases for each in pair]
    return b"".join(parts)


ARRAYS = {
    "encoder/conv1/weight": np.arange(12, dtype=np.float16).reshape(2, 2, 3),
    "encoder/num_heads": np.array(2, np.int16),
    "decoder/embeddings/weight": np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2),
}


@pytest.fixture
def write(tmp_path):
    def written(content):
        file = tmp_path / "model.bin"
        file.write_bytes(content)
        return file

    return written


def test_arrays_of_each_type_come_back(write):
    found = read_ctranslate_file(
        write(content_of(ARRAYS, aliases=[("decoder/projection/weight", "decoder/embeddings/weight")]))
    )
    assert found.kind == "WhisperSpec"
    assert {*found.arrays} == {*ARRAYS, "decoder/projection/weight"}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_bfloat16_is_the_upper_half_of_float32(write):
    content = content_of({"encoder/layer_norm/beta": np.array([1.5, -2.0], np.float16)})
    upper = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    place = content.index(struct.pack("<BI", TYPES["float16"], 4))
    changed = content[:place] + struct.pack("<BI", 5, 4) + upper + content[place + 9 :]
    np.testing.assert_array_equal(read_ctranslate_file(write(changed)).arrays["encoder/layer_norm/beta"], [1.5, -2.0])


@pytest.mark.parametrize("cut", [0, 3, 9, 40, 60, -3])
def test_a_file_that_ends_early_is_refused(cut, write):
    with pytest.raises(WrongWeightsError, match=r"ends at byte|it has 0 bytes"):
        read_ctranslate_file(write(content_of(ARRAYS)[:cut]))


def _with(place, raw):
    content = bytearray(content_of(ARRAYS))
    start = content.index(b"encoder/conv1/weight\0") + 21 + place
    content[start : start + len(raw)] = raw
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (content_of(ARRAYS, version=5), "version 5, expected 6"),
        (content_of(ARRAYS) + b"more", "4 bytes follow"),
        (_with(0, b"\x63"), "99 axes"),
        (_with(1, struct.pack("<I", 2**32 - 1)), "has 24 bytes"),
        (_with(13, b"\x09"), "is of type 9"),
        (_with(14, struct.pack("<I", 2**32 - 1)), r"has 4294967295 bytes"),
        (content_of(ARRAYS, aliases=[("a", "nowhere")]), "nowhere, which is not there"),
        (struct.pack("<I", 6) + name_of("WhisperSpec") + struct.pack("<II", 3, 2**31), "claims 2,147,483,648 arrays"),
        (b"PK\x03\x04" * 99, "version 67324752"),
    ],
)
def test_odd_files_are_refused_by_what_is_odd(content, message, write):
    with pytest.raises(WrongWeightsError, match=message):
        read_ctranslate_file(write(content))


def test_an_absent_file_is_missing(tmp_path):
    with pytest.raises(MissingWeightsError, match=r"model\.bin"):
        read_ctranslate_file(tmp_path / "model.bin")


def test_projections_that_lie_in_one_array_are_parted(write):
    fused = np.arange(12, dtype=np.float16).reshape(6, 2)
    biases = np.array([1, 2, 0, 0, 5, 6], np.float16)
    place = "encoder/layer_0/self_attention/linear_0"
    found = read_ctranslate_whisper(write(content_of({f"{place}/weight": fused, f"{place}/bias": biases})))
    ours = "model.encoder.layers.0.self_attn"
    np.testing.assert_array_equal(found[f"{ours}.k_proj.weight"], fused[2:4])
    np.testing.assert_array_equal(found[f"{ours}.v_proj.bias"], [5, 6])
    assert f"{ours}.k_proj.bias" not in found


def test_biases_of_keys_are_refused(write):
    arrays = {"decoder/layer_0/attention/linear_1/bias": np.ones(4, np.float16)}
    with pytest.raises(WrongWeightsError, match="biases of keys"):
        read_ctranslate_whisper(write(content_of(arrays)))


@pytest.mark.parametrize(
    "name", ["encoder/conv9/weight", "encoder/layer_x/ffn/linear_0/bias", "encoder/layer_0/ffn/w/b"]
)
def test_arrays_of_other_models_are_refused_by_name(name, write):
    with pytest.raises(WrongWeightsError, match=name.split("/")[1]):
        read_ctranslate_whisper(write(content_of({name: np.ones(4, np.float16)})))


def test_another_kind_of_model_is_refused(write):
    with pytest.raises(WrongWeightsError, match="holds a TransformerSpec"):
        read_ctranslate_whisper(write(content_of(ARRAYS, kind="TransformerSpec")))
