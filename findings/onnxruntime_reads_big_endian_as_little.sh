#!/usr/bin/env bash
# onnxruntime 1.32.0: an array of big-endian floats (dtype ">f4") passes as tensor(float), and its bytes are read in the
# other order: 1.0 becomes 4.6e-41, without an error. PyTorch and JAX refuse such arrays, numpy and OpenVINO take their
# values.
# A good guess: `run`, which refuses float64 for a float32 input by name, takes the values of the array or refuses it too.
# FITS, NetCDF 3, IDX, SEG-Y and RIFX files, and HDF5 written elsewhere, are read as such arrays.
# Seen 2026-12-01 on Linux, Python 3.11, x86-64: of 0, 1, 2, 3 come 0, 4.6e-41, 9e-44 and 2.3e-41; after
# `.astype("float32")` they are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
HOME="$folder" XDG_CACHE_HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

graph = helper.make_graph(
    [helper.make_node("Identity", ["x"], ["y"])],
    "as_it_is",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
values = np.arange(4, dtype=">f4")
(read,) = session.run(None, {"x": values})
(swapped,) = session.run(None, {"x": values.astype("float32")})
print(onnxruntime.__version__, sys.byteorder, "given", values, "read", read, "after astype", swapped)
assert sys.byteorder == "little"
assert (swapped == [0, 1, 2, 3]).all()
assert (read == values.view("<f4")).all() and read.max() < 1e-30
PYTHON
