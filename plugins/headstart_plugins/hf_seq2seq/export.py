"""A finished translator as a folder that transformers and CTranslate2 read as a MarianMT.

    python -m headstart_plugins.hf_seq2seq.export runs/mine mine-hf
    ct2-transformers-converter --model mine-hf --output_dir mine-ct2

It takes runs whose encoder and decoder have Marian's shape: those of `seq2seq/small` with widths that agree, and
folders of MarianMT that were trained on. Sources and targets get one table of pieces, since CTranslate2 knows no other:
what only the other side has is never met, or never answered. Both begin an answer with zeros, so that what the start is
told by is moved into the first position; transformers leaves positions out where it saves a model, so that the folder
is not to be saved again. Padding has no share of what is likely, so that scores differ by what the run gave it: in a
trained one nearly nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from headstart_plugins._pieces import NumberedPieces, Pieces

NEVER = -1e4
"""The bias of what is never answered."""
MOST = 512
ACTIVATIONS = {"silu": "swish", "gelu_tanh": "gelu_new"}


def export(run: str | Path, folder: str | Path) -> None:
    """Write `folder` from a run, or its artefact. Raises UsageError for a network of another shape, or a folder that is
    there."""
    from headstart.artefact import Artefact
    from headstart.atomic import write_directory
    from headstart.weights.files import write_safetensors

    path = Path(run)
    artefact = Artefact.load(path / "artefact" if (path / "artefact").is_dir() else path)
    sides = _shapes(artefact)
    files = {**artefact.blueprint.task_assets, **artefact.blueprint.input_assets}
    source = _opened(artefact.blueprint.input_assets, "source.spm", ("vocab.json",))
    target = _opened(artefact.blueprint.task_assets, "target.spm", ("target_vocab.json", "vocab.json"))
    numbers = _joined(source.pieces, target.pieces)
    arrays = _arrays(artefact, sides, (source.pieces, target.pieces), numbers)
    config = _config(sides, numbers)
    search = artefact.blueprint.labels["tokens"]
    generation = {
        "num_beams": int(getattr(artefact.blueprint.task_options, "beams", 1)),
        "length_penalty": float(getattr(artefact.blueprint.task_options, "length_penalty", 1.0)),
        "max_new_tokens": int(search["most"]),
        "bad_words_ids": [[numbers["<pad>"]], [numbers["<unk>"]]],
        **{name: config[name] for name in ("decoder_start_token_id", "eos_token_id", "pad_token_id")},
    }
    tokenizer = {"tokenizer_class": "MarianTokenizer", "separate_vocabs": False, "model_max_length": MOST}
    tokenizer |= {"source_lang": "source", "target_lang": "target"}
    documents = {"config.json": config, "generation_config.json": generation, "vocab.json": numbers}
    documents["tokenizer_config.json"] = tokenizer

    def fill(place: Path) -> None:
        write_safetensors(place / "model.safetensors", arrays)
        for name, document in documents.items():
            (place / name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
        for name in ("source.spm", "target.spm"):
            (place / name).write_bytes(files[name].read_bytes())

    write_directory(Path(folder), fill)


def _shapes(artefact: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Encoder and decoder as plain values. Raises UsageError where they are no MarianMT together."""
    blueprint = artefact.blueprint
    hint = "runs of --task translation on --backbone seq2seq/small, or on the folder of a MarianMT, can be exported"
    if blueprint.task is None or "decoder" not in blueprint.labels:
        raise UsageError(f"{artefact.path} holds no translator", hint=hint)
    decoder = dict(blueprint.labels["decoder"])
    encoder = asdict(blueprint.backbone_options)
    usual = {"activation": "relu", "positions": "sines", "embedding_scale": float(encoder.get("width", 0)) ** 0.5}
    encoder = {**usual, "pre_norm": False, "gated": False, "norm": "layer", **encoder}
    for name in ("width", "activation", "positions", "pre_norm", "gated", "norm", "embedding_scale"):
        if encoder.get(name) != decoder.get(name):
            raise UsageError(
                f"{artefact.path}: {name} of the encoder is {encoder.get(name)}, that of the decoder "
                f"{decoder.get(name)}; a MarianMT has one for both",
                hint=hint,
            )
    scales = (1.0, float(decoder["width"]) ** 0.5)
    if decoder["positions"] != "sines" or decoder["pre_norm"] or decoder["embedding_scale"] not in scales:
        raise UsageError(f"{artefact.path}: encoder and decoder have another shape than a MarianMT", hint=hint)
    return encoder, decoder


