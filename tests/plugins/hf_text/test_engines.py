"""Exported token backbones answer as the backend that trains does, whatever the length, for real tokens of a mask."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from headstart.engine.in_flight import outputs_of
from headstart.specs import EngineRequest

pytestmark = [pytest.mark.backend, pytest.mark.slow]
SLOW_ON_JAX = True
PROGRAM = Path(__file__).with_name("token_networks.py")
ENGINES = {"openvino": ("openvino",), "onnxruntime": ("onnxruntime", "onnx", "torch")}
"""With the packages that each needs."""


@pytest.fixture(scope="module", params=ENGINES)
def engine(request, tmp_path_factory):
    """A function from the name of a network to the engine that runs it on two threads."""
    if any(importlib.util.find_spec(package) is None for package in ENGINES[request.param]):
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    backend = {"openvino": "openvino", "onnxruntime": "torch"}[request.param]
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", str(PROGRAM), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    build = importlib.import_module(f"headstart_plugins.engines._{request.param}").build
    return lambda name: build(EngineRequest(None, 0, folder / name, 5, "float32", 2))


@pytest.fixture(scope="module")
def networks():
    spec = importlib.util.spec_from_file_location("token_networks", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.networks()


@pytest.mark.parametrize("name", ["bert", "pooler", "modernbert", "gpt2"])
def test_an_engine_answers_as_the_backend_does_at_any_length(name, engine, networks, assert_close):
    from headstart.engine.device import forward

    module, made = networks
    network, stop = made[name]
    opened = engine(name)
    for time in (32, 16):
        batch = module.batch(time)
        expected, given = forward(network, 0, stop)(batch), opened(batch)
        assert given.keys() == expected.keys() == {"@pooled", "@tokens", "@tokens.mask"}
        np.testing.assert_array_equal(given["@tokens.mask"], batch["mask"])
        assert_close(given["@pooled"], expected["@pooled"])
        assert_close(given["@tokens"][batch["mask"]], expected["@tokens"][batch["mask"]])
    singly = [opened(module.batch(time)) for time in (32, 16, 23)]
    for one, reference in zip(outputs_of(opened, map(module.batch, (32, 16, 23))), singly, strict=True):
        for output, array in reference.items():
            np.testing.assert_array_equal(one[output], array)
    several = {name: np.concatenate([array, array[:4]]) for name, array in batch.items()}  # some requests hold two
    assert_close(opened(several)["@pooled"], np.concatenate([expected["@pooled"], expected["@pooled"][:4]]))
