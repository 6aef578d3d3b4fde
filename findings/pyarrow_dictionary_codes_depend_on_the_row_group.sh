#!/bin/sh
# pyarrow 26.0.1: a column that `read_table(read_dictionary=["label"])` reads has a dictionary for each row group, so the
# same code is another class from row group to row group; in `iter_batches` the dictionary changes on the way.
#
# The guess was that a dictionary column is one list of classes and a code for each row, as the type
# `dictionary<values=string, indices=int32>` of the whole column says, and as pandas' categories are. Seen: a file of two
# row groups, "cat" and "dog" in the one, "dog" and "bird" in the other, has the codes 0, 1 and 0, 1: whoever takes
# `chunk.indices` as labels learns that dogs are cats. `unify_dictionaries()` gives one list.
# Fails where the codes change.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet 'pyarrow==26.0.1'
cat > "$folder/seen.py" <<'PY'
import sys

import pyarrow as pa
import pyarrow.parquet as pq

path = f"{sys.argv[1]}/labels.parquet"
pq.write_table(pa.table({"label": ["cat", "dog", "dog", "bird"]}), path, row_group_size=2)
column = pq.read_table(path, read_dictionary=["label"])["label"]
whole = column.unify_dictionaries()


def codes(chunks):
    return [(chunk.dictionary.to_pylist(), chunk.indices.to_pylist()) for chunk in chunks]


batches = [batch["label"] for batch in pq.ParquetFile(path, read_dictionary=["label"]).iter_batches(2)]
print("pyarrow", pa.__version__, column.type, column.to_pylist())
print("chunks of the column:", codes(column.chunks))
print("unified:", codes(whole.chunks))
apart = [(["cat", "dog"], [0, 1]), (["dog", "bird"], [0, 1])]
together = [(["cat", "dog", "bird"], [0, 1]), (["cat", "dog", "bird"], [1, 2])]
raise SystemExit(codes(column.chunks) != apart or codes(batches) != apart or codes(whole.chunks) != together)
PY
"$folder/env/bin/python" "$folder/seen.py" "$folder"
