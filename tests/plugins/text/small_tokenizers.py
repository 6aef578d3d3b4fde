"""Tokenizers of each sort, written as small files: as models' folders have them, with what must be ignored in them."""

import json

WORDS = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "was", "good", "not", "bad", "play", "##ing", "##s"),
    *("query", ":", "!", ".", "a", "b", "c", "d", "e", "é", "##é", "这", "部", "م", "##ر"),
)


def wordpiece(folder):
    """tokenizer.json of WordPiece, in which somebody's last call left padding to 12 and cutting to 6."""
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer({word: place for place, word in enumerate(WORDS)})
    tokenizer.enable_padding(length=12)
    tokenizer.enable_truncation(6)
    tokenizer.save(str(folder / "tokenizer.json"))
    return {"tokenizer.json": folder / "tokenizer.json"}


def vocabulary(folder):
    """vocab.txt alone."""
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    return {"vocab.txt": folder / "vocab.txt"}


def byte_pairs(folder, special):
    """vocab.json and merges.txt, with `special` tokens before or behind."""
    from tokenizers.pre_tokenizers import ByteLevel

    merges = [("h", "e"), ("Ġ", "t"), ("Ġt", "he"), ("Ġ", "f"), ("f", "i"), ("l", "m")]
    tokens = [*special, *sorted(ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    (folder / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(tokens)}), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), "utf-8")
    return {name: folder / name for name in ("vocab.json", "merges.txt")}


def gpt2(folder):
    return byte_pairs(folder, ["<|endoftext|>"])


def roberta(folder):
    return byte_pairs(folder, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])


def unigram(folder):
    """tokenizer.json of a unigram model as sentencepiece's are: as XLM-R has it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    scores = {"<s>": 0.0, "<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0, "▁": -3.0, "▁the": -4.0, "▁film": -5.0}
    scores |= {"▁was": -5.0, "▁good": -6.0, "▁bad": -6.0, "s": -4.0, "▁query": -6.0, ":": -4.0, "<mask>": 0.0}
    scores |= {letter: -8.0 for letter in "abcdefghilmoqtwภาพยนตร์ดี"}
    tokenizer = Tokenizer(models.Unigram(list(scores.items()), unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    places = {name: place for place, name in enumerate(scores)}
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(name, places[name]) for name in ("<s>", "</s>")],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return {"tokenizer.json": folder / "tokenizer.json"}


SORTS = {"wordpiece": wordpiece, "vocabulary": vocabulary, "gpt2": gpt2, "roberta": roberta, "unigram": unigram}


def preprocessing(sort, length=32, **others):
    family = {"wordpiece": "bert", "vocabulary": "bert", "unigram": "xlm-roberta"}.get(sort, sort)
    return {"family": family, "length": length, "lowercase": True, "prefix": "", "vocabulary": 400, **others}
