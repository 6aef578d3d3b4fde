#!/usr/bin/env bash
# PyTorch 2.13.0 (CPU): a step of torch.optim.AdamW(fused=True) on 1,003 numbers leaves other bits than the same step on
# the same numbers held one by one, though each number's update depends on no other: the last bit depends on where in its
# tensor a number stands.
# A good guess: an update element by element gives an element the same bits wherever it stands, so a tensor may be cut,
# or some of its rows gathered, without a change.
# Seen 2026-11-30 on Linux, Python 3.11, AMD EPYC with AVX-512: some hundred of 1,003 second moments differ, by a last bit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch

torch.manual_seed(0)
steps = [torch.randn(1003) for _ in range(2)]


def second_moments(parts):
    weights = [torch.nn.Parameter(torch.zeros(len(part))) for part in parts(steps[0])]
    optimizer = torch.optim.AdamW(weights, fused=True)
    for gradients in steps:
        for weight, gradient in zip(weights, parts(gradients), strict=True):
            weight.grad = gradient.clone()
        optimizer.step()
    return torch.cat([optimizer.state[weight]["exp_avg_sq"] for weight in weights])


whole = second_moments(lambda numbers: [numbers])
single = second_moments(lambda numbers: numbers.split(1))
differ = int((whole != single).sum())
print(torch.__version__, differ, "of", len(whole), "differ")
assert torch.allclose(whole, single, rtol=1e-6)
assert differ > 0
PYTHON
