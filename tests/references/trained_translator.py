"""What MarianMT of `transformers` answers with trained weights, in which equal scores do not hide what random ones do.

    python tests/references/trained_translator.py --train    # trains a translator by headstart, and keeps its weights
    pip install torch transformers==5.24.0
    python tests/references/trained_translator.py [--write]

The first command writes tests/plugins/hf_seq2seq/trained.npz: the weights, in float16, of a translator of one layer of
32 that was trained on sentences of a language of our own, its config.json, and the tokens of sentences it has not seen.
The second compares what is recorded there with what transformers computes and answers, or writes it.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from recorded import conclude_arrays

FILE = Path(__file__).parents[1] / "plugins" / "hf_seq2seq" / "trained.npz"
WORDS = {
    "noun": (
        "farmer:halan",
        "river:misto",
        "dog:pek",
        "lamp:ordu",
        "child:sivi",
        "boat:tarem",
        "house:lodan",
        "tree:ek",
    ),
    "verb": ("sees:vora", "likes:sun", "finds:kelti", "follows:hapra", "paints:dusi", "hears:mel"),
    "kind": ("old:bren", "small:ti", "green:opal", "quiet:shem", "broken:gur", "tall:ilo"),
    "when": ("today:nar", "again:vos", "slowly:pimel", "at night:dro", "with care:hestu"),
}
SHAPE = {"layers": 1, "width": 32, "heads": 2, "hidden": 64}
PAIRS, HELD, MOST, POSITIONS = 3000, 24, 48, 64
SEARCHES = {"greedy": {}, "four beams": {"num_beams": 4, "early_stopping": True}}


def sentence(random):
    """English, and the same with the verb behind its nouns, each noun before what it is like."""

    def drawn(sort):
        return WORDS[sort][random.integers(len(WORDS[sort]))].split(":")

    def phrase():
        noun, kinds = drawn("noun"), [drawn("kind") for _ in range(random.integers(0, 3))]
        return " ".join(["the", *(kind for kind, _ in kinds), noun[0]]), " ".join([noun[1], *(k for _, k in kinds)])

    (who, ours), (what, theirs), verb = phrase(), phrase(), drawn("verb")
    when = drawn("when") if random.random() < 0.6 else ("", "")
    english = f"{who} {verb[0]} {what} {when[0]}".strip()
    return f"{english}.", " ".join(f"{when[1]} {theirs} na {ours} {verb[1]}".split()) + "."


def train():
    """Train, export as a MarianMT, and keep arrays, config and the tokens of held sentences."""
    os.environ["KERAS_BACKEND"] = "torch"
    from safetensors.numpy import load_file

    from headstart_plugins.hf_seq2seq.export import export

    random = np.random.default_rng(0)
    pairs = list(dict.fromkeys(sentence(random) for _ in range(PAIRS)))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with (place / "pairs.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("source", "target"), *pairs[HELD:]])
        sizes = [f"{part}.{key}={value}" for part in ("backbone", "task") for key, value in SHAPE.items()]
        settings = (*sizes, "input.vocabulary=90", "task.vocabulary=90", f"task.most={MOST}")
        command = [Path(sys.executable).with_name("headstart"), "pretrain", place / "pairs.csv"]
        command += ["--task", "translation", "--backbone", "seq2seq/small", "--weights", "none", "--backend", "torch"]
        command += ["--epochs", "12", "--learning-rate", "3e-3", "--reporter", "json", "--out", place / "run"]
        command += [part for each in settings for part in ("--set", each)]
        subprocess.run(list(map(str, command)), check=True)
        print(json.loads((place / "run" / "result.json").read_text())["metrics"]["test"])
        export(place / "run", place / "folder")
        import sentencepiece

        pieces = sentencepiece.SentencePieceProcessor(model_file=str(place / "folder" / "source.spm"))
        numbers = json.loads((place / "folder" / "vocab.json").read_text())
        config = json.loads((place / "folder" / "config.json").read_text())
        rows = [
            [*(numbers[piece] for piece in pieces.encode(english, out_type=str)), numbers["</s>"]]
            for english, _ in pairs[:HELD]
        ]
        ids = np.full((HELD, max(map(len, rows))), numbers["<pad>"], np.int32)
        for row, each in enumerate(rows):
            ids[row, : len(each)] = each
        config["max_position_embeddings"] = POSITIONS
        arrays = {
            f"weights/{key}": array[:POSITIONS] if "embed_positions" in key else array.astype(np.float16)
            for key, array in load_file(place / "folder" / "model.safetensors").items()
        }
    np.savez_compressed(FILE, **arrays, config=np.array(json.dumps(config)), ids=ids)


def write_folder(folder, stored):
    """config.json and model.safetensors of what is kept, as transformers reads them."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(str(stored["config"]))
    arrays = {key.removeprefix("weights/"): stored[key] for key in stored if key.startswith("weights/")}
    save_file(arrays, folder / "model.safetensors", {"format": "pt"})
    return folder


def computed(stored):
    """Logits along the greedy answers, and answers with their scores."""
    import torch
    import transformers

    config = json.loads(str(stored["config"]))
    with tempfile.TemporaryDirectory() as folder:
        model = transformers.AutoModelForSeq2SeqLM.from_pretrained(
            write_folder(Path(folder), stored), dtype=torch.float32, attn_implementation="eager"
        )
    ids = torch.from_numpy(stored["ids"].astype(np.int64))
    given = {"input_ids": ids, "attention_mask": (ids != config["pad_token_id"]).long()}
    found = {}
    with torch.no_grad():
        for key, search in SEARCHES.items():
            answer = model.generate(
                **given,
                max_new_tokens=MOST,
                bad_words_ids=[[config["pad_token_id"]]],
                return_dict_in_generate=True,
                output_scores=True,
                **search,
            )
            tokens = answer.sequences.numpy().astype(np.int32)
            filled = np.full((len(tokens), MOST + 1), config["pad_token_id"], np.int32)
            filled[:, : tokens.shape[1]] = tokens
            found[f"{key} tokens"] = filled[:, 1:]
            if search:
                found[f"{key} score"] = answer.sequences_scores.numpy()
        start = np.full((len(ids), 1), config["decoder_start_token_id"], np.int32)
        fed = np.concatenate([start, found["greedy tokens"][:, :-1]], axis=1)
        found["logits"] = model(**given, decoder_input_ids=torch.from_numpy(fed.astype(np.int64))).logits.numpy()
    return found


def main():
    if "--train" in sys.argv[1:]:
        train()
        return
    import torch
    import transformers

    stored = dict(np.load(FILE))
    kept = {key: stored[key] for key in stored if key.startswith("weights/") or key in ("config", "ids")}
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    found = computed(stored)
    conclude_arrays(FILE, {**kept, **found} if "--write" in sys.argv[1:] else found, versions)


if __name__ == "__main__":
    main()
