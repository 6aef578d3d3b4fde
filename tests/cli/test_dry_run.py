"""`fit --dry-run` shows what would run, from the plan that a run would carry out, and leaves nothing behind."""

import contextlib
import io
import json
from types import SimpleNamespace

import pytest

from headstart_cli.main import run_arguments

pytestmark = pytest.mark.backend

SHOWN = ("digits", "--limit", "120", "--image-size", "32", "--train", "block7,top", "--dry-run")


@pytest.fixture(scope="module")
def headstart(backend):
    """The command in this process, which has its backend: what it exits with and what it prints."""

    def run(*arguments):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = run_arguments([*map(str, arguments), "--backend", backend])
        return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())

    return run


@pytest.fixture(scope="module")
def document(headstart, tmp_path_factory):
    out = tmp_path_factory.mktemp("dry") / "run"
    done = headstart("fit", *SHOWN, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    assert not out.exists()
    return json.loads(done.stdout)


def test_it_counts_what_learns_in_each_stage_of_each_phase(document):
    probe, fine_tune = document["phases"]
    head = 1280 * 10 + 10
    assert {name: count for name, count in probe["trainable"].items() if count} == {"head": head}
    assert {name for name, count in fine_tune["trainable"].items() if count} == {"block7", "top", "head"}
    # one inverted residual to 320 channels and the last convolution, without the statistics of their norms
    top = 320 * 1280 + 2 * 1280
    assert fine_tune["trainable"]["top"] == top
    assert fine_tune["trainable_total"] == sum(fine_tune["trainable"].values())


def test_it_says_what_the_weights_were_trained_on(document):
    assert [each["trained_on"] for each in document["lineage"]] == ["ImageNet-1k (classes)"]


def test_it_counts_samples_and_steps(document):
    train = document["samples"]["train"]
    assert sum(document["samples"].values()) == 120
    assert document["phases"][1]["steps"] == 10 * -(-train // 32)


def test_it_says_where_the_network_is_cut_and_what_is_stored_there(document):
    probe, fine_tune = document["phases"]
    assert (probe["cut"], probe["stored"]) == ("head", {"pooled": [1280]})
    assert (fine_tune["cut"], fine_tune["stored"]) == ("block7", {"x": [1, 1, 192]})
    rows = document["samples"]["train"] + document["samples"]["val"]
    assert (probe["stored_bytes"], fine_tune["stored_bytes"]) == (rows * 1280 * 4, rows * 192 * 4)
    assert document["uncuttable"] == []
    assert document["origins"]["train"] == "flag --train"


def test_a_flatten_head_stores_the_top_map_learns_by_gradient_and_is_told_to_be_wide(headstart):
    done = headstart("fit", *SHOWN, "--image-size", "64", "--head", "flatten:16", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    probe, fine_tune = document["phases"]
    head = 2 * 2 * 320 * 16 + 16 + 16 * 10 + 10
    assert (probe["solver"], probe["cut"], probe["stored"]) == ("gradient", "head", {"map@32": [2, 2, 320]})
    assert {name for name, count in fine_tune["trainable"].items() if count} == {"block7", "head"}  # none above the map
    (warning,) = [each for each in document["warnings"] if "numbers to learn" in each]
    train = document["samples"]["train"]
    assert warning == (
        f"the head flatten:16 has {head:,} numbers to learn from {train} samples, 20,480 of them in weights of "
        "1,280 x 16; --head linear, on pooled, is safer"
    )


def test_what_is_too_large_to_be_stored_is_told(headstart, monkeypatch):
    monkeypatch.setattr("headstart.engine.features.source.STORED_LIMIT", 120 * 192 * 4)
    done = headstart("fit", *SHOWN)
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert "- probe: what frozen stages give of all samples is 0.000614 GB, and 9.22e-05 GB at most are stored" in told
    assert "- fine_tune: " not in told
    assert "x=1x1x192: " in told


@pytest.mark.slow
def test_samples_that_are_drawn_anew_are_not_stored(headstart):
    done = headstart("fit", *SHOWN, "--augment", "light", "--json")
    probe, fine_tune = json.loads(done.stdout)["phases"]
    assert probe["stored"]
    assert fine_tune["stored"] == {}


@pytest.mark.slow
def test_people_see_the_same_as_tables(headstart):
    done = headstart("fit", *SHOWN)
    assert done.returncode == 0
    for words in ("flag --backend", "learns in fine_tune", "block7..head 0.0003", "Nothing was trained"):
        assert words in done.stdout
    assert "clipped to 1" in " ".join(done.stdout.split())


def test_it_says_what_is_particular_to_a_strategy(headstart):
    done = headstart("fit", *SHOWN, "--strategy", "lora", "--set", "strategy.rank=4", "--json")
    phase = json.loads(done.stdout)["phases"][1]
    assert (phase["adapter"], phase["roles"], phase["clip"]) == (
        {"rank": 4, "scale": 2.0, "head": False, "kernels": {"block7": 3, "top": 1}},
        [],
        1.0,
    )
    assert phase["trainable"]["top"] == 4 * (320 + 1280)  # the factors of one 1x1 convolution


@pytest.mark.slow
def test_a_plan_that_has_nothing_to_act_on_is_refused_before_training(headstart):
    done = headstart("fit", *SHOWN, "--strategy", "lora", "--set", "strategy.rank=512")
    assert done.returncode == 2
    assert "match no kernel" in done.stderr


def test_it_says_by_which_optimizer_and_schedule_each_phase_learns(headstart):
    chosen = {"optimizer": "sgd", "momentum": "0.9", "schedule": "constant", "warmup": "0"}
    sets = [part for name, value in chosen.items() for part in ("--set", f"strategy.{name}={value}")]
    phases = json.loads(headstart("fit", *SHOWN, *sets, "--json").stdout)["phases"]
    told = [(phase["optimizer"], phase["momentum"], phase["schedule"], phase["warmup"]) for phase in phases]
    assert told == [(None, 0.0, None, 0.1), ("sgd", 0.9, "constant", 0.0)]


def test_it_refuses_a_precision_that_training_has_no_use_for(headstart, backend):
    if backend != "jax":
        pytest.skip("PyTorch trains in bfloat16 on the CPU")
    narrow = ("fit", "digits", "--limit", "120", "--image-size", "32", "--set", "training_precision=bfloat16")
    done = headstart(*narrow, "--dry-run")
    assert done.returncode == 1
    assert "bfloat16 on the CPU" in done.stderr
    assert "--set training_precision=float32" in done.stderr
