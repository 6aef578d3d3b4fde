"""The backend is chosen before Keras exists, from the first source that says one, and never switched."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from headstart import backend
from headstart.backend import BackendChoice, choose_backend
from headstart.errors import UsageError


@pytest.fixture(autouse=True)
def both_installed(monkeypatch):
    monkeypatch.setattr(backend, "installed_backends", lambda: ("jax", "torch"))
    monkeypatch.setattr(backend, "loaded_backend", lambda: None)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


def test_the_flag_wins_over_the_variable_which_wins_over_the_recipe(monkeypatch):
    assert choose_backend(None, None) == BackendChoice("jax", "the first installed of jax, torch")
    assert choose_backend(None, "torch") == BackendChoice("torch", "the recipe")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert choose_backend(None, "torch") == BackendChoice("jax", "variable KERAS_BACKEND")
    assert choose_backend("torch", None) == BackendChoice("torch", "flag --backend")


def test_the_first_installed_is_taken_where_nothing_is_said(monkeypatch):
    monkeypatch.setattr(backend, "installed_backends", lambda: ("torch",))
    assert choose_backend(None, None).name == "torch"


def test_an_unknown_backend_says_who_asked_for_it(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(UsageError, match=r"unknown backend 'tensorflow' \(variable KERAS_BACKEND\)"):
        choose_backend(None, None)


def test_a_backend_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setattr(backend, "installed_backends", lambda: ("torch",))
    with pytest.raises(UsageError) as caught:
        choose_backend("jax", None)
    assert caught.value.hint == 'pip install "headstart[jax]"'


def test_no_backend_at_all_says_what_to_install(monkeypatch):
    monkeypatch.setattr(backend, "installed_backends", lambda: ())
    with pytest.raises(UsageError) as caught:
        choose_backend(None, None)
    assert 'headstart[jax]" or pip install "headstart[torch]' in caught.value.hint


def test_keras_that_is_already_loaded_is_followed_where_nothing_else_is_said(monkeypatch):
    monkeypatch.setattr(backend, "loaded_backend", lambda: "torch")
    assert choose_backend(None, None) == BackendChoice("torch", "keras is already loaded with it")
    assert choose_backend(None, "jax").name == "jax"


def python(code, home, **variables):
    """Run `code` in a new interpreter whose home is `home`; what it printed as JSON."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("KERAS_BACKEND", "KERAS_HOME", "HEADSTART_HOME", "XDG_DATA_HOME")
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**environment, "HOME": str(home), "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


