"""Small random sequence to sequence models as Hugging Face's transformers saves them, written by numpy alone: what the
reference and ours both read."""

import json
import zlib

import numpy as np

VOCABULARY, TARGETS, WIDTH, HEADS, HIDDEN = 90, 70, 16, 2, 24
END, START = 0, 69
TIME, LENGTHS = 12, (12, 7, 3, 1)
"""Tokens of a padded batch, and those of its rows that are real."""
MOST = 20
"""Tokens of an answer."""

MARIAN = {
    "vocab_size": VOCABULARY,
    "d_model": WIDTH,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": HIDDEN,
    "decoder_ffn_dim": 20,
    "max_position_embeddings": 32,
    "activation_function": "swish",
    "scale_embedding": True,
    "pad_token_id": START,
    "decoder_start_token_id": START,
    "eos_token_id": END,
    "forced_eos_token_id": None,
}
T5 = {
    "vocab_size": VOCABULARY,
    "d_model": WIDTH,
    "d_kv": 6,
    "d_ff": HIDDEN,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": HEADS,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 10,
    "pad_token_id": START,
    "decoder_start_token_id": START,
    "eos_token_id": END,
}
CONFIGS = {
    "marian": ("marian", MARIAN),
    "marian_two_vocabularies": (
        "marian",
        {
            **MARIAN,
            "decoder_vocab_size": TARGETS,
            "share_encoder_decoder_embeddings": False,
            "activation_function": "relu",
            "scale_embedding": False,
        },
    ),
    "t5": ("t5", T5),
    "t5_v1_1": ("t5", {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "t5_v1_1_without_head": ("t5", {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "mt5": ("mt5", {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
}
"""model_type and config.json of each; what is not in it has the default of its type."""
ENDS = {"marian": 0.8, "marian_two_vocabularies": 1.4, "t5": 3.2, "t5_v1_1": 5.0, "mt5": 4.0}
ENDS |= {"t5_v1_1_without_head": 1.2}
"""How likely the end is made, so that answers have several lengths."""


def _marian(config, name):
    shapes = {"final_logits_bias": (1, config.get("decoder_vocab_size", VOCABULARY))}
    if config.get("share_encoder_decoder_embeddings", True):
        shapes["model.shared.weight"] = (VOCABULARY, WIDTH)
    else:
        shapes["model.encoder.embed_tokens.weight"] = (VOCABULARY, WIDTH)
        shapes["model.decoder.embed_tokens.weight"] = (TARGETS, WIDTH)

    def dense(name, outs, ins):
        shapes.update({f"{name}.weight": (outs, ins), f"{name}.bias": (outs,)})

    for side, attentions in (("encoder", ("self_attn",)), ("decoder", ("self_attn", "encoder_attn"))):
        hidden = config[f"{side}_ffn_dim"]
        for number in range(config[f"{side}_layers"]):
            stem = f"model.{side}.layers.{number}"
            for attention in attentions:
                for part in ("q", "k", "v", "out"):
                    dense(f"{stem}.{attention}.{part}_proj", WIDTH, WIDTH)
            dense(f"{stem}.fc1", hidden, WIDTH)
            dense(f"{stem}.fc2", WIDTH, hidden)
            for norm in (*(f"{each}_layer_norm" for each in attentions), "final_layer_norm"):
                shapes.update({f"{stem}.{norm}.{role}": (WIDTH,) for role in ("weight", "bias")})
    return shapes


def _t5(config, name):
    inner, gated = HEADS * config["d_kv"], config.get("feed_forward_proj", "relu").startswith("gated")
    shapes = {"shared.weight": (VOCABULARY, WIDTH)}
    if name in ("t5_v1_1", "mt5"):
        shapes["lm_head.weight"] = (VOCABULARY, WIDTH)
    for side, attentions in (("encoder", ("SelfAttention",)), ("decoder", ("SelfAttention", "EncDecAttention"))):
        for number in range(config["num_layers" if side == "encoder" else "num_decoder_layers"]):
            stem = f"{side}.block.{number}.layer"
            for place, attention in enumerate(attentions):
                shapes |= {f"{stem}.{place}.{attention}.{part}.weight": (inner, WIDTH) for part in "qkv"}
                shapes[f"{stem}.{place}.{attention}.o.weight"] = (WIDTH, inner)
            last = len(attentions)
            for name in ("wi_0", "wi_1") if gated else ("wi",):
                shapes[f"{stem}.{last}.DenseReluDense.{name}.weight"] = (HIDDEN, WIDTH)
            shapes[f"{stem}.{last}.DenseReluDense.wo.weight"] = (WIDTH, HIDDEN)
            shapes |= {f"{stem}.{place}.layer_norm.weight": (WIDTH,) for place in range(last + 1)}
        shapes[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (8, HEADS)
        shapes[f"{side}.final_layer_norm.weight"] = (WIDTH,)
    return shapes


def arrays_of(name):
    """Every array by its name in the file, float32, from a seed: norms near 1, all else small enough to stay alive and
    large enough that answers end at several lengths."""
    kind, config = CONFIGS[name]
    arrays = {}
    for array, shape in (_marian if kind == "marian" else _t5)(config, name).items():
        generator = np.random.default_rng(zlib.crc32(f"{name} {array}".encode()))
        is_scale = len(shape) == 1 and array.endswith("weight")
        deviation = 1.0 if "relative" in array or array == "shared.weight" else 0.35
        arrays[array] = (generator.normal(0, deviation, shape) + is_scale).astype(np.float32)
    if kind == "marian":
        arrays["final_logits_bias"][0, END] += ENDS[name]
    else:
        arrays["lm_head.weight" if "lm_head.weight" in arrays else "shared.weight"][END] *= ENDS[name]
    return arrays


def write_folder(folder, name, **changes):
    """config.json and model.safetensors, without vocabularies."""
    from safetensors.numpy import save_file

    kind, config = CONFIGS[name]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind, **config, **changes}))
    save_file(arrays_of(name), folder / "model.safetensors", {"format": "pt"})
    return folder


def sources_of():
    """ids (row, time) int32, the end last and 0 behind it, and mask (row, time) bool."""
    ids = np.random.default_rng(7).integers(2, START, (len(LENGTHS), TIME)).astype(np.int32)
    mask = np.arange(TIME) < np.array(LENGTHS)[:, None]
    ids[np.arange(len(LENGTHS)), np.array(LENGTHS) - 1] = END
    return np.where(mask, ids, 0).astype(np.int32), mask


def previous():
    """(row, most) int32: the start, and tokens of nobody's."""
    ids = np.random.default_rng(9).integers(2, START, (len(LENGTHS), MOST)).astype(np.int32)
    ids[:, 0] = START
    return ids


SEARCHES = {
    "greedy": {},
    "beams": {"num_beams": 4},
    "longer": {"num_beams": 3, "length_penalty": 2.0},
    "shorter": {"num_beams": 4, "length_penalty": 0.3},
    "sums": {"num_beams": 4, "length_penalty": 0.0, "early_stopping": True},
    "certain": {"num_beams": 3, "early_stopping": "never", "min_new_tokens": 4},
    "several": {"num_beams": 5, "num_return_sequences": 3},
}
"""How transformers is asked."""
