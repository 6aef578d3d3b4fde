"""`import keras` by headstart loads no more than a run needs, and hides nothing from whoever asks later."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from headstart.backend import installed_backends

BESIDE = {"torch": ("jax", "sklearn", "matplotlib", "torch._dynamo", "torch._inductor"), "jax": ("sklearn", "torch")}


def python(code, backend):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


START = """
    import json, sys
    from headstart.backend import activate, choose_backend
    activate(choose_backend(None))
"""


@pytest.mark.parametrize("backend", installed_backends())
def test_keras_is_loaded_alone(backend):
    found = python(f"{START}\n    print(json.dumps([n for n in {BESIDE[backend]} if n in sys.modules]))", backend)

    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("backend", installed_backends())
def test_what_was_put_off_is_there_when_it_is_asked_for(backend):
    """Keras' wrappers are those of the scikit-learn that is installed, and its galleries draw."""
    pytest.importorskip("sklearn")
    code = f"""{START}
    import keras
    from sklearn.base import BaseEstimator
    from keras.src.wrappers import sklearn_wrapper
    print(json.dumps([issubclass(keras.wrappers.SKLearnClassifier, BaseEstimator),
                      callable(keras.visualization.plot_image_gallery),
                      keras.wrappers.SKLearnClassifier is sklearn_wrapper.SKLearnClassifier]))
    """

    assert python(code, backend) == [True, True, True]


@pytest.mark.slow
@pytest.mark.skipif("torch" not in installed_backends(), reason="needs PyTorch")
def test_torchdynamo_does_not_trace_what_keras_keeps_from_it():
    """A random draw of Keras in a compiled function: its generator is nothing that TorchDynamo could trace."""
    code = f"""{START}
    import keras, torch, torch._dynamo
    drop = keras.layers.Dropout(0.5, seed=1)
    compiled = torch.compile(lambda x: drop(x, training=True) + 1, backend="eager")
    found = compiled(torch.ones(1000))
    print(json.dumps([torch._dynamo.__file__.endswith("__init__.py"), sorted(set(found.tolist()))]))
    """

    assert python(code, "torch") == [True, [1.0, 3.0]]