def _opened(assets: Mapping[str, Path], model: str, numbers: Sequence[str]) -> Pieces | NumberedPieces:
    from headstart_plugins._pieces import NumberedPieces, Pieces

    if model not in assets:
        raise UsageError(f"the run has no {model}", hint="runs of seq2seq/small and of MarianMT have one")
    table = next((assets[name] for name in numbers if name in assets), None)
    pieces = Pieces(assets[model])
    return pieces if table is None else NumberedPieces(pieces, table)


def _joined(source: Sequence[str], target: Sequence[str]) -> dict[str, int]:
    """Ids of the pieces of both, padding last, as CTranslate2 wants it."""
    pieces = dict.fromkeys(["</s>", "<unk>", *source, *target])
    pieces.pop("<pad>", None)
    pieces.pop("", None)
    return {piece: place for place, piece in enumerate([*pieces, "<pad>"])}


def _arrays(
    artefact: Any, sides: Sequence[Mapping[str, Any]], pieces: Sequence[Sequence[str]], numbers: Mapping[str, int]
) -> dict[str, np.ndarray]:
    network, found = artefact.network, {}  # chooses the backend, before Keras is imported
    import keras
    import numpy as np

    from headstart.engine.network.stages import name_variables
    from headstart_plugins.hf_seq2seq._load import DECODER_POSITIONS, MARIAN, positions_of, sources

    for part, stages in (("encoder", network.backbone), ("decoder", network.stages[-1:])):
        variables = name_variables(stages)
        for ours, theirs in sources(stages, MARIAN[part], ()):
            array = np.asarray(keras.ops.convert_to_numpy(variables[ours]), np.float32)
            found[theirs] = array.T if ours.endswith("/kernel") else array
    decoder = sides[1]
    tables = {"model.encoder.embed_tokens.weight": pieces[0], "model.decoder.embed_tokens.weight": pieces[1]}
    if not decoder["tied"]:
        tables["lm_head.weight"] = pieces[1]
    start = found["model.decoder.embed_tokens.weight"][artefact.blueprint.labels["tokens"]["start"]]
    positions = positions_of(MOST, decoder["width"])
    positions[0] += start * decoder["embedding_scale"]
    found[DECODER_POSITIONS] = positions
    for name, own in tables.items():
        found[name] = _renumbered(found[name], own, numbers, 0.0)
        found[name][numbers["<pad>"]] = 0.0
    bias = found.get("final_logits_bias", np.zeros(len(pieces[1]), np.float32))
    bias = _renumbered(bias, pieces[1], numbers, NEVER)
    bias[numbers["<pad>"]] = NEVER
    found["final_logits_bias"] = bias[None]
    return found


def _renumbered(rows: np.ndarray, pieces: Sequence[str], numbers: Mapping[str, int], empty: float) -> np.ndarray:
    """Rows (piece, ...) under other ids; those of no piece are `empty`."""
    import numpy as np

    found = np.full((len(numbers), *rows.shape[1:]), empty, np.float32)
    for place, piece in enumerate(pieces):
        if piece in numbers:
            found[numbers[piece]] = rows[place]
    return found


def _config(sides: Sequence[Mapping[str, Any]], numbers: Mapping[str, int]) -> dict[str, Any]:
    encoder, decoder = sides
    activation = decoder["activation"]
    return {
        "model_type": "marian",
        "architectures": ["MarianMTModel"],
        "vocab_size": len(numbers),
        "decoder_vocab_size": len(numbers),
        "share_encoder_decoder_embeddings": False,
        "tie_word_embeddings": bool(decoder["tied"]),
        "d_model": decoder["width"],
        **{f"encoder_{name}": encoder[key] for name, key in CONFIG_NAMES},
        **{f"decoder_{name}": decoder[key] for name, key in CONFIG_NAMES},
        "activation_function": ACTIVATIONS.get(activation, activation),
        "scale_embedding": decoder["embedding_scale"] != 1.0,
        "max_position_embeddings": MOST,
        "static_position_embeddings": True,
        "dropout": float(encoder.get("dropout", 0.1)),
        "decoder_start_token_id": numbers["<pad>"],
        "pad_token_id": numbers["<pad>"],
        "eos_token_id": numbers["</s>"],
        "forced_eos_token_id": None,
    }


CONFIG_NAMES = (("layers", "layers"), ("attention_heads", "heads"), ("ffn_dim", "hidden"))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a finished run, or its artefact")
    parser.add_argument("folder", type=Path, help="the folder that is written")
    given = parser.parse_args()
    try:
        export(given.run, given.folder)
    except HeadstartError as exc:
        parser.exit(exc.exit_code, f"error: {exc.message}\n" + (f"hint: {exc.hint}\n" if exc.hint else ""))


if __name__ == "__main__":
    main()
