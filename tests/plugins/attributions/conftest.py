"""A folder of a small BERT with random weights and a tokenizer of whole words, as transformers would save it."""

import json

import numpy as np
import pytest

GOOD, BAD = ("fine", "lovely", "superb"), ("dull", "poor", "sad")
FILLERS = ("a", "what", "very", "one", "my", "our", "this", "that")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *FILLERS, "day", "<b>", "\u05d9\u05d5\u05dd")
WIDTH, HIDDEN, BLOCKS, POSITIONS = 16, 32, 1, 16


@pytest.fixture(scope="package")
def bert(tmp_path_factory):
    """The folder."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("bert")
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(WORDS[:5]))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "model_type": "bert",
        "vocab_size": len(WORDS),
        "hidden_size": WIDTH,
        "num_hidden_layers": BLOCKS,
        "num_attention_heads": 2,
        "intermediate_size": HIDDEN,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file(_weights(), folder / "model.safetensors")
    return folder


def _weights():
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
    }
    layers = {
        "attention.self.query": (WIDTH, WIDTH),
        "attention.self.key": (WIDTH, WIDTH),
        "attention.self.value": (WIDTH, WIDTH),
        "attention.output.dense": (WIDTH, WIDTH),
        "attention.output.LayerNorm": (WIDTH,),
        "intermediate.dense": (HIDDEN, WIDTH),
        "output.dense": (WIDTH, HIDDEN),
        "output.LayerNorm": (WIDTH,),
    }
    for block in range(BLOCKS):
        for name, shape in layers.items():
            shapes[f"encoder.layer.{block}.{name}.weight"] = shape
            shapes[f"encoder.layer.{block}.{name}.bias"] = shape[:1]
    generator = np.random.default_rng(1)
    return {
        name: ((1.0 if "LayerNorm.weight" in name else 0.0) + 0.3 * generator.normal(size=shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


def sentences():
    """Texts (48), and the word in each that says what it is of."""
    pairs = [(f"{filler} {word} day", word) for filler in FILLERS for word in (*GOOD, *BAD)]
    return [(f"{text} <b>" if number % 3 == 0 else text, word) for number, (text, word) in enumerate(pairs)]


@pytest.fixture(scope="package")
def fitted(bert, tmp_path_factory):
    """Fits a table of these texts with the targets that a function makes of each text's word; returns the run."""
    from headstart.runs.fitting import fit

    made = {}

    def fit_once(name, target, *sets, **settings):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            rows = [f"{text};{target(word)}" for text, word in sentences()]
            table = folder / "texts.csv"
            table.write_text("text;label\n" + "\n".join(rows) + "\n")
            made[name] = fit(
                table,
                out=str(folder / "run"),
                backbone=str(bert),
                reporters=("attributions",),
                sets=("dataset.delimiter=';'", "reporter.attributions.mistakes=3", *sets),
                **({"strategy": "probe"} | settings),
            )
        return made[name]

    return fit_once
