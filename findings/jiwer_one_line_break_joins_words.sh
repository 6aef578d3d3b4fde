#!/bin/sh
# jiwer 4.0.0: a single line break or tab between two words is part of one word; two of them in a row part the words.
#
# The guess was that words are what stands between white space, as `str.split` has it and as the documentation's
# "multiple spaces" suggests. Seen: wer("a\nb", "a b") is 2.0 (one word of three letters, two words understood), and
# wer("a\n\nb", "a b") is 0.0: the default transform makes one space of two white spaces or more, and then parts at spaces.
# Transcripts that are wrapped at 80 columns, or copied from a table, lose two words a line. Put spaces in their place.
# Fails where a figure changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet 'jiwer==4.0.0'
cat > "$folder/seen.py" <<'PY'
from importlib.metadata import version

import jiwer

SAID = "the quick brown fox jumps over the lazy dog"
WRAPPED = "the quick brown fox\njumps over the lazy dog"
found = {
    r'wer("a\nb", "a b")': jiwer.wer("a\nb", "a b"),
    r'wer("a\tb", "a b")': jiwer.wer("a\tb", "a b"),
    r'wer("a\n\nb", "a b")': jiwer.wer("a\n\nb", "a b"),
    "a right sentence, wrapped once": jiwer.wer(WRAPPED, SAID),
    "the same, with its white space made spaces": jiwer.wer(" ".join(WRAPPED.split()), SAID),
}
print("jiwer", version("jiwer"))
for what, rate in found.items():
    print(f"{what}: {rate}")
raise SystemExit(list(found.values()) != [2.0, 2.0, 0.0, 2 / 8, 0.0])
PY
"$folder/env/bin/python" "$folder/seen.py"