HOSTILE = {
    "backend": "tensorflow",
    "floatx": "float16",
    "epsilon": 0.5,
    "image_data_format": "channels_first",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jax", "torch"])
def test_the_users_keras_settings_are_neither_read_nor_written(name, tmp_path):
    settings = tmp_path / ".keras" / "keras.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps(HOSTILE))
    told = python(
        f"""
        import json, os, sys
        from headstart.backend import activate, choose_backend
        activate(choose_backend("{name}", None))
        import keras
        print(json.dumps([keras.config.backend(), keras.config.floatx(), keras.config.epsilon(),
                          keras.config.image_data_format(), os.environ["KERAS_BACKEND"],
                          "KERAS_HOME" in os.environ, "tensorflow" in sys.modules]))
        """,
        tmp_path,
    )
    assert told == [name, "float32", 1e-7, "channels_last", name, False, False]
    assert json.loads(settings.read_text()) == HOSTILE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jax", "torch"])
@pytest.mark.parametrize("asked", [True, False])
def test_the_same_bits_are_asked_of_the_backend_itself(name, asked, tmp_path):
    """What environment.json says is what PyTorch answers, or what XLA reads when it starts."""
    found = python(
        f"""
        import json, os
        from headstart.backend import activate, choose_backend, is_deterministic
        activate(choose_backend({name!r}, None), deterministic={asked})
        if {name!r} == "torch":
            import torch
            told = torch.are_deterministic_algorithms_enabled()
        else:
            told = "deterministic_ops=true" in os.environ.get("XLA_FLAGS", "")
        print(json.dumps([told, is_deterministic({name!r})]))
        """,
        tmp_path,
    )
    assert found == [asked, asked]


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_jax_that_was_loaded_without_the_same_bits_is_refused_where_that_changes_anything(device, tmp_path):
    """On processors every operation gives them. What JAX says of its device stands in for an accelerator."""
    found = python(
        f"""
        import json
        from headstart.backend import activate, choose_backend, is_deterministic
        from headstart.errors import UsageError
        activate(choose_backend("jax", None))
        import jax
        if {device!r} != jax.default_backend():
            jax.default_backend = lambda: {device!r}
        try:
            activate(choose_backend("jax", None), deterministic=True)
            print(json.dumps(is_deterministic("jax")))
        except UsageError as exc:
            print(json.dumps(exc.message))
        """,
        tmp_path,
    )
    assert found is True if device == "cpu" else "has loaded JAX without that" in found


@pytest.mark.slow
def test_threads_are_as_many_as_asked_for_where_jax_is_asked_for_its_device_first(tmp_path):
    """XLA reads their number once, when it starts."""
    found = python(
        """
        import json
        import os
        from headstart.backend import activate, choose_backend
        activate(choose_backend("jax", None))
        activate(choose_backend("jax", None), threads=1, deterministic=True)
        import jax
        assert jax.numpy.ones((256, 256)).sum() > 0
        names = [open(f"/proc/self/task/{task}/comm").read() for task in os.listdir("/proc/self/task")]
        print(json.dumps(sum("XLAEigen" in name for name in names)))
        """,
        tmp_path,
    )
    assert found == 1


@pytest.mark.slow
def test_an_operation_without_the_same_bits_is_named_with_what_to_do(tmp_path):
    found = python(
        """
        import json
        from headstart.backend import activate, choose_backend
        from headstart.errors import HeadstartError
        from headstart.runs.fitting import explained_backend_errors
        activate(choose_backend("torch", None), deterministic=True)
        import torch
        try:
            with explained_backend_errors():
                torch.zeros(3).put_(torch.tensor([0, 1]), torch.tensor([1.0, 2.0]))
        except HeadstartError as exc:
            print(json.dumps([exc.message, exc.hint]))
        """,
        tmp_path,
    )
    assert found[0].startswith("the operation put_ has no form")
    assert "--deterministic" in found[1]


@pytest.mark.slow
def test_keras_is_never_switched_inside_a_process(tmp_path):
    told = python(
        """
        import json, keras
        from headstart.backend import activate, choose_backend
        from headstart.errors import UsageError
        followed = choose_backend(None, None)
        try:
            activate(choose_backend("torch", None))
        except UsageError as exc:
            print(json.dumps([followed.name, exc.message, exc.hint]))
        """,
        tmp_path,
        KERAS_BACKEND="jax",
    )
    assert told[0] == "jax"
    assert "already loaded with the backend jax; torch was asked for (flag --backend)" in told[1]
    assert "start a new process" in told[2]
    # Keras itself made this one: a notebook imported it before headstart had any say.


def test_keras_on_tensorflow_is_refused_clearly(monkeypatch):
    monkeypatch.setattr(backend, "loaded_backend", lambda: "tensorflow")
    with pytest.raises(UsageError, match="already loaded with the backend tensorflow"):
        backend.activate(choose_backend(None, None))


def test_importing_headstart_loads_no_framework_and_no_numpy(tmp_path):
    told = python(
        """
        import json, sys
        import headstart
        headstart.load_registry
        loaded = {"numpy", "keras", "jax", "torch", "tensorflow"} & set(sys.modules)
        print(json.dumps([sorted(loaded), headstart.__version__, sorted(dir(headstart))]))
        """,
        tmp_path,
    )
    assert told[0] == []
    assert {"fit", "Run", "Artefact", "Predictor", "load_registry"} <= set(told[2])


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    import headstart

    with pytest.raises(AttributeError, match="has no attribute 'fitt'"):
        headstart.fitt  # noqa: B018


@pytest.mark.slow
def test_threads_that_are_asked_for_are_set_on_pytorch():
    program = (
        "from headstart.backend import BackendChoice, activate\n"
        "activate(BackendChoice('torch', 'a test'), 1)\n"
        "import torch\n"
        "print(torch.get_num_threads())"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "1"
