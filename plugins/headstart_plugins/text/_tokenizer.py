"""A tokenizer from the files of its weights, by the `tokenizers` library, as it was meant: what `tokenizer.json` pads
and cuts to is that of somebody's last call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from headstart.errors import UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WHOLE, WORDS, PIECES, MERGES = "tokenizer.json", "vocab.txt", "vocab.json", "merges.txt"


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
    known, most = opened.get_vocab_size(with_added_tokens=True), preprocess.get("vocabulary")
    if isinstance(most, int) and max(opened.get_vocab().values(), default=0) >= most:
        raise UsageError(
            f"the tokenizer knows {known} tokens and the weights {most}: it is that of other weights",
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
            hint=f"expected {WHOLE}, {PIECES} and {MERGES}, or {WORDS}",
        )
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import RobertaProcessing

    opened: Tokenizer = ByteLevelBPETokenizer(str(files[PIECES]), str(files[MERGES]))._tokenizer
    if preprocess.get("family") == "roberta":
        ids = json.loads(files[PIECES].read_text("utf-8"))
        opened.post_processor = RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]), add_prefix_space=False)
        opened.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return opened
