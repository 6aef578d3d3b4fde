#!/bin/sh
# pyarrow 26.0.1: `ParquetFile(path).iter_batches(batch_size)` over many row groups ends up holding all bytes of the
# column that it reads, since `pre_buffer` is True unless it is said otherwise; with `pre_buffer=False` it holds one row
# group's.
#
# The guess was that iterating over batches takes the memory of a batch. Seen: for 64 MB of binary values in 64 row
# groups, a peak of 66 MB in Arrow's memory pool by default against 3 MB. Fails where the first comes below 48 MB or
# the second above 16 MB.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet 'pyarrow==26.0.1' 'numpy==2.4.6'
cat > "$folder/seen.py" <<'PY'
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

folder = sys.argv[1]
path = f"{folder}/pictures.parquet"
if len(sys.argv) == 2:
    random = np.random.default_rng(0)
    with pq.ParquetWriter(path, pa.schema([("bytes", pa.binary())]), compression="none", use_dictionary=False) as file:
        for _ in range(64):  # a megabyte each, as ten pictures of 100 kB
            file.write_table(pa.table({"bytes": pa.array([random.bytes(100_000) for _ in range(10)], pa.binary())}))
    peaks = [int(subprocess.check_output([sys.executable, __file__, folder, each])) for each in ("default", "False")]
    print("pyarrow", pa.__version__)
    print(f"peak of the memory pool: {peaks[0]} MB by default, {peaks[1]} MB with pre_buffer=False, of 64 MB")
    raise SystemExit(peaks[0] < 48 or peaks[1] > 16)
settings = {} if sys.argv[2] == "default" else {"pre_buffer": False}
for batch in pq.ParquetFile(path, **settings).iter_batches(10):
    del batch
print(pa.default_memory_pool().max_memory() // 1_000_000)
PY
"$folder/env/bin/python" "$folder/seen.py" "$folder"
