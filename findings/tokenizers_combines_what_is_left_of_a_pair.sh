#!/bin/sh
# tokenizers 0.23.3: encoding a pair of texts that are both cut makes an Encoding of every combination of what is left
# over of the one with what is left over of the other, whether anybody reads `overflowing` or not.
#
# The guess was that cutting a pair takes the time of tokenising both texts. Seen: with 32 tokens, two texts of 4,000
# words each take 0.01 s apart and 3 s as a pair, with some 76,000 Encodings. Fails where the pair takes less than ten times as long.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet 'tokenizers==0.23.3'
cat > "$folder/seen.py" <<'PY'
import time

import tokenizers
from tokenizers import BertWordPieceTokenizer

words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad")
tokenizer = BertWordPieceTokenizer({word: place for place, word in enumerate(words)})
tokenizer.enable_truncation(32, strategy="longest_first")
first, second = "good " * 4_000, "bad " * 4_000
begun = time.perf_counter()
for text in (first, second):
    tokenizer.encode(text)
apart = time.perf_counter() - begun
begun = time.perf_counter()
left = len(tokenizer.encode(first, second).overflowing)
together = time.perf_counter() - begun
print("tokenizers", tokenizers.__version__)
print(f"apart {apart:.3f} s, as a pair {together:.3f} s, with {left:,} more Encodings")
raise SystemExit(together < 10 * apart)
PY
"$folder/env/bin/python" "$folder/seen.py"
