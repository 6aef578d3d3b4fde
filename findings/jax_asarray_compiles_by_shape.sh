#!/bin/sh
# jax 0.10.2 (CPU): `jnp.asarray(x)` of a float32 numpy array compiles a program for every new shape, and keeps it;
# `jnp.asarray(x, dtype="float32")` and `jax.device_put(x)` of the same array compile none.
#
# The guess was that all three only copy. Seen: 60 shapes, 60 programs and some 75 MB of anonymous memory (1.3 MB each),
# against 0 programs and less than 5 MB. Whoever loads a network's weights one by one pays that for each shape.
# Fails where the counts of programs change, or the memory comes to less than half of what was seen.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet 'jax==0.10.2' 'jaxlib==0.10.2' 'numpy==2.4.6'
cat > "$folder/seen.py" <<'PY'
import logging
import os

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
import numpy as np

SHAPES = 60
compiled = []


class Programs(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("Compiling"):
            compiled.append(record.getMessage())


jax.config.update("jax_log_compiles", True)
for name in list(logging.root.manager.loggerDict):
    if name.startswith("jax"):
        logging.getLogger(name).addHandler(Programs())
        logging.getLogger(name).propagate = False


def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024


def of(how, rows):
    """Programs and MB for arrays (rows, 1), (rows, 2), ..."""
    compiled.clear()
    before = anonymous()
    kept = [how(np.zeros((rows, columns + 1), "float32")) for columns in range(SHAPES)]
    jax.block_until_ready(kept)
    return len(compiled), anonymous() - before


jnp.zeros(()).block_until_ready()
ways = {
    "jax.device_put(x)": jax.device_put,
    'jnp.asarray(x, dtype="float32")': lambda x: jnp.asarray(x, dtype="float32"),
    "jnp.asarray(x)": jnp.asarray,
}
found = {name: of(how, rows) for rows, (name, how) in enumerate(ways.items(), start=3)}
print("jax", jax.__version__)
for name, (programs, megabytes) in found.items():
    print(f"{name}: {programs} programs, {megabytes:.0f} MB for {SHAPES} shapes")
programs = [each[0] for each in found.values()]
memory = [each[1] for each in found.values()]
raise SystemExit(programs != [0, 0, SHAPES] or memory[2] < 35 or max(memory[:2]) > 15)
PY
"$folder/env/bin/python" "$folder/seen.py"
