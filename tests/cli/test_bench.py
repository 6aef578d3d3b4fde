"""`headstart bench` and `headstart engines` as a user meets them."""

import json

import pytest


def test_engines_are_listed_with_what_they_lack(headstart, small_plugin):
    done = headstart("engines", "--json", PYTHONPATH=str(small_plugin))
    rows = {row["name"]: row for row in json.loads(done.stdout)}

    assert done.returncode == 0
    assert rows["engines/native"]["missing"] == []
    assert rows["small/absent"]["missing"] == ["no_such_module"]
    assert "bfloat16" in rows["engines/openvino"]["precisions"]


@pytest.mark.slow
def test_a_backbone_is_measured_in_every_engine_of_one_backend(headstart, small_plugin):
    done = headstart("bench", "small/net", "--backend", "torch", "--json", PYTHONPATH=str(small_plugin))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    rows = {(row["engine"], row["precision"]): row for row in document["rows"]}

    assert document["backbone"] == "small/net"
    assert document["inputs"] == {"image": [16, 16, 3]}
    assert rows["native", "float32"]["samples_per_second"] > 0
    assert "small/off differs" in rows["off", "float32"]["refused"]
    assert "no_such_module" in rows["absent", "-"]["refused"]
    fastest = max((row["samples_per_second"] or 0, name) for name, row in rows.items() if name[1] == "float32")[1]
    assert [name for name, row in rows.items() if row["auto"]] == [fastest]


@pytest.mark.slow
def test_without_a_backend_each_gets_a_process_of_its_own(headstart, small_plugin):
    done = headstart("bench", "small/net", PYTHONPATH=str(small_plugin))

    assert done.returncode == 0, done.stderr
    assert {"jax", "torch"} <= set(done.stdout.split())


@pytest.mark.slow
def test_whole_processes_are_taken_apart(headstart, small_plugin):
    flags = ("--process", "--backend", "torch", "--limit", "60", "--json")
    done = headstart("bench", "small/net", *flags, PYTHONPATH=str(small_plugin))
    assert done.returncode == 0, done.stderr
    (document,) = json.loads(done.stdout)
    cold, second, asked = document["processes"]

    assert [each["name"] for each in document["processes"]] == ["cold", "second", "evaluation"]  # digits are no files
    for each in document["processes"]:
        assert sum(part["wall"] for part in each["parts"].values()) == pytest.approx(each["whole"]["wall"])
        assert each["parts"]["imports"]["wall"] > 0
    assert cold["parts"]["features"]["wall"] > second["parts"]["features"]["wall"]
    assert "building again" in second["parts"]
    assert "building again" not in asked["parts"], "scores of test, which fit kept, need no network"


def test_settings_of_whole_processes_need_them(headstart):
    done = headstart("bench", "small/net", "--limit", "60")

    assert done.returncode == 2
    assert "--process" in done.stderr


def test_an_unknown_backbone_is_a_usage_error(headstart):
    done = headstart("bench", "no/such", "--backend", "torch")

    assert done.returncode == 2
    assert "no/such" in done.stderr


def test_where_all_data_for_a_backbone_has_to_be_made_first_that_is_what_is_said(headstart, tmp_path):
    done = headstart("bench", "hf_text/all_minilm_l6", "--backend", "torch", HEADSTART_HOME=str(tmp_path))

    assert done.returncode == 2
    assert "nothing to measure on" in done.stderr
    assert "hint: headstart datasets make debian_sections" in done.stderr


def test_a_flag_of_another_input_kind_is_a_usage_error(small_registry):
    from headstart.errors import UsageError
    from headstart.runs.bench import bench

    with pytest.raises(UsageError, match="image has no --seconds"):
        bench("small/net", small_registry, backend="torch", flags={"seconds": 3})
