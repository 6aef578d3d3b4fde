#!/bin/sh
# jax 0.10.2 (CPU): the gradient of a convolution's kernel takes tens of times as long within `lax.scan` as
# outside of it; the same gradient, written as a convolution whose axes are in the order NHWC, HWIO, takes the same time
# in both.
#
# The guess was that a loop costs nothing. Seen for 8 images of 24 x 24 with 96 channels and a 3 x 3 kernel, one core:
# 33 ms outside, 1,049 ms within a loop (32 times; 46 on a quieter machine), and 28 and 29 ms as it is written below.
# Outside, XLA for CPUs brings the axes `f01b_i01o->01bf`, as JAX derives the gradient, into the order of images; within a
# loop it does not, as the compiled programs say. Whoever trains with `lax.scan` over steps pays that for each kernel.
# Fails where the loop takes less than 8 times as long, or where the programs' orders of axes are others.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet 'jax==0.10.2' 'jaxlib==0.10.2' 'numpy==2.4.6'
cat > "$folder/seen.py" <<'PY'
import os
import re
import time

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
import numpy as np

ORDER = ("NHWC", "HWIO", "NHWC")
STEPS = 2
AROUND = ((1, 1), (1, 1))
rng = np.random.default_rng(0)
images, flow = (rng.normal(size=(8, 24, 24, 96)).astype("float32") for _ in range(2))
kernel = rng.normal(size=(3, 3, 96, 96)).astype("float32")


def derived(images, flow):
    convolve = lambda kernel: jax.lax.conv_general_dilated(images, kernel, (1, 1), AROUND, dimension_numbers=ORDER)
    return jax.vjp(convolve, kernel)[1](flow)[0]


def written(images, flow):
    channels_first, as_kernel = jnp.transpose(images, (3, 1, 2, 0)), jnp.transpose(flow, (1, 2, 0, 3))
    found = jax.lax.conv_general_dilated(channels_first, as_kernel, (1, 1), AROUND, dimension_numbers=ORDER)
    return jnp.transpose(found, (1, 2, 0, 3))


def in_a_loop(gradient):
    def run(images, flow):
        def step(total, _):
            return total + gradient(images + 0 * total.mean(), flow), None

        return jax.lax.scan(step, jnp.zeros_like(kernel), None, length=STEPS)[0] / STEPS

    return run


def measured(function):
    compiled = jax.jit(function).lower(images, flow).compile()
    orders = set(re.findall(r"convolution\(.*?dim_labels=([\w>-]+)", compiled.as_text()))
    answer, times = np.asarray(compiled(images, flow)), []
    for _ in range(5):
        start = time.perf_counter()
        jax.block_until_ready(compiled(images, flow))
        times.append(time.perf_counter() - start)
    return answer, min(times), orders


print("jax", jax.__version__)
answers, seconds, orders = {}, {}, {}
for name, gradient in (("derived", derived), ("written", written)):
    for where, function, steps in (("outside", gradient, 1), ("in a loop", in_a_loop(gradient), STEPS)):
        key = name, where
        answers[key], whole, orders[key] = measured(function)
        seconds[key] = whole / steps
        print(f"{name}, {where}: {1e3 * seconds[key]:.0f} ms, {', '.join(sorted(orders[key]))}")
first = answers["derived", "outside"]
for each in answers.values():
    np.testing.assert_allclose(each, first, atol=1e-3 * first.std())
slower = seconds["derived", "in a loop"] / seconds["derived", "outside"]
print(f"the loop takes {slower:.0f} times as long")
plain = {"b01f_01io->b01f"}
seen = {
    ("derived", "outside"): plain,
    ("derived", "in a loop"): {"f01b_i01o->01bf"},
    ("written", "outside"): plain,
    ("written", "in a loop"): plain,
}
raise SystemExit(slower < 8 or orders != seen)
PY
"$folder/env/bin/python" "$folder/seen.py"
