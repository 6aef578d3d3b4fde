"""Small models of Whisper's family with random weights, as folders that transformers saves; and what they are given."""

import json

import numpy as np

CONFIGS = {
    "english": {"bands": 80, "width": 16, "heads": 2, "encoder": 2, "decoder": 2, "hidden": 40, "positions": 100},
    "large": {"bands": 128, "width": 24, "heads": 4, "encoder": 3, "decoder": 1, "hidden": 32, "positions": 50},
}
VOCABULARY, TARGETS = 70, 24
LANGUAGE, TASK, START, END, NO_TIMES = 48, 49, 50, 51, 52
"""Tokens; those behind NO_TIMES stand for times, of which a pair makes transformers begin anew."""
SUPPRESSED, FIRST_SUPPRESSED = (1, 2, LANGUAGE, TASK, START, *range(NO_TIMES, VOCABULARY)), (3, 51)
KINDS = {"english": (NO_TIMES,), "large": (LANGUAGE, TASK, NO_TIMES)}
"""What follows the start, by kind: the English ones know one language and one task."""


def config_of(kind):
    size = CONFIGS[kind]
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "is_encoder_decoder": True,
        "vocab_size": VOCABULARY,
        "num_mel_bins": size["bands"],
        "d_model": size["width"],
        "encoder_layers": size["encoder"],
        "decoder_layers": size["decoder"],
        "encoder_attention_heads": size["heads"],
        "decoder_attention_heads": size["heads"],
        "encoder_ffn_dim": size["hidden"],
        "decoder_ffn_dim": size["hidden"],
        "max_source_positions": size["positions"],
        "max_target_positions": TARGETS,
        "activation_function": "gelu",
        "scale_embedding": False,
        "decoder_start_token_id": START,
        "bos_token_id": END,
        "eos_token_id": END,
        "pad_token_id": END,
    }


def generation_of(kind):
    found = {
        "decoder_start_token_id": START,
        "bos_token_id": END,
        "eos_token_id": END,
        "pad_token_id": END,
        "no_timestamps_token_id": NO_TIMES,
        "suppress_tokens": [*SUPPRESSED],
        "begin_suppress_tokens": [*FIRST_SUPPRESSED],
        "max_length": TARGETS,
        "is_multilingual": kind != "english",
        "return_timestamps": False,
    }
    if kind != "english":
        found |= {"lang_to_id": {"<|en|>": LANGUAGE}, "task_to_id": {"transcribe": TASK}}
    return found


def arrays_of(kind):
    """Every array of the model by its name in the file, drawn so that attention is neither even nor of one position."""
    size = CONFIGS[kind]
    width, hidden = size["width"], size["hidden"]
    shapes = {"model.encoder.conv1.weight": (width, size["bands"], 3), "model.encoder.conv1.bias": (width,)}
    shapes |= {"model.encoder.conv2.weight": (width, width, 3), "model.encoder.conv2.bias": (width,)}
    shapes |= {"model.encoder.embed_positions.weight": (size["positions"], width)}
    shapes |= {"model.decoder.embed_positions.weight": (TARGETS, width)}
    shapes |= {"model.decoder.embed_tokens.weight": (VOCABULARY, width)}
    for side in ("encoder", "decoder"):
        for number in range(size[side]):
            place = f"model.{side}.layers.{number}"
            for module in ("self_attn", *(["encoder_attn"] if side == "decoder" else [])):
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    shapes[f"{place}.{module}.{part}.weight"] = (width, width)
                    if part != "k_proj":
                        shapes[f"{place}.{module}.{part}.bias"] = (width,)
                shapes |= {f"{place}.{module}_layer_norm.{role}": (width,) for role in ("weight", "bias")}
            shapes |= {f"{place}.fc1.weight": (hidden, width), f"{place}.fc1.bias": (hidden,)}
            shapes |= {f"{place}.fc2.weight": (width, hidden), f"{place}.fc2.bias": (width,)}
            shapes |= {f"{place}.final_layer_norm.{role}": (width,) for role in ("weight", "bias")}
        shapes |= {f"model.{side}.layer_norm.{role}": (width,) for role in ("weight", "bias")}
    random = np.random.default_rng(sum(map(ord, kind)))
    return {name: _drawn(random, name, shape) for name, shape in shapes.items()}


def _drawn(random, name, shape):
    numbers = random.standard_normal(shape)
    if "norm.weight" in name:
        numbers = 1 + 0.1 * numbers
    elif len(shape) == 1:
        numbers *= 0.1
    elif "embed" not in name:
        numbers *= 1.5 / np.sqrt(np.prod(shape[1:]))
    return numbers.astype(np.float32)


def write_folder(folder, kind, arrays=None):
    """The folder, with its weights in safetensors."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True)
    size = CONFIGS[kind]
    extractor = {"feature_size": size["bands"], "sampling_rate": 16_000, "hop_length": 160, "n_fft": 400}
    for name, content in (
        ("config.json", config_of(kind)),
        ("generation_config.json", generation_of(kind)),
        ("preprocessor_config.json", {**extractor, "feature_extractor_type": "WhisperFeatureExtractor"}),
    ):
        (folder / name).write_text(json.dumps(content), "utf-8")
    save_file(arrays or arrays_of(kind), str(folder / "model.safetensors"))
    return folder


def mels_of(kind):
    """Spectrograms (2, band, frame) float32 of no sound in particular, as long as the model's windows."""
    size = CONFIGS[kind]
    random = np.random.default_rng(7)
    return random.standard_normal((2, size["bands"], 2 * size["positions"])).astype(np.float32) * 0.4


def tokens_of(kind):
    """What a decoder is fed, (2, 9) int64: the start and what follows it, then any."""
    random = np.random.default_rng(8)
    tokens = random.integers(4, 47, (2, 9))
    begin = (START, *KINDS[kind])
    tokens[:, : len(begin)] = begin
    return tokens


def logits_of(seed):
    """Logits (16, token) float32 of no model, as a decoder of this vocabulary gives them step by step."""
    return 2 * np.random.default_rng(seed).standard_normal((16, VOCABULARY)).astype(np.float32)
