"""A tokenizer from the files of its weights, by the `tokenizers` library, as it was meant: what `tokenizer.json` pads
and cuts to is that of somebody's last call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from headstart.errors import UsageError
from headstart_plugins.text._changes import Vocabulary

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

WHOLE, WORDS, PIECES, MERGES = "tokenizer.json", "vocab.txt", "vocab.json", "merges.txt"
SPECIAL: Mapping[str, tuple[str, ...]] = {
    "roberta": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    "gpt2": ("<|endoftext|>",),
}
"""What vocab.json and merges.txt do not tell: tokens that no text is split into, by family."""
MASKS, UNKNOWNS, ENDS = ("[MASK]", "<mask>"), ("[UNK]", "<unk>"), ("<|endoftext|>", "</s>", "[SEP]")
CONTINUES = "##"
"""Stands before the pieces of a word that follow its first."""
SPACES = ("Ġ", "▁")
"""Stands before the first piece of a word, of byte-level and of sentencepiece's vocabularies."""


def open_tokenizer(files: Mapping[str, Path], preprocess: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer in `files` (by name: tokenizer.json, or vocab.json and merges.txt, or vocab.txt), neither padding
    nor cutting.

    Raises UsageError where the library is not installed, where a file cannot be read, or where the tokenizer knows
    more tokens than the weights have (`preprocess["vocabulary"]`): it is that of others.
    """
    try:
        import tokenizers  # noqa: F401
    except ImportError as exc:
        raise UsageError(
            "texts need the package tokenizers, which is not installed", hint="pip install 'headstart[text]'"
        ) from exc
    try:
        opened = _opened(files, preprocess)
    except UsageError:
        raise
    except Exception as exc:  # the library raises bare ones
        names = ", ".join(str(path) for path in files.values())
        raise UsageError(f"no tokenizer can be read of {names}: {exc}", hint="get another copy of the folder") from exc
    last, most = max(opened.get_vocab().values(), default=0), preprocess.get("vocabulary")
    if isinstance(most, int) and last >= most:
        raise UsageError(
            f"the tokenizer numbers its tokens up to {last} and the weights know {most}, from 0 on: it is that of "
            "other weights",
            hint="bring the tokenizer that the weights were trained with",
        )
    opened.no_padding()
    opened.no_truncation()
    return opened


def _opened(files: Mapping[str, Path], preprocess: Mapping[str, Any]) -> Tokenizer:
    from tokenizers import Tokenizer

    if WHOLE in files:
        whole: Tokenizer = Tokenizer.from_file(str(files[WHOLE]))
        return whole
    if WORDS in files:
        from tokenizers import BertWordPieceTokenizer

        words = BertWordPieceTokenizer(str(files[WORDS]), lowercase=bool(preprocess.get("lowercase", True)))
        return cast("Tokenizer", words._tokenizer)
    if not {PIECES, MERGES} <= files.keys():
        raise UsageError(
            f"the weights come with {', '.join(files) or 'no file'} of a tokenizer",
            hint=f"expected {WHOLE}, {PIECES} and {MERGES}, or {WORDS}; of a network by name, `headstart weights get` "
            "fetches it, for --weights none too",
        )
    from tokenizers import AddedToken, ByteLevelBPETokenizer
    from tokenizers.processors import RobertaProcessing

    opened: Tokenizer = ByteLevelBPETokenizer(str(files[PIECES]), str(files[MERGES]))._tokenizer
    family = str(preprocess.get("family"))
    ids = json.loads(files[PIECES].read_text("utf-8"))
    special = [name for name in SPECIAL.get(family, ()) if name in ids]  # others would be new tokens
    opened.add_special_tokens([AddedToken(name, lstrip=name in MASKS, normalized=False) for name in special])
    if family == "roberta":
        opened.post_processor = RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]), add_prefix_space=False)
    return opened


def prefix_of(preprocess: Mapping[str, Any]) -> str:
    """What the weights want before each text, such as "query: "; often nothing."""
    return str(preprocess.get("prefix") or "")


def encoded(tokenizer: Tokenizer, first: str, second: str | None, length: int) -> Encoding:
    """The tokens of one or two texts, which the tokenizer cuts to `length`; `overflowing` is not empty where it did."""
    if second is None:
        return tokenizer.encode(first)
    return tokenizer.encode(_begun(tokenizer, first, length), _begun(tokenizer, second, length))


def _begun(tokenizer: Tokenizer, text: str, length: int) -> str:
    """So much of a text as gives more tokens than it is cut to, the same ones; of a pair the library makes every
    combination of what is left over."""
    if len(text) <= 2 * length:
        return text
    whole = tokenizer.encode(text, add_special_tokens=False)
    if len(whole.overflowing) < 2:
        return text
    begun = text[: whole.overflowing[0].offsets[-1][1]]
    again = tokenizer.encode(begun, add_special_tokens=False)
    return begun if again.ids == whole.ids and again.overflowing else text


def vocabulary_of(tokenizer: Tokenizer, preprocess: Mapping[str, Any]) -> Vocabulary:
    """What is known of the tokens that the weights take, which can be more than the tokenizer's; where no piece says
    whether it begins a word, each does."""
    tokens: dict[str, int] = tokenizer.get_vocab()
    size = max(int(preprocess.get("vocabulary", 0)), max(tokens.values(), default=0) + 1)
    special, begins = np.zeros(size, bool), np.ones(size, bool)
    unknown = _first(tokens, UNKNOWNS)
    for place, added in tokenizer.get_added_tokens_decoder().items():
        special[place] = added.special and place != unknown  # an unknown word is one of the text
    continues = any(name.startswith(CONTINUES) and len(name) > len(CONTINUES) for name in tokens)
    spaces = tuple(mark for mark in SPACES if any(name.startswith(mark) for name in tokens))
    for name, place in tokens.items():
        if continues or spaces:
            begins[place] = not name.startswith(CONTINUES) if continues else name.startswith(spaces)
    before = tokenizer.encode(prefix_of(preprocess).rstrip(), add_special_tokens=False).ids
    end = _first(tokens, ENDS)
    return Vocabulary(special, begins, np.array(before, np.int32), _first(tokens, MASKS), unknown, end or 0)


def _first(tokens: Mapping[str, int], names: tuple[str, ...]) -> int | None:
    return next((tokens[name] for name in names if name in tokens), None)
